"""``torch.nn.utils.stateless``."""

# mypy: implicit-reexport

from minigrad.nn.utils import functional_call
