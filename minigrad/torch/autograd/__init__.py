"""``torch.autograd``."""

# mypy: implicit-reexport

from minigrad.engine import (
    Function, backward, detect_anomaly, enable_grad, grad, inference_mode, no_grad, set_detect_anomaly, set_grad_enabled,
)  # fmt: skip
from minigrad.tensor_types import Variable
from minigrad.testing.torch_style import gradcheck, gradgradcheck
from minigrad.torch.autograd import function, functional, graph, profiler
