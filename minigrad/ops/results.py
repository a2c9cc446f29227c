"""The named tuples that ops with two results return."""

from __future__ import annotations

from typing import Any, NamedTuple

from minigrad.types import Tensor


class ValuesIndices(NamedTuple):
    """The result of ``max(x, dim)``, ``sort``, ``topk`` and similar ops: elements, and their indices along ``dim``."""

    values: Tensor
    indices: Tensor


class MinMax(NamedTuple):
    """The result of :func:`aminmax`."""

    min: Tensor
    max: Tensor


class Histogram(NamedTuple):
    """The result of :func:`histogram` and :func:`histogramdd`: counts, and the edges of the intervals, of the latter a tuple."""

    hist: Tensor
    bin_edges: Any


class MantissaExponent(NamedTuple):
    """The result of :func:`frexp`."""

    mantissa: Tensor
    exponent: Tensor
