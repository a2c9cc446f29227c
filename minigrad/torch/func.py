"""``torch.func``."""

# mypy: implicit-reexport

from minigrad.nn.utils import functional_call
