"""``torch.cpu``."""

# mypy: implicit-reexport

from minigrad.devices import nothing_to_do as synchronize
