"""``torch.backends.cuda``: may be set, and changes nothing."""

# mypy: implicit-reexport

from minigrad.accepted import (
    flag as enable_cudnn_sdp, flag as enable_flash_sdp, flag as enable_math_sdp, flag as enable_mem_efficient_sdp,
    flags as sdp_kernel, matmul,
)  # fmt: skip
from minigrad.devices import is_available as is_built
