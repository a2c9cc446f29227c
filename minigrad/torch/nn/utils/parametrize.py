"""``torch.nn.utils.parametrize``."""

# mypy: implicit-reexport

from minigrad.nn.utils.parametrize import (
    ParametrizationList, cached, is_parametrized, register_parametrization, remove_parametrizations, type_before_parametrizations,
)  # fmt: skip
