"""Sums of products over axes that are named, traces and cross products, computed by the products of :mod:`minigrad.ops.products`."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine import ShapeError, batched, known_as, linear_in, op, public, unnamed
from minigrad.kernels.quiet import quiet
from minigrad.ops import elementwise as ew
from minigrad.ops.arguments import positive_dim, positive_dims, require_dtype
from minigrad.ops.precision import in_float32
from minigrad.ops.products import matmul
from minigrad.ops.reduce import sum
from minigrad.ops.shape import diagonal, permute, reshape, roll
from minigrad.types import Array, Tensor


@in_float32
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y_o = sum over i, j of x1_i W_oij x2_j, plus ``bias``: ``torch.nn.functional.bilinear``.

    ``input1`` (..., i), ``input2`` (..., j) and ``weight`` (o, i, j) give (..., o). Raises ``RuntimeError`` unless all have one dtype,
    ``ShapeError`` unless the leading dimensions are the same.
    """
    if not input1.shape or not input2.shape or tuple(input1.shape[:-1]) != tuple(input2.shape[:-1]):
        raise ShapeError(f"bilinear: the leading dimensions of the inputs {_listed((input1.shape, input2.shape))} must be the same")
    require_dtype("bilinear", input1, input2=input2, weight=weight, bias=bias)
    if len(weight.shape) != 3 or (input1.shape[-1], input2.shape[-1]) != tuple(weight.shape[1:]):
        shapes = _listed((input1.shape, input2.shape))
        raise ShapeError(f"bilinear: weight {tuple(weight.shape)} must be (out, in1, in2) for the last sizes of the inputs {shapes}")
    out = einsum("...i,oij,...j->...o", input1, weight, input2)
    if bias is not None and tuple(bias.shape) != tuple(weight.shape[:1]):
        raise ShapeError(f"bilinear: bias has shape {tuple(bias.shape)} but weight {tuple(weight.shape)} has {weight.shape[0]} outputs")
    return out if bias is None else ew.add(out, bias)


# ----------------------------------------------------------------------------------- sums of products over named axes


def _contract_samples(run, a, b, labels):
    *given, out = labels
    batch = 1 + max([-1, *given[0], *given[1]])
    operands = [(x[0], label) if x.shape[0] == 1 < run.size else (x, (batch, *label)) for x, label in zip((a, b), given, strict=True)]
    return run(*[x for x, _ in operands], labels=(*[label for _, label in operands], (batch, *out)))


@unnamed
@linear_in("a", "b")
@batched(_contract_samples)
@op(
    a=lambda g, b, labels: contract(g, b, labels=(labels[2], labels[1], labels[0])),
    b=lambda g, a, labels: contract(a, g, labels=(labels[0], labels[2], labels[1])),
)
def contract(a: Array, b: Array, labels: Any) -> Array:
    """The product of two tensors, summed over the axes that the result does not have: the op that :func:`einsum` uses.

    Args:
        a, b: any shapes.
        labels: three tuples of ints, the labels of the axes of ``a``, of ``b`` and of the result. Each label occurs at most once in a
            tuple, in at least two tuples, and has one size.

    The gradient is another contraction: of the incoming gradient with the other operand.

    >>> import numpy as np
    >>> contract(np.array([[1, 2], [3, 4]]), np.array([1, 10]), labels=((0, 1), (1,), (0,)))
    array([21, 43])
    """
    la, lb, lo = labels
    batch = [x for x in lo if x in la and x in lb]
    summed = [x for x in la if x in lb and x not in lo]
    rows = [x for x in la if x not in lb]
    columns = [x for x in lb if x not in la]
    if not summed:  # an outer product, or one element by element
        return quiet().run(np.multiply, _spread_out(a, la, lo), _spread_out(b, lb, lo))
    if batch and not rows and not columns:
        return np.einsum(a, list(la), b, list(lb), list(lo))
    size = dict(zip((*la, *lb), (*a.shape, *b.shape), strict=True))

    def volume(axes: list[int]) -> int:
        return math.prod([size[x] for x in axes])

    shape = [size[x] for x in batch]
    left = a.transpose([la.index(x) for x in (*batch, *rows, *summed)]).reshape(*shape, volume(rows), volume(summed))
    right = b.transpose([lb.index(x) for x in (*batch, *summed, *columns)]).reshape(*shape, volume(summed), volume(columns))
    order = [*batch, *rows, *columns]
    out: Array = matmul(left, right).reshape([size[x] for x in order])
    return out.transpose([order.index(x) for x in lo])


def _spread_out(x: np.ndarray, labels: tuple, target: tuple) -> np.ndarray:
    """``x`` with its axes in the order of ``target``, and with size 1 for labels that ``x`` does not have."""
    have = [t for t in target if t in labels]
    sizes = dict(zip(labels, x.shape, strict=True))
    return x.transpose([labels.index(t) for t in have]).reshape([sizes.get(t, 1) for t in target])


def _parse(equation: str, shapes: Sequence[tuple]) -> tuple[list[list], list]:
    """The labels of each operand's axes, and of the result's: letters, and -1, -2, ... for the axes of ``...`` from the right."""
    text = equation.replace(" ", "")
    if text.count("->") > 1 or "-" in text.replace("->", "") or ">" in text.replace("->", ""):
        raise ValueError(f"einsum: {equation!r} must have the form 'ij,jk->ik', with at most one arrow")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ValueError(f"einsum: {equation!r} describes {len(terms)} operands, but there are {len(shapes)}")
    found, widest = [], 0
    for term, shape in zip(terms, shapes, strict=True):
        names = _letters(equation, term)
        hidden = len(shape) - (len(names) - 1 if ... in names else len(names))
        if hidden < 0 or (hidden and ... not in names):
            raise ShapeError(f"einsum: {term!r} in {equation!r} does not name the {len(shape)} dimensions of shape {shape}")
        widest = max(widest, hidden)
        found.append([label for n in names for label in (range(-hidden, 0) if n is ... else [n])])
    hidden_axes = list(range(-widest, 0))
    if not arrow:
        counts: dict[Any, int] = {}
        for label in itertools.chain(*found):
            counts[label] = counts.get(label, 0) + 1
        return found, [*hidden_axes, *sorted(n for n, times in counts.items() if isinstance(n, str) and times == 1)]
    result = [label for n in _letters(equation, right) for label in (hidden_axes if n is ... else [n])]
    if len(set(result)) != len(result):
        raise ValueError(f"einsum: a letter comes twice in the result {right!r} of {equation!r}")
    for label in result:
        if isinstance(label, str) and not any(label in labels for labels in found):
            raise ValueError(f"einsum: {label!r} in the result of {equation!r} names no dimension of an operand")
    return found, result


def _letters(equation: str, term: str) -> list:
    """A term's letters, with ``Ellipsis`` for three dots."""
    names: list = []
    while term:
        if term.startswith("..."):
            names.append(...)
            term = term[3:]
        elif term[0].isascii() and term[0].isalpha():
            names.append(term[0])
            term = term[1:]
        else:
            raise ValueError(f"einsum: {term[0]!r} in {equation!r} is not a letter, a comma, '...' or '->'")
    if names.count(...) > 1:
        raise ValueError(f"einsum: '...' comes twice in a term of {equation!r}")
    return names


def _numbered(*args: Any) -> tuple[str, tuple]:
    """The other form of einsum's arguments, ``einsum(a, [0, 1], b, [1, 2], [0, 2])``, as an equation and operands."""
    pairs, result = (args, None) if len(args) % 2 == 0 else (args[:-1], args[-1])

    def letters(labels: Sequence[Any]) -> str:
        if not all(x is ... or 0 <= x < 52 for x in labels):
            raise ValueError(f"einsum: axes are named by numbers from 0 to 51, or ..., not {list(labels)}")
        return "".join(["..." if x is ... else "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[x] for x in labels])

    equation = ",".join([letters(labels) for labels in pairs[1::2]])
    return equation if result is None else f"{equation}->{letters(result)}", pairs[::2]


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sums of products over axes with letters as labels: ``torch.einsum``.

    Args:
        equation: one term per operand, with one letter per axis, and after ``->`` the letters of the result. Letters that are not in the
            result are summed over. Without ``->`` the result has the letters that occur once, in alphabetical order. ``...`` stands
            for axes that broadcast; a letter that occurs twice in a term takes the diagonal.
        operands: the tensors, or one list of them. Of complex pairs the result is one.

    Several operands are multiplied in pairs, in an order that needs little work; each pair is one matrix product.

    Raises ``ValueError`` for a malformed equation, ``ShapeError`` for sizes that do not fit it.

    >>> import minigrad as mg
    >>> a = mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> mg.einsum("ij,jk->ik", a, a)
    tensor([[ 7., 10.],
            [15., 22.]])
    >>> mg.einsum("ii", a)
    tensor(5.)
    """
    if not isinstance(equation, str):
        equation, operands = _numbered(equation, *operands)
    elif len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    values = list(operands)
    for function, places, keywords in _program(equation, tuple([tuple(x.shape) for x in operands])):
        values.append(function(*[values[p] for p in places], **keywords))
    return values[-1]


class _Term(NamedTuple):
    """An intermediate result of einsum: its index in the list of values, and the labels of its axes."""

    place: int
    labels: list


@functools.lru_cache(512)
def _program(equation: str, shapes: tuple[tuple, ...]) -> list[tuple]:
    """The steps of einsum for operands of these shapes: (op, indices of its arguments, keywords). Each step appends a value."""
    found, result = _parse(equation, shapes)
    sizes: dict[Any, int] = {}
    for labels, shape in zip(found, shapes, strict=True):
        for label, size in zip(labels, shape, strict=True):
            if sizes.setdefault(label, size) == 1:
                sizes[label] = size
            elif size not in (1, sizes[label]):
                name = "..." if isinstance(label, int) else repr(label)
                raise ShapeError(f"einsum: {name} in {equation!r} has the sizes {sizes[label]} and {size} (shapes {_listed(shapes)})")
    number = {label: n for n, label in enumerate(sizes)}
    steps: list[tuple] = []

    def apply(function: Any, *terms: _Term, to: list, **keywords: Any) -> _Term:
        steps.append((function, tuple([t.place for t in terms]), keywords))
        return _Term(len(shapes) + len(steps) - 1, to)

    def prepared(term: _Term, shape: tuple) -> _Term:
        """An operand with one axis per label: without axes of size 1 that broadcast, diagonals taken."""
        keep = [i for i, (label, size) in enumerate(zip(term.labels, shape, strict=True)) if size != 1 or sizes[label] == 1]
        if len(keep) < len(shape):
            term = apply(reshape, term, to=[term.labels[i] for i in keep], shape=tuple([shape[i] for i in keep]))
        while len(set(labels := term.labels)) < len(labels):
            label = next(label for label in labels if labels.count(label) > 1)
            first = labels.index(label)
            second = labels.index(label, first + 1)  # the common axis comes last
            rest = [*labels[:first], *labels[first + 1 : second], *labels[second + 1 :], label]
            term = apply(diagonal, term, to=rest, offset=0, dim1=first, dim2=second)
        return term

    def summed(term: _Term, needed: set) -> _Term:
        """A term summed over the axes that neither another term nor the result has."""
        alone = tuple([i for i, label in enumerate(term.labels) if label not in needed])
        return apply(sum, term, to=[label for label in term.labels if label in needed], dim=alone) if alone else term

    terms = [prepared(_Term(i, labels), shape) for i, (labels, shape) in enumerate(zip(found, shapes, strict=True))]
    for group in _order([t.labels for t in terms], result, sizes):
        chosen = [terms.pop(i) for i in sorted(group, reverse=True)]
        a = chosen.pop()
        while chosen:
            b = chosen.pop()
            needed = set(result).union(*[t.labels for t in (*terms, *chosen)])
            a, b = summed(a, needed.union(b.labels)), summed(b, needed.union(a.labels))
            out = [label for label in dict.fromkeys(a.labels + b.labels) if label in needed]
            if not terms and not chosen:
                out.sort(key=result.index)
            a = apply(contract, a, b, to=out, labels=tuple([tuple([number[x] for x in part]) for part in (a.labels, b.labels, out)]))
        terms.append(a)
    last = summed(terms[0], set(result))
    have = [label for label in result if label in last.labels]
    if last.labels != have or not steps:
        last = apply(permute, last, to=have, dims=tuple([last.labels.index(label) for label in have]))
    if have != result:
        apply(reshape, last, to=result, shape=tuple([sizes[label] if label in have else 1 for label in result]))
    return steps


def _listed(shapes: Sequence[Any]) -> str:
    return ", ".join([str(tuple(shape)) for shape in shapes])


def _order(terms: list[list], result: list, sizes: dict) -> list[tuple[int, ...]]:
    """The pairs of terms to multiply, in an order that needs little work; each product is appended to the terms."""
    if len(terms) <= 2:
        return [tuple(range(len(terms)))]
    number = {label: n for n, label in enumerate(sizes)}
    shapes = [np.broadcast_to(0.0, [sizes[label] for label in term]) for term in terms]
    arguments = [x for shape, term in zip(shapes, terms, strict=True) for x in (shape, [number[label] for label in term])]
    present = set().union(*terms)
    return np.einsum_path(*arguments, [number[label] for label in result if label in present], optimize="greedy")[0][1:]


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Scalar products along the last dimensions, (..., k) and (---, k) to (..., ---): ``torch.inner``. A 0-d operand multiplies."""
    if not input.shape or not other.shape:
        return ew.mul(input, other)
    if input.shape[-1] != other.shape[-1]:
        raise ShapeError(f"inner: the last sizes differ: {tuple(input.shape)} and {tuple(other.shape)}")
    return tensordot(input, other, ([-1], [-1]))


def tensordot(input: Tensor, other: Tensor, dims: Any = 2) -> Tensor:
    """The product of two tensors, summed over pairs of dimensions: ``torch.tensordot``.

    Args:
        input, other: any shapes.
        dims: the number of last dimensions of ``input`` to sum over with the first of ``other``; or two lists, dimensions of ``input`` and
            the dimensions of ``other`` that they are paired with. A size of 1 is broadcast.

    Returns the remaining dimensions of ``input``, then those of ``other``. Raises ``ShapeError`` if paired dimensions differ in size.

    >>> import minigrad as mg
    >>> mg.tensordot(mg.ones(2, 3, 4), mg.ones(4, 3, 5), dims=([1, 2], [1, 0])).shape
    torch.Size([2, 5])
    """
    na, nb = len(input.shape), len(other.shape)
    if isinstance(dims, (int, np.integer)):
        if not 0 <= dims <= min(na, nb):
            raise ShapeError(f"tensordot: dims={dims} must be in 0..{min(na, nb)} for {_listed((input.shape, other.shape))}")
        first, second = tuple(range(na - dims, na)), tuple(range(dims))
    else:
        if not isinstance(dims, (tuple, list)) or len(dims) != 2:
            raise TypeError(f"tensordot: dims must be a whole number, or two lists of them, not {dims!r}")
        first, second = (positive_dims("tensordot", d, n) for d, n in zip(dims, (na, nb), strict=True))
    if len(first) != len(second):
        raise ShapeError(f"tensordot: {len(first)} dimensions of a but {len(second)} of b")
    for i, j in zip(first, second, strict=True):
        if input.shape[i] == 1:  # the sum over a broadcast dimension is that of the partner
            other = sum(other, j, True, dtype=other.dtype)
        elif other.shape[j] == 1:
            input = sum(input, i, True, dtype=input.dtype)
        elif input.shape[i] != other.shape[j]:
            sizes = f"{input.shape[i]} and {other.shape[j]}"
            raise ShapeError(f"tensordot: dimension {i} of {tuple(input.shape)} and {j} of {tuple(other.shape)} differ in size: {sizes}")
    partner = dict(zip(second, first, strict=True))
    la, lb = tuple(range(na)), tuple([partner.get(j, na + j) for j in range(nb)])
    return contract(input, other, labels=(la, lb, tuple([x for x in la if x not in lb] + [x for x in lb if x not in la])))


@known_as("UnsafeViewBackward0")
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker product: each element of ``input`` becomes a block, itself times ``other``: ``torch.kron``. Any numbers of dimensions."""
    n = max(len(input.shape), len(other.shape))
    s, t = ((1,) * (n - len(x.shape)) + tuple(x.shape) for x in (input, other))
    blocks = ew.mul(reshape(input, tuple([y for x in s for y in (x, 1)])), reshape(other, tuple([y for x in t for y in (1, x)])))
    return reshape(blocks, tuple([x * y for x, y in zip(s, t, strict=True)]))


@known_as("TraceBackward0")
def trace(input: Tensor) -> Tensor:
    """Sum of the diagonal of a matrix: ``torch.trace``."""
    if len(input.shape) != 2:
        raise ShapeError(f"trace: input must have 2 dimensions, not shape {tuple(input.shape)}")
    return sum(diagonal(input, 0, 0, 1))


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of several matrices, in an order that needs little work: ``torch.linalg.multi_dot``. The first and last may be vectors."""
    tensors = list(tensors)
    if len(tensors) < 2:
        raise ShapeError(f"multi_dot: at least two tensors are needed, not {len(tensors)}")
    for i, x in enumerate(tensors):
        if len(x.shape) != 2 and not (len(x.shape) == 1 and i in (0, len(tensors) - 1)):
            raise ShapeError(f"multi_dot: tensor {i} has shape {tuple(x.shape)}: matrices are needed, or vectors at the two ends")
    for x, y in itertools.pairwise(tensors):
        if x.shape[-1] != y.shape[0]:
            raise ShapeError(f"multi_dot: inner sizes differ: {_listed([x.shape for x in tensors])}")
    labels = [[i, i + 1] for i in range(len(tensors))]
    labels[0], labels[-1] = labels[0][-len(tensors[0].shape) :], labels[-1][: len(tensors[-1].shape)]
    ends = [0] * (len(tensors[0].shape) == 2) + [len(tensors)] * (len(tensors[-1].shape) == 2)
    return einsum(*[x for pair in zip(tensors, labels, strict=True) for x in pair], ends)


def chain_matmul(*matrices: Tensor) -> Tensor:
    """:func:`multi_dot` of matrices that are passed one by one: ``torch.chain_matmul``. Of one matrix, itself.

    >>> import minigrad as mg
    >>> mg.chain_matmul(mg.ones(2, 3), mg.ones(3, 1), mg.ones(1, 2))
    tensor([[3., 3.],
            [3., 3.]])
    """
    if any(len(x.shape) != 2 for x in matrices):
        raise ShapeError(f"chain_matmul: matrices are needed, not shapes {_listed([x.shape for x in matrices])}")
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices)


@known_as("LinalgCrossBackward0")
@in_float32
def cross(input: Tensor, other: Tensor, dim: int = -1) -> Tensor:
    """Cross product of vectors with 3 elements along ``dim``; other dimensions, of which both have as many, broadcast: ``torch.linalg.cross``."""
    if len(input.shape) != len(other.shape):
        raise ShapeError(f"cross: shapes {_listed((input.shape, other.shape))} must have the same number of dimensions")
    dim = positive_dim("cross", dim, len(input.shape))
    for x in (input, other):
        if not x.shape or x.shape[dim] != 3:
            raise ShapeError(f"cross: dimension {dim} must have size 3 in both shapes {_listed((input.shape, other.shape))}")
    return ew.sub(ew.mul(roll(input, -1, dim), roll(other, -2, dim)), ew.mul(roll(input, -2, dim), roll(other, -1, dim)))


public(__name__)
