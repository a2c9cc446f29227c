"""torchvision's arguments for pretrained weights, which none of the networks here has."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

B = TypeVar("B", bound=Callable[..., Any])


def without_weights(build: B) -> B:
    """Let a function that builds a network take ``weights=None``, ``pretrained=False`` and ``progress`` as torchvision's does.

    It raises ``ValueError`` for any other value of the first two.

    >>> from minigrad import nn
    >>> nn.models.resnet18(weights="DEFAULT")
    Traceback (most recent call last):
    ...
    ValueError: resnet18: no weights come with minigrad: build it without, then model.load_state_dict(nn.load_torch(path)) reads a checkpoint
    """

    @functools.wraps(build)
    def call(*args: Any, weights: Any = None, pretrained: bool = False, progress: bool = True, **kwargs: Any) -> Any:
        if weights is not None or pretrained:
            raise ValueError(
                f"{build.__name__}: no weights come with minigrad: build it without, then "
                "model.load_state_dict(nn.load_torch(path)) reads a checkpoint"
            )
        return build(*args, **kwargs)

    return call  # type: ignore[return-value]
