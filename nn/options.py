"""The allowed values of layers' options: one table, which every constructor checks first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minigrad.ops.arguments import number, whole
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
        ShapeError: a whole number is too small, or there is not one for each of the layer's ``dims`` axes.
        TypeError: an option is not a number, or not a whole number although it must be one.
        ValueError: a number is out of range.

    >>> from minigrad import nn
    >>> nn.Linear(-3, 3)
    Traceback (most recent call last):
    minigrad.ShapeError: Linear: in_features must be 0 or above, but is -3
    """
    layer = type(module).__name__
    for name, value in given.items():
        if value is None:
            continue
        if name in SIZES:
            per_axis(layer, name, value, module.dims, SIZES[name])
            continue
        for v in value if isinstance(value, (tuple, list)) else (value,):
            if v is None:
                continue
            if (real := ranges.get(name) or REAL.get(name)) is not None:
                number(layer, name, v, real)
            elif name in WHOLE:
                whole(layer, name, v, WHOLE[name])
