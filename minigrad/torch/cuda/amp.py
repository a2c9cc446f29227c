"""``torch.cuda.amp``."""

# mypy: implicit-reexport

from minigrad.accepted import GradScaler, autocast
