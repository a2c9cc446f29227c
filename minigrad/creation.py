"""New tensors: constant, evenly spaced and random ones, with PyTorch's names, arguments and dtypes.

The default dtype (float32) is used unless ``dtype`` is given or follows from the arguments; Python ints become int64. Every function takes
``dtype``, ``device`` (only ``None`` or ``"cpu"``) and ``requires_grad``. Random ones take ``generator``; the default is the generator
that :func:`minigrad.manual_seed` seeds. None of these functions is differentiable.

With ``dtype=mg.complex64`` or ``mg.complex128`` constant, random and evenly spaced ones are a :class:`~minigrad.ops.complex_pair.ComplexPair`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.absent import error
from minigrad.devices import check_device
from minigrad.dtypes import OF_NUMPY, dtype
from minigrad.engine import (
    ARRAYS,
    ShapeError,
    Shell,
    TensorBase,
    dtype_of,
    for_samples,
    get_default_dtype,
    lifted,
    memory_of,
    public,
)
from minigrad.kernels.quiet import cast_quietly
from minigrad.ops.arguments import check, number, numbers, shown, tensors, whole
from minigrad.random import Generator, drawn
from minigrad.tensor import Tensor, filled, made, new_shape, to_array
from minigrad.tree import array_of, unwrapped
from minigrad.types import DType, Operand, Size


def _done(array: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """``array`` as a Tensor of ``dtype``."""
    check_device(device)
    array = array_of(array)  # or what stands for one, inside vmap
    return made(array if dtype is None else cast_quietly(array, dtype)).requires_grad_(requires_grad)


def _float(name: str, dtype: Any, complex_too: bool = False) -> np.dtype:
    return get_default_dtype().dtype if dtype is None else dtype_of(name, dtype, complex_too)


def _whole(name: str, dtype: Any) -> np.dtype:
    return np.dtype(np.int64) if dtype is None else dtype_of(name, dtype)


def _like(name: str, input: Tensor, dtype: Any) -> tuple[tuple[int, ...], np.dtype]:
    """The shape of ``input``, and ``dtype`` or that of ``input``."""
    if not isinstance(input, (TensorBase, Shell, np.ndarray)):
        raise TypeError(f"{name}: input must be a Tensor, but is {shown(input)}")
    like = input if isinstance(input, Shell) else array_of(input)
    return tuple(like.shape), np.dtype(like.dtype) if dtype is None else dtype_of(name, dtype, True)


# --------------------------------------------------------------------------------------------------- filled


def zeros(*sizes: Size, size: Size | None = None, dtype: DType = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros: ``torch.zeros``. Sizes are passed one by one or as a tuple. Raises ``ShapeError`` for a negative size.

    >>> import minigrad as mg
    >>> mg.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    >>> mg.zeros((2,), dtype=mg.int64)
    tensor([0, 0])
    """
    return _done(np.zeros(new_shape("zeros", sizes, size), _float("zeros", dtype, True)), None, device, requires_grad)


def ones(*sizes: Size, size: Size | None = None, dtype: DType = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones: ``torch.ones``.

    >>> import minigrad as mg
    >>> mg.ones(3)
    tensor([1., 1., 1.])
    """
    return _done(np.ones(new_shape("ones", sizes, size), _float("ones", dtype, True)), None, device, requires_grad)


def empty(*sizes: Size, size: Size | None = None, dtype: DType = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with uninitialised memory: ``torch.empty``."""
    return _done(np.empty(new_shape("empty", sizes, size), _float("empty", dtype, True)), None, device, requires_grad)


def full(size: Size, fill_value: Operand, dtype: DType = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """``fill_value`` everywhere: ``torch.full``. A bool makes a bool tensor, an int an int64 one, a float one of the default dtype.

    >>> import minigrad as mg
    >>> mg.full((2, 2), 7)
    tensor([[7, 7],
            [7, 7]])
    >>> mg.full((2,), 0.5)
    tensor([0.5000, 0.5000])
    """
    return _done(filled("full", new_shape("full", (size,), None), fill_value, dtype), None, device, requires_grad)


def eye(n: int, m: int | None = None, dtype: DType = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones on the diagonal of an n x m matrix (n x n by default), zeros elsewhere: ``torch.eye``.

    >>> import minigrad as mg
    >>> mg.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    shape = new_shape("eye", (n, n if m is None else m), None)
    return _done(np.eye(*shape, dtype=_float("eye", dtype, True)), None, device, requires_grad)


def zeros_like(input: Tensor, dtype: DType = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None) -> Tensor:
    """Zeros in the shape and dtype of ``input``: ``torch.zeros_like``. In it and its kind ``memory_format`` has no effect."""
    return _done(for_samples(np.zeros(*_like("zeros_like", input, dtype)), input), None, device, requires_grad)


def ones_like(input: Tensor, dtype: DType = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None) -> Tensor:
    """Ones in the shape and dtype of ``input``: ``torch.ones_like``."""
    return _done(for_samples(np.ones(*_like("ones_like", input, dtype)), input), None, device, requires_grad)


def empty_like(input: Tensor, dtype: DType = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None) -> Tensor:
    """A tensor with uninitialised memory, of the shape and dtype of ``input``: ``torch.empty_like``."""
    return _done(for_samples(np.empty(*_like("empty_like", input, dtype)), input), None, device, requires_grad)


def full_like(
    input: Tensor, fill_value: Operand, dtype: DType = None, device: Any = None, requires_grad: bool = False, memory_format: Any = None
) -> Tensor:
    """``fill_value`` in the shape and dtype of ``input``: ``torch.full_like``.

    >>> import minigrad as mg
    >>> mg.full_like(mg.zeros(2), 3)
    tensor([3., 3.])
    """
    shape, dtype = _like("full_like", input, dtype)
    return _done(for_samples(filled("full_like", shape, fill_value, dtype), input), None, device, requires_grad)


# -------------------------------------------------------------------------------------------------- counted


def _number(name: str, what: str, x: Any) -> Any:
    """A Python number from a number or a tensor with one element."""
    return x.item() if isinstance(x, (TensorBase, np.ndarray, np.generic)) else number(name, what, x)  # type: ignore[union-attr]


def arange(start: Any, end: Any = None, step: Any = 1, dtype: DType = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """start, start + step, ... below ``end``: ``torch.arange``. ``arange(end)`` starts at 0. int64 if all numbers are ints.

    Raises ``ValueError`` if ``step`` is 0 or leads away from ``end``.

    >>> import minigrad as mg
    >>> mg.arange(3), mg.arange(0, 1, 0.25)
    (tensor([0, 1, 2]), tensor([0.0000, 0.2500, 0.5000, 0.7500]))
    """
    if end is None:
        start, end = 0, start
    start, end, step = _number("arange", "start", start), _number("arange", "end", end), _number("arange", "step", step)
    dtype = None if dtype is None else dtype_of("arange", dtype)
    if dtype == np.int64:  # counted in whole numbers; for any other dtype PyTorch counts in float64
        start, end, step = (int(x) if math.isfinite(x) else x for x in (start, end, step))
    if step == 0:
        raise ValueError("arange: step must not be 0")
    if (end - start) * step < 0:
        raise ValueError(f"arange: step {step} leads away from the end, from {start} to {end}")
    if not math.isfinite(end - start):
        raise ValueError(f"arange: the range from {start} to {end} is not finite")
    if all(isinstance(x, int) for x in (start, end, step)):
        return _done(np.arange(int(start), int(end), int(step), dtype=np.int64), dtype, device, requires_grad)
    count = math.ceil((end - start) / step)
    if dtype is not None and dtype.kind in "iu":  # but in whole steps
        start, step = int(start), int(step)
    return _done(start + np.arange(count, dtype=np.float64) * step, _float("arange", dtype), device, requires_grad)


def range(start: Any = 0, end: Any = None, step: Any = 1, dtype: DType = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """start, start + step, ... up to ``end``, which is included: ``torch.range``. Floating by default; :func:`arange` is what others do.

    It is not in ``minigrad`` itself, where ``import *`` would put it over Python's own.

    Raises ``TypeError`` without ``end``, ``ValueError`` if ``step`` is 0 or leads away from it.

    >>> import minigrad.torch as torch
    >>> torch.range(1, 2, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    if end is None:
        raise TypeError("range: the end is missing: range(start, end, step)")
    start, end, step = _number("range", "start", start), _number("range", "end", end), _number("range", "step", step)
    if step == 0 or (end - start) * step < 0:
        raise ValueError(f"range: step {step} does not lead from {start} to {end}")
    if not math.isfinite(end - start):
        raise ValueError(f"range: the range from {start} to {end} is not finite")
    count = math.floor((end - start) / step) + 1
    return _done(start + np.arange(count, dtype=np.float64) * step, _float("range", dtype), device, requires_grad)


def scalar_tensor(s: Any, dtype: DType = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A number as a 0-d tensor, floating by default: ``torch.scalar_tensor``.

    >>> import minigrad as mg
    >>> mg.scalar_tensor(3)
    tensor(3.)
    """
    return _done(
        to_array(_number("scalar_tensor", "s", s), _float("scalar_tensor", dtype, True), name="scalar_tensor"), None, device, requires_grad
    )


def _spaced(name: str, start: Any, end: Any, steps: int, dtype: np.dtype) -> np.ndarray:
    """The numbers in float64. For an integer dtype, from one whole number to another: what is behind the point of the ends does not count."""
    whole(name, "steps", steps, 0)
    start, end = _number(name, "start", start), _number(name, "end", end)
    if dtype.kind in "iu":
        start, end = int(start), int(end)
    return np.linspace(start, end, steps, dtype=np.float64)


def linspace(start: Any, end: Any, steps: int, dtype: DType = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """``steps`` numbers at equal distances, from ``start`` to ``end`` inclusive: ``torch.linspace``.

    >>> import minigrad as mg
    >>> mg.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    found = _float("linspace", dtype, True)
    return _done(_spaced("linspace", start, end, steps, found), found, device, requires_grad)


def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, dtype: DType = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``base`` to the power of :func:`linspace`: ``torch.logspace``.

    >>> import minigrad as mg
    >>> mg.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    found = _float("logspace", dtype)
    number("logspace", "base", base)
    return _done(base ** _spaced("logspace", start, end, steps, found), found, device, requires_grad)


def _window(name: str, make: Any, length: int, periodic: bool, dtype: DType, device: Any, requires_grad: bool) -> Tensor:
    """A window of ``length`` elements: symmetric, or the first of a symmetric one with one more, which repeats."""
    found, n = _float(name, dtype), whole(name, "window_length", length, 0)
    return _done(make(n + 1)[:n] if periodic and n > 1 else make(n), found, device, requires_grad)


def hann_window(
    window_length: int, periodic: bool = True, *, dtype: DType = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``0.5 - 0.5 cos(2 pi i / n)``: ``torch.hann_window``. n is the length, or without ``periodic`` the length - 1.

    >>> import minigrad as mg
    >>> mg.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _window("hann_window", np.hanning, window_length, periodic, dtype, device, requires_grad)


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``alpha - beta cos(2 pi i / n)``: ``torch.hamming_window``. As :func:`hann_window`."""
    check("hamming_window", locals(), alpha="finite", beta="finite")

    def make(n: int) -> np.ndarray:
        return alpha - beta * np.cos(2 * math.pi * np.arange(n) / (n - 1)) if n > 1 else np.ones(n)

    return _window("hamming_window", make, window_length, periodic, dtype, device, requires_grad)


def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: DType = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``0.42 - 0.5 cos(2 pi i / n) + 0.08 cos(4 pi i / n)``: ``torch.blackman_window``. As :func:`hann_window`."""
    return _window("blackman_window", np.blackman, window_length, periodic, dtype, device, requires_grad)


def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: DType = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A triangle, 0 at its ends and 1 in the middle: ``torch.bartlett_window``. As :func:`hann_window`."""
    return _window("bartlett_window", np.bartlett, window_length, periodic, dtype, device, requires_grad)


def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``I0(beta sqrt(1 - (2 i / n - 1)**2)) / I0(beta)``, I0 a Bessel function: ``torch.kaiser_window``. As :func:`hann_window`."""
    check("kaiser_window", locals(), beta="finite")
    return _window("kaiser_window", lambda n: np.kaiser(n, beta), window_length, periodic, dtype, device, requires_grad)


def _triangle(name: str, row: Any, offset: Any, col: Any) -> tuple[int, int, int]:
    return whole(name, "row", row, 0), whole(name, "offset", offset), whole(name, "col", col, 0)


def tril_indices(row: int, col: int, offset: int = 0, dtype: DType = np.int64, device: Any = None) -> Tensor:
    """The row and column indices of the lower triangle of a row x col matrix, shape (2, n): ``torch.tril_indices``.

    >>> import minigrad as mg
    >>> mg.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _done(np.stack(np.tril_indices(*_triangle("tril_indices", row, offset, col))), _whole("tril_indices", dtype), device, False)


def triu_indices(row: int, col: int, offset: int = 0, dtype: DType = np.int64, device: Any = None) -> Tensor:
    """The row and column indices of the upper triangle of a row x col matrix, shape (2, n): ``torch.triu_indices``."""
    return _done(np.stack(np.triu_indices(*_triangle("triu_indices", row, offset, col))), _whole("triu_indices", dtype), device, False)


# --------------------------------------------------------------------------------------------------- random


def _uniform(shape: tuple[int, ...], dtype: np.dtype, generator: Generator | None) -> np.ndarray:
    """Uniform on [0, 1) in ``dtype``."""
    if dtype.kind == "c":
        return _parts(_uniform, shape, dtype, generator)
    if dtype.kind != "f":
        raise TypeError(f"rand: a floating dtype is needed, not {dtype}")
    if dtype == np.float16:  # 11 bits, so that rounding cannot give 1
        return drawn(lambda random, shape: (random.integers(0, 2**11, shape) / 2.0**11).astype(dtype), shape, generator)
    return drawn(lambda random, shape: np.asarray(random.random(shape, dtype)), shape, generator)


def _parts(draw: Any, shape: tuple[int, ...], dtype: np.dtype, generator: Generator | None) -> np.ndarray:
    """Complex numbers with parts that are drawn."""
    return draw((*shape, 2), OF_NUMPY[dtype].to_real().dtype, generator).view(dtype)[..., 0]


def _gaussian(shape: tuple[int, ...], dtype: np.dtype, generator: Generator | None) -> np.ndarray:
    """Standard normal numbers in ``dtype``; complex ones have half of the variance in each part."""
    if dtype.kind == "c":
        return _parts(_gaussian, shape, dtype, generator) * dtype.type(math.sqrt(0.5))
    if dtype.kind != "f":
        raise TypeError(f"randn: a floating dtype is needed, not {dtype}")
    wide = np.float32 if dtype == np.float16 else dtype
    return drawn(lambda random, shape: np.asarray(random.standard_normal(shape, wide)).astype(dtype, copy=False), shape, generator)


def rand(
    *sizes: Size,
    size: Size | None = None,
    generator: Generator | None = None,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform random numbers on [0, 1): ``torch.rand``.

    >>> import minigrad as mg
    >>> x = mg.rand(100)
    >>> bool(((0 <= x) & (x < 1)).all())
    True
    """
    return _done(_uniform(new_shape("rand", sizes, size), _float("rand", dtype, True), generator), None, device, requires_grad)


def randn(
    *sizes: Size,
    size: Size | None = None,
    generator: Generator | None = None,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Random numbers of the normal distribution with mean 0 and variance 1: ``torch.randn``.

    >>> import minigrad as mg
    >>> mg.randn(2, 3).shape
    torch.Size([2, 3])
    """
    return _done(_gaussian(new_shape("randn", sizes, size), _float("randn", dtype, True), generator), None, device, requires_grad)


def randint(
    low: int = 0,
    high: Any = None,
    size: Size | None = None,
    *,
    generator: Generator | None = None,
    dtype: DType = np.int64,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Random integers from ``low`` to ``high - 1``: ``torch.randint``. ``randint(high, size)`` starts at 0.

    Raises ``ValueError`` if there is no integer in that range.

    >>> import minigrad as mg
    >>> mg.randint(3, (2, 2)).shape
    torch.Size([2, 2])
    >>> mg.randint(5, 6, (3,))
    tensor([5, 5, 5])
    """
    if size is None:  # randint(high, size)
        low, high, size = 0, low, high
    elif high is None:  # randint(high, size=size)
        low, high = 0, low
    if size is None:
        raise TypeError("randint: the size is missing: randint(low, high, size) or randint(high, size)")
    integers = _integers("randint", low, high, new_shape("randint", (), size), generator)
    return _done(integers, _whole("randint", dtype), device, requires_grad)


def _integers(name: str, low: Any, high: Any, shape: tuple[int, ...], generator: Generator | None) -> np.ndarray:
    """Integers from ``low`` to ``high - 1``."""
    low, high = whole(name, "low", low), whole(name, "high", high)
    if low >= high:
        raise ValueError(f"{name}: low must be below high, but {low} >= {high}")
    return drawn(lambda random, shape: np.asarray(random.integers(low, high, shape)), shape, generator)


def randperm(
    n: int, *, generator: Generator | None = None, dtype: DType = np.int64, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """The numbers from 0 to n - 1 in random order: ``torch.randperm``.

    >>> import minigrad as mg
    >>> sorted(mg.randperm(4).tolist())
    [0, 1, 2, 3]
    """

    def draw(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return random.permutation(n) if len(shape) == 1 else random.permuted(np.broadcast_to(np.arange(n), shape), axis=-1)

    return _done(drawn(draw, (whole("randperm", "n", n, 0),), generator), _whole("randperm", dtype), device, requires_grad)


def normal(
    mean: Any,
    std: Any = 1.0,
    size: Size | None = None,
    *,
    generator: Generator | None = None,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normally distributed numbers: ``torch.normal``. ``mean`` and ``std`` are tensors or numbers; if both are numbers, ``size`` is needed.

    Raises ``ValueError`` for a negative ``std``, ``TypeError`` for two numbers without ``size``.

    >>> import minigrad as mg
    >>> mg.normal(0.0, 1.0, (2, 3)).shape
    torch.Size([2, 3])
    """
    mean, std = unwrapped(mean), unwrapped(std)
    numbers("normal", "mean", memory_of(mean)), numbers("normal", "std", memory_of(std))
    arrays = [x for x in (mean, std) if isinstance(x, ARRAYS)]
    if size is None and not arrays:
        raise TypeError("normal: for a mean and a std that are numbers, say the size")
    if np.any(np.less(memory_of(std), 0)):
        raise ValueError("normal: std must not be negative")
    if dtype is None and arrays:
        dtype = arrays[0].dtype  # that of the mean if it is a tensor, as in PyTorch
    shapes = [x.shape if isinstance(x, ARRAYS) else np.shape(x) for x in (mean, std)]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(f"normal: mean {shapes[0]} and std {shapes[1]} do not broadcast") from None
    shape = shape if size is None else new_shape("normal", (), size)
    found = lifted(_gaussian(shape, _float("normal", dtype), generator)) * lifted(std) + lifted(mean)
    return _done(found, _float("normal", dtype), device, requires_grad)


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """:func:`rand` in the shape and dtype of ``input``: ``torch.rand_like``."""
    return _done(_uniform(*_like("rand_like", input, dtype), generator), None, device, requires_grad)


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """:func:`randn` in the shape and dtype of ``input``: ``torch.randn_like``."""
    return _done(_gaussian(*_like("randn_like", input, dtype), generator), None, device, requires_grad)


def randint_like(
    input: Tensor,
    low: int,
    high: int | None = None,
    *,
    generator: Generator | None = None,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """:func:`randint` in the shape and dtype of ``input``: ``torch.randint_like``."""
    shape, dtype = _like("randint_like", input, dtype)
    low, high = (0, low) if high is None else (low, high)
    return _done(_integers("randint_like", low, high, shape, generator), dtype, device, requires_grad)


# ------------------------------------------------------------------------------------------ about a tensor


def is_tensor(obj: Any) -> bool:
    """Whether ``obj`` is a Tensor or a complex pair: ``torch.is_tensor``."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a floating one: ``torch.is_floating_point``."""
    return input.is_floating_point()


def is_complex(input: Any) -> bool:
    """Whether ``input`` is a :class:`~minigrad.ops.complex_pair.ComplexPair`; there are no complex tensors: ``torch.is_complex``."""
    return input.is_complex()


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers: ``torch.is_signed``."""
    return input.is_signed()


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not 0: ``torch.is_nonzero``. Raises ``RuntimeError`` if there are several."""
    return input.is_nonzero()


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape: ``torch.is_same_size``."""
    return input.is_same_size(other)


def numel(input: Tensor) -> int:
    """The number of elements: ``torch.numel``."""
    return input.numel()


# ---------------------------------------------------------------------------------------- the dtypes of results

_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}


def promote_types(type1: DType, type2: DType) -> dtype:
    """The dtype of an operation on tensors of these two: ``torch.promote_types``. A floating dtype wins over any integer one.

    >>> import minigrad as mg
    >>> mg.promote_types(mg.int64, mg.float32), mg.promote_types(mg.uint8, mg.int8)
    (torch.float32, torch.int16)
    """
    a, b = dtype_of("promote_types", type1, True), dtype_of("promote_types", type2, True)
    if {a.kind, b.kind} == {"c", "f"}:
        return OF_NUMPY[np.promote_types(a, b)]
    if _CATEGORY[a.kind] != _CATEGORY[b.kind]:
        return OF_NUMPY[a if _CATEGORY[a.kind] > _CATEGORY[b.kind] else b]
    found = np.promote_types(a, b)
    return OF_NUMPY[a if found.kind == "f" and a.kind != "f" else dtype_of("promote_types", found)]  # uint64 and int64 are none


def result_type(tensor1: Operand, tensor2: Operand) -> dtype:
    """The dtype of ``tensor1 + tensor2``: ``torch.result_type``. Tensors with dimensions decide, then 0-d ones, then numbers.

    >>> import minigrad as mg
    >>> mg.result_type(mg.tensor([1, 2]), 1.5), mg.result_type(mg.tensor([1.0]), mg.tensor(2.0, dtype=mg.float64))
    (torch.float32, torch.float32)
    """
    tensors("result_type", **{name: x for name, x in (("tensor1", tensor1), ("tensor2", tensor2)) if not isinstance(x, complex)})
    (rank, first), (other, second) = sorted(map(_rank, (tensor1, tensor2)), key=lambda pair: -pair[0])
    if rank == other:
        return promote_types(first, second)
    if second.kind == "c" and first.kind == "f":
        return OF_NUMPY[first].to_complex()
    return OF_NUMPY[second if _CATEGORY[second.kind] > _CATEGORY[first.kind] else first]


def _rank(value: Any) -> tuple[int, np.dtype[Any]]:
    """2 for a tensor with dimensions, 1 for a 0-d one, 0 for a number; and its dtype."""
    value = unwrapped(value)
    if isinstance(value, (np.ndarray, Shell)):
        return (2 if value.ndim else 1), np.dtype(value.dtype)
    if isinstance(value, complex):
        return 0, get_default_dtype().to_complex().dtype
    return 0, get_default_dtype().dtype if isinstance(value, float) else np.dtype(
        np.bool_ if isinstance(value, (bool, np.bool_)) else np.int64
    )


def can_cast(from_: DType, to: DType) -> bool:
    """Whether results of the first dtype may be written into the second: not from floats to integers, nor from numbers to bools: ``torch.can_cast``.

    >>> import minigrad as mg
    >>> mg.can_cast(mg.float64, mg.float32), mg.can_cast(mg.float32, mg.int64)
    (True, False)
    """
    a, b = dtype_of("can_cast", from_, True), dtype_of("can_cast", to, True)
    return _CATEGORY[a.kind] <= _CATEGORY[b.kind]


class _Limits:
    """What a dtype can hold: numpy's numbers as Python's, PyTorch's names and numpy's."""

    _asks: Any  # np.finfo or np.iinfo
    _theirs: tuple[str, ...]

    def __init__(self, type: DType):
        found = dtype_of(self.__class__.__name__, type, True)
        try:
            self._numpy = self._asks(found)
        except ValueError:
            raise TypeError(f"{self.__class__.__name__}: {found} is of another kind; finfo is for floats, iinfo for integers") from None
        self.dtype = OF_NUMPY[found]

    def __getattr__(self, name: str) -> Any:
        if name[0] != "_" and hasattr(self._numpy, name):
            value = getattr(self._numpy, name)
            return value.item() if isinstance(value, np.generic) else value
        raise error(f"torch.{self.__class__.__name__}", name, f"{self!r}")

    def __eq__(self, other: object) -> bool:
        return self.__class__ is other.__class__ and self.dtype is other.dtype

    def __hash__(self) -> int:
        return hash((self.__class__, self.dtype))

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({', '.join([f'{name}={getattr(self, name):.6g}' for name in self._theirs])}, dtype={self.dtype.name})"

    def __reduce__(self) -> tuple:
        return self.__class__, (self.dtype,)


class finfo(_Limits):
    """What a floating dtype can hold: ``torch.finfo``; of the default dtype, if none is named.

    Its numbers are Python's; ``numpy.finfo(dtype)``, whose names it has too, gives numpy's. Raises ``TypeError`` for a dtype of integers.

    >>> import minigrad as mg
    >>> mg.finfo(mg.float16).max, mg.finfo().dtype
    (65504.0, torch.float32)
    >>> mg.finfo(mg.float16)
    finfo(resolution=0.001, min=-65504, max=65504, eps=0.000976562, smallest_normal=6.10352e-05, tiny=6.10352e-05, dtype=float16)
    """

    resolution: float
    _asks = np.finfo
    _theirs = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")

    def __init__(self, type: DType = None):
        super().__init__(get_default_dtype() if type is None else type)
        self.resolution = 10.0**-self.precision  # numpy's is rounded to the dtype


class iinfo(_Limits):
    """What a dtype of integers can hold: ``torch.iinfo``. Raises ``TypeError`` for another.

    >>> import minigrad as mg
    >>> mg.iinfo(mg.int8)
    iinfo(min=-128, max=127, dtype=int8)
    """

    _asks = np.iinfo
    _theirs = ("min", "max")

    def __init__(self, type: DType):
        if type is None:
            raise TypeError("iinfo: type is a dtype of integers, not None")
        super().__init__(type)


public(__name__)
