"""einops with Tensors: ``rearrange``, ``reduce``, ``repeat``, ``pack``, ``unpack`` and ``einsum``, with gradients.

einops finds the library of a tensor among classes that are derived from its ``AbstractBackend``. :func:`register` derives one for Tensors. It is
called when minigrad and einops are both imported, in either order, so there is nothing to do::

    import minigrad as mg
    from einops import rearrange

    rearrange(mg.ones(2, 3, 4, 4), "n c h w -> n (c h w)")

Its layers are modules of a library's, those of ``einops.layers.torch`` of PyTorch's. ``from minigrad.einops.layers.torch import Rearrange`` has them
for minigrad. This package has einops' functions too, ``from minigrad.einops import rearrange``.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from minigrad.creation import arange
from minigrad.ops.contractions import einsum
from minigrad.ops.shape import cat, stack
from minigrad.tensor import Tensor, as_tensor


@functools.cache
def register() -> type:
    """Let einops accept Tensors, from now on; a second call does nothing. Returns the class that does it.

    ``import einops`` calls it. Raises ``ImportError`` if einops is not installed.
    """
    from einops import _backends  # the class that libraries derive theirs from; einops exports it nowhere else

    class Backend(_backends.AbstractBackend):
        framework_name = "minigrad"

        def is_appropriate_type(self, tensor: Any) -> bool:
            return isinstance(tensor, Tensor)

        def from_numpy(self, x: np.ndarray) -> Tensor:
            return as_tensor(x)

        def to_numpy(self, x: Tensor) -> np.ndarray:
            return x.detach().numpy()

        def arange(self, start: int, stop: int) -> Tensor:
            return arange(start, stop)

        def reduce(self, x: Tensor, operation: str, axes: Any) -> Tensor:
            if operation == "prod":
                for axis in sorted(axes, reverse=True):
                    x = x.prod(axis)
                return x
            return getattr(x, {"min": "amin", "max": "amax"}.get(operation, operation))(tuple(axes))

        def transpose(self, x: Tensor, axes: Any) -> Tensor:
            return x.permute(tuple(axes))

        def stack_on_zeroth_dimension(self, tensors: list[Tensor]) -> Tensor:
            return stack(tensors)

        def add_axis(self, x: Tensor, new_position: int) -> Tensor:
            return x.unsqueeze(new_position)

        def tile(self, x: Tensor, repeats: Any) -> Tensor:
            return x.repeat(tuple(repeats))

        def concat(self, tensors: list[Tensor], axis: int) -> Tensor:
            return cat(tensors, axis)

        def is_float_type(self, x: Tensor) -> bool:
            return x.is_floating_point()

        def einsum(self, pattern: str, *x: Tensor) -> Tensor:
            return einsum(pattern, *x)

    return Backend


def __getattr__(name: str) -> Any:
    import einops

    if name[0] == "_" or not hasattr(einops, name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has the functions of einops")
    return getattr(einops, name)
