"""``torch.distributed.nn``: what gradients flow through."""

# mypy: implicit-reexport

from minigrad.distributed.functional import all_reduce
