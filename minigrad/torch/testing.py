"""``torch.testing``."""

# mypy: implicit-reexport

from minigrad.testing.close import assert_close
