"""Comparing results in tests: ``torch.testing``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minigrad.engine import Shell, TensorBase
from minigrad.tree import array_of

_TOLERANCES = {"float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}
_TOLERANCES |= {"complex64": _TOLERANCES["float32"], "complex128": _TOLERANCES["float64"]}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise ``AssertionError`` unless ``|actual - expected| <= atol + rtol * |expected|`` everywhere: ``torch.testing.assert_close``.

    Args:
        actual, expected: Tensors, arrays or numbers, or lists, tuples and mappings of them that are alike.
        rtol, atol: both or neither; by default those of the coarser of the two dtypes: 1.3e-6 and 1e-5 for float32, 1e-7 twice for float64,
            0 for integers.
        equal_nan: whether NaN equals NaN.
        check_dtype: whether dtypes must be equal too.
        check_stride: whether strides must be.
        allow_subclasses, check_device, check_layout: accepted: there is one device and one layout.
        msg: in place of the message, or a function of it.

    Raises ``ValueError`` where only one tolerance is given, ``TypeError`` for what cannot be compared.

    >>> import minigrad as mg
    >>> from minigrad.testing.close import assert_close
    >>> assert_close(mg.tensor([1.0, 2.0]), mg.tensor([1.0, 2.0 + 1e-7]))
    >>> assert_close(mg.tensor([1.0, 2.0]), mg.tensor([1.0, 2.5]))
    Traceback (most recent call last):
    ...
    AssertionError: assert_close: 1 of 2 elements differ (50.0 %): the largest difference is 0.5 (0.2 relative) at (1,): 2.0 against 2.5, ...
    """
    if (rtol is None) != (atol is None):
        raise ValueError("assert_close: give both rtol and atol, or neither")

    def compare(a: Any, b: Any, where: str) -> str | None:
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            if a.keys() != b.keys():
                return f"the keys{where} differ: {sorted(map(str, a))} against {sorted(map(str, b))}"
            return next((text for k in a if (text := compare(a[k], b[k], f"{where}[{k!r}]"))), None)
        if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
            if len(a) != len(b):
                return f"the lengths{where} differ: {len(a)} against {len(b)}"
            return next((text for i, (x, y) in enumerate(zip(a, b, strict=True)) if (text := compare(x, y, f"{where}[{i}]"))), None)
        if a is None and b is None:
            return None
        a, b = (x.detach().numpy() if isinstance(x, Shell) else x for x in (a, b))
        for value in (a, b):
            if not isinstance(value, (TensorBase, np.ndarray, np.generic, int, float, complex)):
                raise TypeError(f"assert_close: a {type(value).__name__} is compared with a {type(b if value is a else a).__name__}")
        return difference(array_of(a), array_of(b), where, isinstance(a, TensorBase) and isinstance(b, TensorBase))

    def difference(x: np.ndarray, y: np.ndarray, where: str, tensors: bool) -> str | None:
        at = f" of item {where}" if where else ""
        if x.shape != y.shape:
            return f"the shapes{at} differ: {x.shape} against {y.shape}"
        if tensors and check_dtype and x.dtype != y.dtype:
            return f"the dtypes{at} differ: {x.dtype.name} against {y.dtype.name}"
        if check_stride and x.strides != y.strides:
            return f"the strides{at} differ: {x.strides} against {y.strides}"
        r, t = (
            (rtol, atol) if rtol is not None and atol is not None else max(_TOLERANCES.get(d.name, (0.0, 0.0)) for d in (x.dtype, y.dtype))
        )
        near = np.isclose(x, y, r, t, equal_nan)
        if near.all():
            return None
        wrong = near.size - np.count_nonzero(near)
        with np.errstate(all="ignore"):
            wide = np.complex128 if "c" in (x.dtype.kind, y.dtype.kind) else np.float64
            off = np.nan_to_num(np.abs(x.astype(wide) - y), nan=np.inf, posinf=np.inf)
            place = tuple(map(int, np.unravel_index(np.argmax(np.where(near, -1, off)), x.shape)))
            relative = off[place] / np.abs(y[place].astype(wide))
        return (
            f"{wrong} of {x.size} elements{at} differ ({100 * wrong / x.size:.1f} %): the largest difference is "
            f"{off[place]:.4g} ({relative:.4g} relative) at {place}: {x[place]} against {y[place]}, where {t:g} + {r:g} |expected| are allowed"
        )

    found = compare(actual, expected, "")
    if found is not None:
        text = f"assert_close: {found}"
        raise AssertionError(msg(text) if callable(msg) else text if msg is None else msg)
