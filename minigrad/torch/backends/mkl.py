"""``torch.backends.mkl``: numpy brings its own."""

# mypy: implicit-reexport

from minigrad.devices import is_available
