"""``torch.version``."""

# mypy: implicit-reexport

from minigrad import __version__

cuda = hip = None
