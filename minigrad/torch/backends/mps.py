"""``torch.backends.mps``: there is none."""

# mypy: implicit-reexport

from minigrad.devices import is_available, is_available as is_built
