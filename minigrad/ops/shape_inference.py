"""Shape inference: the shapes and dtypes of a model's results, without computing them.

An *outline* is an array with a shape and a dtype but only one number in memory (all strides are 0), so code that reads its shape, dtype,
views or values works as with any array. Inside :func:`outlining` the ops of the calling thread return outlines. They find the shape of
their result in one of these ways.

=====================  ====================================================================================================
an elementwise op      the kernel runs on one element; the shape is the broadcast shape of the arguments
an op on each sample   the kernel runs on an empty batch: it checks its arguments as usual, but computes nothing
(convolution, ...)
a view (reshape, ...)  the kernel itself runs, since it takes no time
any other op           if arguments are large, the kernel runs on two samples and on three: the sizes that differ are those of
                       the batch. If that is impossible, it runs on all samples
=====================  ====================================================================================================

Ops that users define are of the last kind. While no thread is inside :func:`outlining`, this module has no effect on ops.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minigrad.engine import Op, broadcast_to, cast, put_before_kernels, take_away
from minigrad.engine.observed import unobserved
from minigrad.ops import (
    activation,
    contractions,
    conv,
    dropout,
    elementwise,
    embedding,
    fold,
    index,
    norm,
    pool,
    products,
    recurrent,
    shape,
)
from minigrad.ops.outlines import LARGE, LISTENER, Listener, light, outline


@contextlib.contextmanager
def outlining(listener: Listener | None = None) -> Iterator[None]:
    """Context manager: the ops of the calling thread return outlines, and each calls ``listener(op, multiply_adds)``.

    >>> import minigrad as mg
    >>> from minigrad.ops.outlines import outline
    >>> from minigrad.ops.shape_inference import outlining
    >>> with mg.no_grad(), outlining():
    ...     mg.conv2d(mg.from_numpy(outline((4096, 3, 512, 512), np.float32)), mg.ones(64, 3, 3, 3)).shape
    torch.Size([4096, 64, 510, 510])
    """
    put_before_kernels(_outlined)
    token = LISTENER.set(listener or (lambda op, multiply_adds: None))
    try:
        with unobserved():
            yield
    finally:
        LISTENER.reset(token)
        take_away(_outlined)


def _outlined(op: Op, computing: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel for ``op`` that returns outlines in threads inside :func:`outlining`, and the usual result in others."""
    infer = _rule(op)

    def kernel(*args: Any, **kwargs: Any) -> Any:
        listener = LISTENER.get()
        if listener is None:
            return computing(*args, **kwargs)
        arrays, static = op.split(args, kwargs)
        token = LISTENER.set(None)  # ops that the kernel itself calls compute, and do not call the listener
        try:
            out = infer(op, arrays, static)
        finally:
            LISTENER.reset(token)
        listener(op, 0 if op.multiply_adds is None else op.multiply_adds(out, (*arrays, *static.values())))
        return out

    return kernel


def _first(op: Op, out: Any) -> Any:
    """The result of a kernel that also returns a residual."""
    return out[0] if op.has_residual else out


# ------------------------------------------------------------------------------------------------ shapes of results


def _is_large(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.size > LARGE


def _compute(op: Op, arrays: tuple, static: dict[str, Any]) -> Any:
    return light(op.run(arrays, static))


def _by_element(op: Op, arrays: tuple, static: dict[str, Any]) -> Any:
    """The outline of the result of an elementwise op."""
    sizes = np.broadcast_shapes(*[a.shape for a in arrays if isinstance(a, np.ndarray)])
    if math.prod(sizes) <= LARGE:
        return _compute(op, arrays, static)
    one = op.run([a[(slice(1),) * a.ndim] if isinstance(a, np.ndarray) and a.ndim else a for a in arrays], static)
    out = _first(op, one)
    out = outline(sizes, out.dtype, out.flat[0]) if out.size else op.run(arrays, static)
    return (out, None) if op.has_residual else out


def _by_sample(op: Op, arrays: tuple, static: dict[str, Any]) -> Any:
    """The outline of the result of an op that processes each sample of its first argument separately."""
    x, *rest = arrays
    if x.ndim < 2:
        return _compute(op, arrays, static)
    if "shape" in static and op is not _AFFINE:  # the shape of the result
        static = {**static, "shape": (0, *static["shape"][1:])}
    empty = _first(op, op.run((x[:0], *rest), static))
    out = outline((x.shape[0], *empty.shape[1:]), empty.dtype)
    return (out, None) if op.has_residual else out


def _store(op: Op, arrays: tuple, static: dict[str, Any]) -> Any:
    """``x`` after ``x[index] = v``."""
    x, v = arrays
    if not _is_large(x):
        return _compute(op, arrays, static)
    np.broadcast_shapes(x[static["index"]].shape, np.shape(v))
    return outline(x.shape, x.dtype, x.flat[0])


def _matmul(op: Op, arrays: tuple, static: dict[str, Any]) -> Any:
    a, b = arrays
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        return _compute(op, arrays, static)
    empty = op.run((a[..., :0, :], b if b.ndim == 2 else b[..., :0]), static)
    return outline((*empty.shape[:-2], a.shape[-2], b.shape[-1]), empty.dtype)


def _contract(op: Op, arrays: tuple, static: dict[str, Any]) -> Any:
    a, b = arrays
    la, lb, lo = static["labels"]
    size = dict(zip((*la, *lb), (*a.shape, *b.shape), strict=True))
    return outline(tuple([size[label] for label in lo]), np.result_type(a, b))


def _cat(op: Op, arrays: tuple, static: dict[str, Any]) -> Any:
    """The outline of an op along axis ``dim``. Unless that is the batch axis, the kernel runs on an empty batch."""
    first: Any = arrays[0] if arrays else None
    axis = static["dim"] % first.ndim if isinstance(first, np.ndarray) and first.ndim else 0
    if axis == 0 or not any(_is_large(a) for a in arrays) or any(np.shape(a)[:1] != np.shape(first)[:1] for a in arrays):
        return _by_batch(op, arrays, static)
    empty = op.run([a[:0] for a in arrays], static)
    return outline((first.shape[0], *empty.shape[1:]), empty.dtype)


def _pad(op: Op, arrays: tuple, static: dict[str, Any]) -> Any:
    return (_by_batch if any(static["widths"][0]) else _by_sample)(op, arrays, static)


def _embedding(op: Op, arrays: tuple, static: dict[str, Any]) -> Any:
    places, weight = arrays
    if not places.ndim:
        return _compute(op, arrays, static)
    empty = op.run((places[:0], weight[:1]), {**static, "padding_idx": None})
    return outline((*places.shape, *empty.shape[places.ndim :]), empty.dtype)


def _by_batch(op: Op, arrays: tuple, static: dict[str, Any]) -> Any:
    """The outline for any op: from its results for two and for three samples, if these differ in the batch size only."""
    large = next((a for a in arrays if _is_large(a)), None)
    if large is None or large.shape[0] < 4:
        return _compute(op, arrays, static)
    n = large.shape[0]
    for fits in (lambda a: a is large, lambda a: isinstance(a, np.ndarray) and a.ndim > 0 and a.shape[0] == n):
        with contextlib.suppress(Exception):  # other arguments have a batch too, or static ones hold its size
            two, three = (op.run([a[:m] if fits(a) else a for a in arrays], static) for m in (2, 3))
            return _grown(two, three, n)
    return _compute(op, arrays, static)


def _grown(two: Any, three: Any, n: int) -> Any:
    """The outline of a kernel's result for ``n`` samples, from its results ``two`` and ``three`` for two and three samples."""
    if isinstance(two, tuple):
        return tuple([_grown(a, b, n) for a, b in zip(two, three, strict=True)])
    if not isinstance(two, np.ndarray):
        return two
    sizes = tuple([a + (b - a) * (n - 2) for a, b in zip(two.shape, three.shape, strict=True)])
    return outline(sizes, two.dtype, two.flat[0] if two.size else 0)


def _op(function: Any) -> Op:
    return function.op


_AFFINE = _op(norm.affine)
_SAMPLES = {_op(f) for f in (conv.conv, conv.conv_input, products.linear, pool.max_pool, pool.avg_pool, norm.affine, fold.unfold)}
_VIEWS = {
    _op(f)
    for f in (
        broadcast_to, shape.reshape, shape.permute, shape.transpose, shape.flip, index.getitem, shape.diagonal, shape.unfold
    )
} | {shape.UNBIND, shape.SPLIT}  # fmt: skip
_ELEMENTS = {_op(cast), _op(dropout.masked_scale)}
_SPECIAL = {
    _op(index.setitem): _store,
    embedding.EMBEDDING: _embedding,
    _op(products.matmul): _matmul,
    _op(contractions.contract): _contract,
    shape.CAT: _cat,
    _op(shape.pad_constant): _pad,
}


def _rule(op: Op) -> Callable[[Op, tuple, dict[str, Any]], Any]:
    if op in _SPECIAL:
        return _SPECIAL[op]
    if op in _SAMPLES:
        return _by_sample
    if op in _VIEWS:
        return _compute
    if op in _ELEMENTS or (op.kernel.__module__ in (activation.__name__, elementwise.__name__) and op.name != "prelu"):
        return _by_element
    return _by_batch


# --------------------------------------------------------------------------------------------------- multiply-adds


def _each(w: Any) -> int:
    """The weights of one output of a convolution."""
    return w.size // (w.shape[0] or 1)


# Multiply-adds, as in the literature: bias, activation, pooling and normalisation are not counted.
_MULTIPLY_ADDS: dict[Op, Callable[[Any, tuple], int]] = {
    _op(conv.conv): lambda out, args: out.size * _each(args[1]),
    _op(conv.conv_input): lambda out, args: args[0].size * _each(args[1]),
    _op(conv.conv_weight): lambda out, args: args[1].size * _each(out),
    _op(conv.conv_weight_bias): lambda out, args: args[1].size * _each(out[0]),
    _op(products.linear): lambda out, args: out.size * args[1].shape[1],
    _op(products.linear_weight): lambda out, args: args[0].size * args[1].shape[-1],
    _op(products.linear_weight_bias): lambda out, args: args[0].size * args[1].shape[-1],
    _op(products.matmul): lambda out, args: out.size * args[0].shape[-1],
    **{_op(f): lambda out, args: args[0].size * args[1].shape[1] for f in (recurrent.rnn, recurrent.lstm, recurrent.gru)},
    _op(contractions.contract): lambda out, args: math.prod(
        dict(zip((*args[2][0], *args[2][1]), (*args[0].shape, *args[1].shape), strict=True)).values()  # sizes of labels
    ),
}
for _counted, _count in _MULTIPLY_ADDS.items():
    _counted.multiply_adds = _count
