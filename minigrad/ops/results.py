"""The named tuples that ops with two results return."""

from __future__ import annotations

from typing import NamedTuple

from minigrad.types import Tensor


class ValuesIndices(NamedTuple):
    """What ``max(x, dim)``, ``sort``, ``topk`` and the like return: elements, and where along ``dim`` they were."""

    values: Tensor
    indices: Tensor


class MinMax(NamedTuple):
    """What :func:`aminmax` returns."""

    min: Tensor
    max: Tensor
