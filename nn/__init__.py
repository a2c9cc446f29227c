"""Building blocks of models: modules, losses, initialisers, optimisers, data and a model zoo.

The names are those of ``torch.nn``. ``nn.functional`` has the functions behind the layers, ``nn.init`` the initialisers, ``nn.optim`` the
optimisers, ``nn.data`` datasets and the loader, ``nn.models`` networks of the literature, ``nn.utils`` gradient clipping; ``nn.save`` and
``nn.load``, which are ``mg.save`` and ``mg.load``, write and read checkpoints; ``nn.load_torch`` reads PyTorch's. ``nn.fit`` is a training loop.

>>> import minigrad as mg
>>> from minigrad import nn
>>> model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
>>> optimizer = nn.optim.Adam(model.parameters(), lr=1e-2)
>>> loss = nn.CrossEntropyLoss()(model(mg.ones(8, 4)), mg.zeros(8, dtype=mg.int64))
>>> loss.backward()
>>> optimizer.step()
"""

# mypy: implicit-reexport
# ruff: noqa: I001 (names are imported to be exported; sorted, but several on a line)

if __name__ != "minigrad.nn":
    # Imported under two names, every class would exist twice, and isinstance() would fail between the two.
    raise ImportError(f"the folder nn/ is the package minigrad.nn and cannot be imported as {__name__!r}: write `from minigrad import nn`")

from typing import TYPE_CHECKING, Any

from minigrad.files.checkpoint import CheckpointError, load, save
from minigrad.files.safetensors import load_safetensors, save_safetensors
from minigrad.files.torch_files import load_torch
from minigrad.nn import functional, init, metrics, optim, utils
from minigrad.nn.activation import (
    CELU, ELU, GELU, GLU, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, LeakyReLU, LogSigmoid, LogSoftmax, Mish, PReLU, ReLU, ReLU6,
    RReLU, SELU, Sigmoid, SiLU, Softmax, Softmax2d, Softmin, Softplus, Softshrink, Softsign, Tanh, Tanhshrink, Threshold,
)  # fmt: skip
from minigrad.nn.adaptive_softmax import AdaptiveLogSoftmaxWithLoss
from minigrad.nn.attention import MultiheadAttention
from minigrad.nn.container import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from minigrad.nn.conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from minigrad.nn.distance import CosineSimilarity, PairwiseDistance
from minigrad.nn.dropout import AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout
from minigrad.nn.embedding import Embedding, EmbeddingBag
from minigrad.nn.fold import Fold, Unfold
from minigrad.nn.inference import optimize_for_inference
from minigrad.nn.lazy import (
    LazyBatchNorm1d, LazyBatchNorm2d, LazyBatchNorm3d, LazyConv1d, LazyConv2d, LazyConv3d, LazyConvTranspose1d, LazyConvTranspose2d,
    LazyConvTranspose3d, LazyInstanceNorm1d, LazyInstanceNorm2d, LazyInstanceNorm3d, LazyLinear, LazyModuleMixin,
)  # fmt: skip
from minigrad.nn.linear import Bilinear, Flatten, Identity, Linear, Unflatten
from minigrad.nn.loss import (
    BCELoss, BCEWithLogitsLoss, CosineEmbeddingLoss, CrossEntropyLoss, CTCLoss, GaussianNLLLoss, HingeEmbeddingLoss, HuberLoss, KLDivLoss,
    L1Loss, LinearCrossEntropyLoss, MarginRankingLoss, MSELoss, MultiLabelMarginLoss, MultiLabelSoftMarginLoss, MultiMarginLoss, NLLLoss,
    NLLLoss2d, PoissonNLLLoss, SmoothL1Loss, SoftMarginLoss, TripletMarginLoss, TripletMarginWithDistanceLoss,
)  # fmt: skip
from minigrad.nn.module import is_lazy, Module, Parameter, UninitializedBuffer, UninitializedError, UninitializedParameter
from minigrad.nn.norm import (
    BatchNorm1d, BatchNorm2d, BatchNorm3d, GroupNorm, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, LayerNorm, LocalResponseNorm,
    RMSNorm,
)  # fmt: skip
from minigrad.nn.padding import (
    CircularPad1d, CircularPad2d, CircularPad3d, ConstantPad1d, ConstantPad2d, ConstantPad3d, ReflectionPad1d, ReflectionPad2d,
    ReflectionPad3d, ReplicationPad1d, ReplicationPad2d, ReplicationPad3d, ZeroPad1d, ZeroPad2d, ZeroPad3d,
)  # fmt: skip
from minigrad.nn.pool import (
    AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d, AvgPool1d,
    AvgPool2d, AvgPool3d, FractionalMaxPool2d, FractionalMaxPool3d, LPPool1d, LPPool2d, LPPool3d, MaxPool1d, MaxPool2d, MaxPool3d,
    MaxUnpool1d, MaxUnpool2d, MaxUnpool3d,
)  # fmt: skip
from minigrad.nn.recurrent import GRU, GRUCell, LSTM, LSTMCell, RNN, RNNBase, RNNCell
from minigrad.nn.shuffle import ChannelShuffle, PixelShuffle, PixelUnshuffle
from minigrad.nn.summary import shapes_only, summary
from minigrad.nn.transformer import Transformer, TransformerDecoder, TransformerDecoderLayer, TransformerEncoder, TransformerEncoderLayer
from minigrad.nn.upsampling import Upsample, UpsamplingBilinear2d, UpsamplingNearest2d

if TYPE_CHECKING:
    from minigrad.nn import data, detection, hmm, models, parallel, training
    from minigrad.nn.audio import AmplitudeToDB, melscale_fbanks, MelScale, MelSpectrogram, Spectrogram
    from minigrad.nn.parallel import SyncBatchNorm
    from minigrad.nn.training import evaluate, fit, predict

_LATER = {  # loaded at their first use, as not every program needs them: a module, and its names that are here as well
    "data": (),
    "detection": (),
    "hmm": (),
    "models": (),
    "audio": ("AmplitudeToDB", "melscale_fbanks", "MelScale", "MelSpectrogram", "Spectrogram"),
    "parallel": ("SyncBatchNorm",),
    "training": ("evaluate", "fit", "predict"),
}


def _later(name: str) -> Any:
    from importlib import import_module

    for module, names in _LATER.items():
        if name == module or name in names:
            found = import_module(f"minigrad.nn.{module}")
            globals().update({one: getattr(found, one) for one in names})
            return globals()[name]
    raise AttributeError(f"module 'minigrad.nn' has no attribute {name!r}")


if not TYPE_CHECKING:  # a type checker knows what is here
    __getattr__ = _later


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, *[name for names in _LATER.values() for name in names]})


MYPY = False  # mypy treats it as True, and exports what is imported, because it cannot read a computed list; other checkers can
if not MYPY:
    __all__ = [name for name, value in globals().items() if getattr(value, "__module__", "").startswith("minigrad.") and name[0] != "_"]
    __all__ += ["data", "detection", "functional", "hmm", "init", "metrics", "models", "optim", "parallel", "training", "utils"]
    __all__ += [name for names in _LATER.values() for name in names]
