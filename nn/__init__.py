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
# ruff: noqa: I001, PLE0604, SIM905 (names are imported to be exported, or loaded when they are used; sorted, but several on a line)

if __name__ != "minigrad.nn":
    # Imported under two names, every class would exist twice, and isinstance() would fail between the two.
    raise ImportError(f"the folder nn/ is the package minigrad.nn and cannot be imported as {__name__!r}: write `from minigrad import nn`")

from typing import TYPE_CHECKING

from minigrad.later import loader, places
from minigrad.nn.module import Buffer, is_lazy, Module, Parameter, UninitializedBuffer, UninitializedError, UninitializedParameter

if TYPE_CHECKING:  # the same as below
    from minigrad.files.checkpoint import CheckpointError, load, save
    from minigrad.files.safetensors import load_safetensors, save_safetensors
    from minigrad.files.torch_files import load_torch
    from minigrad.nn import data, detection, functional, hmm, init, metrics, models, optim, parallel, training, utils
    from minigrad.nn.activation import (
        CELU, ELU, GELU, GLU, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, LeakyReLU, LogSigmoid, LogSoftmax, Mish, PReLU, ReLU, ReLU6,
        RReLU, SELU, Sigmoid, SiLU, Softmax, Softmax2d, Softmin, Softplus, Softshrink, Softsign, Tanh, Tanhshrink, Threshold,
    )  # fmt: skip
    from minigrad.nn.adaptive_softmax import AdaptiveLogSoftmaxWithLoss
    from minigrad.nn.attention import MultiheadAttention
    from minigrad.nn.audio import AmplitudeToDB, melscale_fbanks, MelScale, MelSpectrogram, Spectrogram
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
    from minigrad.nn.parallel import SyncBatchNorm
    from minigrad.nn.recurrent import GRU, GRUCell, LSTM, LSTMCell, RNN, RNNBase, RNNCell
    from minigrad.nn.shuffle import ChannelShuffle, PixelShuffle, PixelUnshuffle
    from minigrad.nn.summaries import shapes_only, summary
    from minigrad.nn.training import evaluate, fit, predict
    from minigrad.nn.transformer import (
        Transformer,
        TransformerDecoder,
        TransformerDecoderLayer,
        TransformerEncoder,
        TransformerEncoderLayer,
    )
    from minigrad.nn.upsampling import Upsample, UpsamplingBilinear2d, UpsamplingNearest2d

# Loaded when they are first used, as no program needs them all: modules, and names that are here as well by the modules that have them.
_MODULES = "data detection functional hmm init metrics models optim parallel training utils".split()
_LATER = {
    "minigrad.files.checkpoint": "CheckpointError load save",
    "minigrad.files.safetensors": "load_safetensors save_safetensors",
    "minigrad.files.torch_files": "load_torch",
    "minigrad.nn.activation": (
        "CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid LogSoftmax Mish PReLU ReLU ReLU6 "
        "RReLU SELU Sigmoid SiLU Softmax Softmax2d Softmin Softplus Softshrink Softsign Tanh Tanhshrink Threshold"
    ),
    "minigrad.nn.adaptive_softmax": "AdaptiveLogSoftmaxWithLoss",
    "minigrad.nn.attention": "MultiheadAttention",
    "minigrad.nn.audio": "AmplitudeToDB melscale_fbanks MelScale MelSpectrogram Spectrogram",
    "minigrad.nn.container": "ModuleDict ModuleList ParameterDict ParameterList Sequential",
    "minigrad.nn.conv": "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d",
    "minigrad.nn.distance": "CosineSimilarity PairwiseDistance",
    "minigrad.nn.dropout": "AlphaDropout Dropout Dropout1d Dropout2d Dropout3d FeatureAlphaDropout",
    "minigrad.nn.embedding": "Embedding EmbeddingBag",
    "minigrad.nn.fold": "Fold Unfold",
    "minigrad.nn.inference": "optimize_for_inference",
    "minigrad.nn.lazy": (
        "LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d "
        "LazyConvTranspose2d LazyConvTranspose3d LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d LazyLinear "
        "LazyModuleMixin"
    ),
    "minigrad.nn.linear": "Bilinear Flatten Identity Linear Unflatten",
    "minigrad.nn.loss": (
        "BCELoss BCEWithLogitsLoss CosineEmbeddingLoss CrossEntropyLoss CTCLoss GaussianNLLLoss HingeEmbeddingLoss HuberLoss "
        "KLDivLoss L1Loss LinearCrossEntropyLoss MarginRankingLoss MSELoss MultiLabelMarginLoss MultiLabelSoftMarginLoss "
        "MultiMarginLoss NLLLoss NLLLoss2d PoissonNLLLoss SmoothL1Loss SoftMarginLoss TripletMarginLoss "
        "TripletMarginWithDistanceLoss"
    ),
    "minigrad.nn.norm": (
        "BatchNorm1d BatchNorm2d BatchNorm3d GroupNorm InstanceNorm1d InstanceNorm2d InstanceNorm3d LayerNorm LocalResponseNorm RMSNorm"
    ),
    "minigrad.nn.padding": (
        "CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d ConstantPad3d ReflectionPad1d ReflectionPad2d "
        "ReflectionPad3d ReplicationPad1d ReplicationPad2d ReplicationPad3d ZeroPad1d ZeroPad2d ZeroPad3d"
    ),
    "minigrad.nn.parallel": "SyncBatchNorm",
    "minigrad.nn.pool": (
        "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d AvgPool1d "
        "AvgPool2d AvgPool3d FractionalMaxPool2d FractionalMaxPool3d LPPool1d LPPool2d LPPool3d MaxPool1d MaxPool2d MaxPool3d "
        "MaxUnpool1d MaxUnpool2d MaxUnpool3d"
    ),
    "minigrad.nn.recurrent": "GRU GRUCell LSTM LSTMCell RNN RNNBase RNNCell",
    "minigrad.nn.shuffle": "ChannelShuffle PixelShuffle PixelUnshuffle",
    "minigrad.nn.summaries": "shapes_only summary",
    "minigrad.nn.training": "evaluate fit predict",
    "minigrad.nn.transformer": "Transformer TransformerDecoder TransformerDecoderLayer TransformerEncoder TransformerEncoderLayer",
    "minigrad.nn.upsampling": "Upsample UpsamplingBilinear2d UpsamplingNearest2d",
}
_PLACES = {**{name: f"minigrad.nn.{name}" for name in _MODULES}, **places(_LATER)}

if not TYPE_CHECKING:  # a type checker knows what is here
    __getattr__ = loader("minigrad.nn", _PLACES)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})


MYPY = False  # mypy treats it as True, and exports what is imported, because it cannot read a computed list; other checkers can
if not MYPY:
    __all__ = ["Buffer", "Module", "Parameter", "UninitializedBuffer", "UninitializedError", "UninitializedParameter"]
    __all__ += ["is_lazy", *_PLACES]
