"""``torch.autograd.function``."""

# mypy: implicit-reexport

from minigrad.engine.function import Function, FunctionCtx, once_differentiable
