"""``torch.nn.parameter``."""

# mypy: implicit-reexport

from minigrad.nn.module import Parameter, UninitializedBuffer, UninitializedParameter
