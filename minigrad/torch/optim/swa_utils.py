"""``torch.optim.swa_utils``."""

# mypy: implicit-reexport

from minigrad.nn.optim.swa_utils import (
    SWALR, AveragedModel, get_ema_avg_fn, get_ema_multi_avg_fn, get_swa_avg_fn, get_swa_multi_avg_fn, update_bn,
)  # fmt: skip
