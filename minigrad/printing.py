"""How tensors are printed."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import get_default_dtype, is_batched, wrap
from minigrad.ops.arguments import check

_DEFAULT: dict[str, Any] = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 75, "sci_mode": None}
_PROFILES: dict[str, dict[str, Any]] = {
    "default": _DEFAULT,
    "short": {**_DEFAULT, "precision": 2, "edgeitems": 2},
    "full": {**_DEFAULT, "threshold": 2**62},
}
_options = dict(_DEFAULT)


def set_printoptions(
    precision: int | None = None,
    threshold: int | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors are printed from now on: ``torch.set_printoptions``. What is None stays.

    Args:
        precision: digits behind the point (4).
        threshold: tensors of more elements are abridged (1000).
        edgeitems: elements that are shown at each end then (3).
        linewidth: characters in a line (75).
        profile: ``"default"``, ``"short"`` or ``"full"``: sets all others first.
        sci_mode: True, False, or None to write very large and very small numbers as ``1.0000e+10``.

    Raises ``ValueError`` for another profile.

    >>> import minigrad as mg
    >>> mg.set_printoptions(precision=2)
    >>> mg.tensor([3.14159])
    tensor([3.14])
    >>> mg.set_printoptions(profile="default")
    """
    check(
        "set_printoptions",
        locals(),
        "precision threshold edgeitems linewidth profile",
        precision=0,
        threshold=0,
        edgeitems=0,
        linewidth=1,
        profile=tuple(_PROFILES),
    )
    if profile is not None:
        _options.update(_PROFILES[profile])
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    _options.update({name: value for name, value in given.items() if value is not None})
    _options["sci_mode"] = sci_mode


def text_of(t: Any, is_leaf: bool) -> str:
    """Text like ``tensor([1.0000, 2.5000], dtype=float64, grad_fn=<mul>)``, with values as PyTorch prints them."""
    if is_batched(t):  # all samples
        return f"{text_of(wrap(t._data.array, t._node), is_leaf)}, of which vmap sees each along dimension 0"
    data, dtype, digits = t._data, t._data.dtype, _options["precision"]
    with np.printoptions(**{name: _options[name] for name in ("threshold", "edgeitems", "linewidth")}):
        if dtype.kind == "f":
            if dtype.itemsize == 2:  # numpy writes 18000 in float16 as 1.8e+04, and has no 1e5 there
                data = data.astype(np.float32)
            finite = data[np.isfinite(data)]
            whole = bool((finite == np.trunc(finite)).all())
            sizes = np.abs(finite[finite != 0], dtype=np.float64)
            wide = sizes.size > 0 and (sizes.max() > 1000 * sizes.min() or sizes.max() > 1e8 or (not whole and sizes.min() < 1e-4))
            wide = wide if _options["sci_mode"] is None else _options["sci_mode"]
            form: Any = {"float": f"{{:{6 + digits + bool((data < 0).any())}.{digits}e}}".format} if wide else {}
            with np.printoptions(floatmode="maxprec" if whole else "fixed", precision=digits, suppress=True):
                text = np.array2string(data, separator=", ", prefix="tensor(", formatter=form)
        else:
            text = np.array2string(data, separator=", ", prefix="tensor(")
    if not data.size:
        text = "[]" if data.ndim == 1 else f"[], size={data.shape}"
    parts = [text]
    if dtype not in (get_default_dtype(), np.int64, np.bool_) or (not data.size and dtype != get_default_dtype()):
        parts.append(f"dtype={dtype}")
    if t._node is not None:
        parts.append("requires_grad=True" if is_leaf else f"grad_fn=<{t._node.name}>")
    return f"tensor({', '.join(parts)})"
