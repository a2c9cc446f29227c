"""What distributions share, for those that a user writes: ``torch.distributions.utils``.

>>> import minigrad as mg
>>> from minigrad.distributions.utils import probs_to_logits, vec_to_tril_matrix
>>> probs_to_logits(mg.tensor([0.5, 0.75]), is_binary=True)
tensor([0.0000, 1.0986])
>>> vec_to_tril_matrix(mg.tensor([1.0, 2.0, 3.0]))
tensor([[1., 0.],
        [2., 3.]])
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import numpy as np

from minigrad.creation import scalar_tensor
from minigrad.engine import ShapeError, enable_grad, get_default_dtype
from minigrad.ops.activation import sigmoid
from minigrad.ops.arguments import check
from minigrad.ops.shape import broadcast_tensors
from minigrad.ops.softmax import softmax
from minigrad.tensor import Tensor

__all__ = [
    "broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits", "tril_matrix_to_vec", "vec_to_tril_matrix",
]  # fmt: skip


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Tensors and numbers broadcast to one shape; a number gets the dtype of the first Tensor, the default one if there is none.

    Raises ``ValueError`` for what is neither, ``ShapeError`` for shapes that do not broadcast.

    >>> import minigrad as mg
    >>> broadcast_all(mg.zeros(2), 1)
    (tensor([0., 0.]), tensor([1., 1.]))
    """
    for value in values:
        if not isinstance(value, (Tensor, numbers.Number)):
            raise ValueError(f"broadcast_all: Tensors and numbers are needed, not {value!r:.40} ({type(value).__name__})")
    dtype = next((value.dtype for value in values if isinstance(value, Tensor)), get_default_dtype())
    return tuple(broadcast_tensors(*[v if isinstance(v, Tensor) else scalar_tensor(v, dtype=dtype) for v in values]))


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """sigmoid(logits) if they are log odds, else their softmax along the last dimension.

    >>> import minigrad as mg
    >>> logits_to_probs(mg.zeros(2)), logits_to_probs(mg.zeros(2), is_binary=True)
    (tensor([0.5000, 0.5000]), tensor([0.5000, 0.5000]))
    """
    return sigmoid(logits) if is_binary else softmax(logits, -1)


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities moved off 0 and 1 by the dtype's precision, so that their logarithms are finite.

    >>> import minigrad as mg
    >>> clamp_probs(mg.tensor([0.0, 0.5, 1.0])).log()
    tensor([-1.5942e+01, -6.9315e-01, -1.1921e-07])
    """
    eps = float(np.finfo(probs.dtype).eps)
    return probs.clamp(eps, 1.0 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """log(p), and log(p / (1 - p)) if it is the probability of 1; of :func:`clamp_probs`.

    >>> import minigrad as mg
    >>> probs_to_logits(mg.tensor([0.25, 0.75]))
    tensor([-1.3863, -0.2877])
    """
    inside = clamp_probs(probs)
    return inside.log() - (-inside).log1p() if is_binary else inside.log()


class lazy_property:  # PyTorch's name
    """Decorator: an attribute that the method computes when it is first asked for, with a graph even under ``no_grad``.

    >>> from minigrad.distributions.utils import lazy_property
    >>> class Circle:
    ...     @lazy_property
    ...     def area(self):
    ...         print("computed")
    ...         return 3.0
    >>> circle = Circle()
    >>> circle.area, circle.area
    computed
    (3.0, 3.0)
    """

    def __init__(self, wrapped: Callable[[Any], Any]):
        self.wrapped = wrapped
        update_wrapper(self, wrapped)  # type: ignore[arg-type]  # it is no function, but has its name and text

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        with enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


def _lower(n: int, diag: int) -> np.ndarray:
    return np.tri(n, k=diag, dtype=bool)


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The elements on and below the diagonal ``diag`` of matrices (..., n, n), row by row: (..., k).

    Raises ``ShapeError`` unless the matrices are square, ``ValueError`` unless -n <= ``diag`` < n.

    >>> import minigrad as mg
    >>> tril_matrix_to_vec(mg.tensor([[1.0, 9.0], [2.0, 3.0]]))
    tensor([1., 2., 3.])
    """
    check("tril_matrix_to_vec", locals(), diag="a whole number")
    n = mat.shape[-1] if mat.ndim else 0
    if mat.ndim < 2 or mat.shape[-2] != n:
        raise ShapeError(f"tril_matrix_to_vec: square matrices (..., n, n) are needed, not shape {tuple(mat.shape)}")
    if not -n <= diag < n:
        raise ValueError(f"tril_matrix_to_vec: diag must be from {-n} to {n - 1}, but is {diag}")
    return mat[(..., *np.nonzero(_lower(n, diag)))]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """Matrices (..., n, n) with the elements (..., k) on and below the diagonal ``diag``, row by row, and 0 elsewhere.

    Raises ``ShapeError`` if no n has k such elements.

    >>> import minigrad as mg
    >>> vec_to_tril_matrix(mg.tensor([5.0]), diag=-1)
    tensor([[0., 0.],
            [5., 0.]])
    """
    check("vec_to_tril_matrix", locals(), diag="a whole number")
    k = vec.shape[-1] if vec.ndim else 0
    # n² + (1 + 2 diag) n - |diag| (diag + 1) = 2 k, with what lies outside the matrix taken off
    b = 1 + 2 * diag
    n = round((math.sqrt(max(b * b + 8 * k + 4 * abs(diag) * (diag + 1), 0)) - b) / 2)
    if not vec.ndim or int(_lower(n, diag).sum()) != k:
        raise ShapeError(f"vec_to_tril_matrix: no square matrix has {tuple(vec.shape)[-1:]} elements on and below its diagonal {diag}")
    matrices = vec.new_zeros((*vec.shape[:-1], n, n))
    matrices[(..., *np.nonzero(_lower(n, diag)))] = vec
    return matrices
