"""``torch.mps``: there is none."""

# mypy: implicit-reexport

from minigrad.devices import (
    device_count, is_available, nothing_to_do as empty_cache, nothing_to_do as manual_seed, nothing_to_do as synchronize,
)  # fmt: skip
