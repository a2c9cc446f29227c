"""How tensors are printed, those of complex numbers too."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.engine import Shell, get_default_dtype, inside, is_batched, wrap
from minigrad.ops.arguments import check

_DEFAULT: dict[str, Any] = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}
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
        linewidth: characters in a line (80).
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
    """Text like ``tensor([1.0000, 2.5000], dtype=torch.float64, grad_fn=<MulBackward0>)``, with the numbers and lines of PyTorch's.

    A :class:`~minigrad.engine.Shell` around a Tensor has the text of the numbers that its ``numpy`` makes, and the node of the Tensor.
    """
    inner = inside(t)
    if is_batched(inner):  # all samples
        every = wrap(inner._data.array, inner._node)
        return f"{text_of(every if inner is t else type(t)(every), is_leaf)}, of which vmap sees each along dimension 0"
    data = t.numpy(force=True) if isinstance(t, Shell) else t._data
    dtype, default = data.dtype, get_default_dtype()
    suffixes = []
    if data.ndim != 1 if not data.size else not _options["edgeitems"]:
        suffixes.append(f"size={data.shape}")
    usual = (default, np.result_type(default, np.complex64), np.int64, np.bool_) if data.size else (default,)
    if dtype not in usual:
        suffixes.append(f"dtype=torch.{dtype}")
    if inner._node is not None:
        suffixes.append("requires_grad=True" if is_leaf else f"grad_fn=<{inner._node.name().rpartition('::')[2]}>")
    return _with_suffixes("tensor(", _numbers(data, len("tensor(")), suffixes)


def _with_suffixes(prefix: str, text: str, suffixes: list[str]) -> str:
    """``prefix``, the numbers, and what is said of them, on a line of its own where the last one is too long for it."""
    text = prefix + text
    parts, length = [text], len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if length + len(suffix) + 2 > _options["linewidth"]:
            parts.append(",\n" + " " * len(prefix) + suffix)
            length = len(prefix) + len(suffix)
        else:
            parts.append(", " + suffix)
            length += len(suffix) + 2
    return "".join(parts) + ")"


def _numbers(data: np.ndarray, indent: int) -> str:
    """The numbers in brackets; of more than ``threshold`` those at the ends."""
    if not data.size:
        return "[]"
    edge: int | None = _options["edgeitems"] if data.size > _options["threshold"] else None
    shown = data
    for axis, n in enumerate(data.shape):
        if edge is not None and n > 2 * edge:
            shown = shown.take([*range(edge), *range(n - edge, n)], axis)
    form, width = _form(shown)
    return _nested(data, indent, edge, form, width)


def _nested(data: np.ndarray, indent: int, edge: int | None, form: Callable[[Any], str], width: int) -> str:
    if data.ndim == 0:
        return form(data.item())
    abridged = edge is not None and len(data) > 2 * edge
    ends = [data[:edge], data[len(data) - (edge or 0) :]] if abridged else [data]
    if data.ndim > 1:
        parts = [[_nested(row, indent + 1, edge, form, width) for row in end] for end in ends]
        rows = [*parts[0], "...", *parts[1]] if abridged else parts[0]
        return "[" + ("," + "\n" * (data.ndim - 1) + " " * (indent + 1)).join(rows) + "]"
    parts = [list(map(form, end.tolist())) for end in ends]
    cells = [*parts[0], " ..." if edge else "...", *parts[1]] if abridged else parts[0]
    fit = max(1, (_options["linewidth"] - indent) // (width + 2))
    lines = [", ".join(cells[i : i + fit]) for i in range(0, len(cells), fit)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _form(shown: np.ndarray) -> tuple[Callable[[Any], str], int]:
    """What makes the text of a number among ``shown``, and its width.

    Floats are whole (``2.``), fixed (``2.5000``), or, if they are very large or small or far apart, scientific (``2.5000e+10``). What is 0 or
    not finite does not count. The parts of complex numbers (``1.+0.5000j``) each have the form of their kind.
    """
    if shown.dtype.kind == "c":
        (real, width), (imag, behind) = _form(shown.real), _form(shown.imag)
        return (lambda z: _joined(real(z.real), imag(z.imag).lstrip())), width + behind + 1
    if shown.dtype.kind != "f":
        width = max([len(str(x)) for x in shown.ravel().tolist()], default=1)
        return (lambda x: str(x).rjust(width)), width
    counted = shown[np.isfinite(shown) & (shown != 0)]
    whole, wide, digits = bool((counted == np.trunc(counted)).all()), False, _options["precision"]
    if counted.size:
        sizes = np.abs(counted.astype(np.float64))
        low, high = float(sizes.min()), float(sizes.max())
        wide = (high / low > 1000 or high > 1e8 or low < 1e-4) if _options["sci_mode"] is None else _options["sci_mode"]
    kind = f".{digits}e" if wide else ".0f" if whole else f".{digits}f"
    point = "." if whole and not wide else ""
    width = max([len(format(x, kind)) + len(point) for x in counted.tolist()], default=1)
    return (lambda x: (format(x, kind) + (point if math.isfinite(x) else "")).rjust(width)), width


def _joined(real: str, imag: str) -> str:
    return f"{real}{'' if imag[0] == '-' else '+'}{imag}j"
