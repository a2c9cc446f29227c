"""A sum over the ranks that gradients flow through: ``torch.distributed.nn.functional``."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.distributed.processes import Work, current, several
from minigrad.engine import batched, linear_in, op
from minigrad.types import Array, Tensor


@batched(lambda run, input: run(input))
@linear_in("input")
@op(input=lambda g: total(g))
def total(input: Array) -> Array:
    """The sum of all ranks' arrays, on each rank. Where there is one rank only, a copy.

    The loss of the whole program is the sum of the ranks' losses. Each rank's result goes into its own loss, so the gradient for one rank's
    input is the sum of the ranks' gradients: the op is its own transpose, and all ranks call it in backward in the same order too.

    >>> import minigrad as mg
    >>> from minigrad.distributed.functional import total
    >>> total(mg.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    found = np.array(input, np.float32 if input.dtype == np.float16 else input.dtype, order="C")
    here = several()
    if here is not None:
        name = f"the sum over ranks of {found.dtype.name} {found.shape} in a layer"
        Work(here, here.inner.Iallreduce(here.mpi.IN_PLACE, found), here.started(name), name).wait()
    return found.astype(input.dtype, copy=False)


def all_reduce(tensor: Any, op: Any = None, group: Any = None) -> Tensor:
    """The sum of all ranks' tensors, as a new tensor; gradients of any order flow: ``torch.distributed.nn.functional.all_reduce``.

    Args:
        tensor: of one shape and floating dtype on all ranks.
        op: ``ReduceOp.SUM`` or None. group: None.

    Raises ``ValueError`` for another ``op``, or before ``init_process_group``.
    """
    current("all_reduce")
    if getattr(op, "name", "SUM") != "SUM" or group is not None:
        raise ValueError("all_reduce: gradients flow through sums over all ranks only: op is ReduceOp.SUM, group None")
    return total(tensor)
