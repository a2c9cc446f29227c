"""``torch.nn.modules.module``."""

# mypy: implicit-reexport

from minigrad.nn.module import (
    Module, register_module_forward_hook, register_module_forward_pre_hook, register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
)  # fmt: skip
