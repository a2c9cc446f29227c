"""``torch.cuda``: there is none."""

# mypy: implicit-reexport

from minigrad.devices import (
    device_count, is_available, is_available as is_bf16_supported, is_available as is_initialized, no_bytes as max_memory_allocated,
    no_bytes as max_memory_reserved, no_bytes as memory_allocated, no_bytes as memory_reserved, no_device as current_device,
    no_device as device, no_device as get_device_capability, no_device as get_device_name, no_device as get_device_properties,
    no_device as set_device, nothing_to_do as empty_cache, nothing_to_do as ipc_collect, nothing_to_do as manual_seed,
    nothing_to_do as manual_seed_all, nothing_to_do as reset_peak_memory_stats, nothing_to_do as synchronize,
)  # fmt: skip
from minigrad.torch.cuda import amp
