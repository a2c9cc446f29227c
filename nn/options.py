"""The allowed values of layers' options: one table, which every constructor checks first."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from minigrad.ops.arguments import RANGES
from minigrad.ops.window_sizes import per_axis

WHOLE = {  # the smallest allowed whole number; some options may also be a sequence of such numbers
    **dict.fromkeys(
        [
            "in_features", "out_features", "in1_features", "in2_features", "num_features", "num_channels", "in_channels", "out_channels",
            "num_embeddings", "embedding_dim", "num_parameters", "normalized_shape", "dim_feedforward", "kdim", "vdim", "input_size",
            "output_size", "blank",
        ],
        0,
    ),
    **dict.fromkeys(
        [
            "groups", "num_groups", "upscale_factor", "downscale_factor", "size", "hidden_size",
            "num_layers", "embed_dim", "num_heads", "d_model", "nhead", "num_encoder_layers", "num_decoder_layers", "n_classes",
            "num_classes",
        ],
        1,
    ),
}  # fmt: skip
# the smallest allowed whole number; the option is one number, or one for each axis
SIZES = {"kernel_size": 1, "stride": 1, "dilation": 1, "padding": 0, "output_padding": 0}
REAL = {  # the range of a real number
    **dict.fromkeys(["eps", "layer_norm_eps", "lambd", "max_norm"], "0 or above"),
    **dict.fromkeys(["delta", "div_value", "scale_factor"], "above 0"),
    **dict.fromkeys(["momentum", "dropout", "label_smoothing"], "from 0 to 1"),
    **dict.fromkeys(["lower", "upper"], "finite"),
}


def check(module: Any, given: Mapping[str, Any], **ranges: str) -> None:
    """Refuse options out of their range: ``check(self, locals())`` at the head of a constructor.

    Args:
        module: the layer, for its class name in the message.
        given: options by name; names that are in no table, and None (an option that was not given), are not checked.
        ranges: name -> range, for numbers that are not in the table or have another range there.

    Raises:
        ShapeError: a size is too small, or there is not one for each of the layer's ``dims`` axes.
        TypeError: an option is not a number, or not a whole number although it must be one.
        ValueError: an option is out of range.

    >>> from minigrad import nn
    >>> nn.Linear(-3, 3)
    Traceback (most recent call last):
    ValueError: Linear: in_features must be a whole number, 0 or above, but is -3
    """
    for name, value in given.items():
        if value is None:
            continue
        if (real := ranges.get(name) or REAL.get(name)) is not None:
            _check(module, name, value, f"a number, {real}", float, RANGES[real])
        elif name in SIZES:
            per_axis(type(module).__name__, name, value, module.dims, SIZES[name])
        elif name in WHOLE:
            _check(module, name, value, f"a whole number, {WHOLE[name]} or above", operator.index, WHOLE[name].__le__)


def _check(module: Any, name: str, value: Any, rule: str, number: Callable[[Any], Any], fits: Callable[[Any], bool]) -> None:
    several = isinstance(value, Sequence) and not isinstance(value, str)
    try:
        if isinstance(value, str):  # float() would accept "3"
            raise TypeError
        right = all(fits(number(v)) for v in (value if several else [value]) if v is not None)
    except TypeError:
        raise TypeError(f"{type(module).__name__}: {name} must be {rule}, but is {value!r}") from None
    if not right:
        raise ValueError(f"{type(module).__name__}: {name} must be {rule}{' (each)' if several else ''}, but is {value!r}")
