"""``import minigrad.torch as torch``: PyTorch's module names over minigrad's, so that a script ports by its import lines.

There is nothing in here but names: every module of this package imports what its counterpart in PyTorch offers from where it is written.
What is not there raises an ``AttributeError`` (or ``ImportError``) that says what to use instead, see :mod:`minigrad.absent`.

>>> import minigrad.torch as torch
>>> import minigrad.torch.nn as nn
>>> device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
>>> nn.Linear(2, 3).to(device)(torch.ones(1, 2, device=device)).shape
torch.Size([1, 3])
>>> torch.fx
Traceback (most recent call last):
...
AttributeError: module 'minigrad.torch' has no attribute 'fx': there is no compiler; leave it out, Python runs the function as it is
"""

# mypy: implicit-reexport

from minigrad.torch import (  # first, for `*` has modules of these names
    accelerator, amp, autograd, backends, compiler, cpu, cuda, distributed, distributions, fft, func, jit, linalg, mps, nn, optim, profiler, random, serialization,
    special, testing, utils, version, xpu,
)  # fmt: skip
from minigrad import *  # type: ignore[assignment]  # load is another one below
from minigrad.accepted import (
    channels_last, channels_last_3d, contiguous_format, memory_format, preserve_format, are_deterministic_algorithms_enabled, autocast, bfloat16, compile, get_float32_matmul_precision, get_num_interop_threads,
    set_float32_matmul_precision, set_flush_denormal, set_num_interop_threads, use_deterministic_algorithms,
)  # fmt: skip
from minigrad.creation import range
from minigrad.devices import STRIDED as strided, layout
from minigrad.engine import is_anomaly_check_nan_enabled, is_anomaly_enabled
from minigrad.files.torch_files import load
from minigrad.files.torch_writer import save_torch as save
from minigrad.nn.functional import (
    celu_, channel_shuffle, conv_tbc, cosine_similarity, group_norm, layer_norm, native_channel_shuffle, pairwise_distance, pdist, relu_,
    rms_norm, rrelu_, selu_, threshold_,
)  # fmt: skip
from minigrad.nn.optim.grad_scaler import GradScaler
from minigrad.func import vmap
from minigrad.random import default_generator, seed
from minigrad.tensor import as_tensor as asarray
from minigrad.tensor_types import (
    BoolTensor, ByteTensor, CharTensor, DoubleTensor, FloatTensor, HalfTensor, IntTensor, LongTensor, ShortTensor, is_storage,
    set_default_tensor_type, typename,
)  # fmt: skip
from numpy import newaxis
from minigrad.torch.version import __version__
from minigrad.types import Shape as Size
from minigrad import absent

absent.answer_for(__name__)
