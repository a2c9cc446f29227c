"""``torch.version``."""

# mypy: implicit-reexport

from minigrad.accepted import TORCH_VERSION as __version__

cuda = hip = None
