"""``torch.autograd.profiler``."""

# mypy: implicit-reexport

from minigrad.profiler import record_function
