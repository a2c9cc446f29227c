"""``torch.backends.cudnn``: may be set, and changes nothing."""

# mypy: implicit-reexport

from minigrad.accepted import flags
from minigrad.devices import is_available, nobody as version

enabled = benchmark = allow_tf32 = deterministic = False
