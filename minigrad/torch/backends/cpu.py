"""``torch.backends.cpu``."""

# mypy: implicit-reexport

from platform import machine as get_cpu_capability
