"""``torch.accelerator``: there is none."""

# mypy: implicit-reexport

from minigrad.devices import device_count, is_available, nobody as current_accelerator, nothing_to_do as synchronize
