"""``torch.nn.parameter``."""

# mypy: implicit-reexport

from minigrad.nn.module import Buffer, Parameter, UninitializedBuffer, UninitializedParameter
