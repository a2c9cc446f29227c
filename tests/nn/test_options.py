"""No option is silently ignored: unknown keywords and numbers out of range are refused."""

from __future__ import annotations

import importlib
import inspect
import math

import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.nn.module import Module
from minigrad.nn.options import REAL, SIZES, WHOLE

# fmt: off
ARGUMENTS = {  # with which each module can be made
 "Linear": (3, 4), "Bilinear": (3, 4, 5), "Flatten": (), "Unflatten": (1, (2, 3)), "Identity": (),
 "Conv1d": (2, 4, 3), "Conv2d": (2, 4, 3), "Conv3d": (2, 4, 3), "ConvTranspose1d": (2, 4, 3), "ConvTranspose2d": (2, 4, 3), "ConvTranspose3d": (2, 4, 3),
 "MaxPool1d": (2,), "MaxPool2d": (2,), "MaxPool3d": (2,), "AvgPool1d": (2,), "AvgPool2d": (2,), "AvgPool3d": (2,),
 "AdaptiveAvgPool1d": (2,), "AdaptiveAvgPool2d": (2,), "AdaptiveAvgPool3d": (2,), "AdaptiveMaxPool1d": (2,), "AdaptiveMaxPool2d": (2,), "AdaptiveMaxPool3d": (2,),
 "LPPool1d": (2, 2), "LPPool2d": (2, 2), "LPPool3d": (2, 2), "MaxUnpool1d": (2,), "MaxUnpool2d": (2,), "MaxUnpool3d": (2,),
 "FractionalMaxPool2d": (2, 3), "FractionalMaxPool3d": (2, 3),
 "BatchNorm1d": (4,), "BatchNorm2d": (4,), "BatchNorm3d": (4,), "SyncBatchNorm": (4,), "InstanceNorm1d": (4,), "InstanceNorm2d": (4,), "InstanceNorm3d": (4,),
 "GroupNorm": (2, 4), "LayerNorm": (4,), "RMSNorm": (4,), "LocalResponseNorm": (2,),
 "Dropout": (), "Dropout1d": (), "Dropout2d": (), "Dropout3d": (), "AlphaDropout": (), "FeatureAlphaDropout": (),
 "Embedding": (5, 3), "EmbeddingBag": (5, 3),
 "RNNCell": (3, 4), "LSTMCell": (3, 4), "GRUCell": (3, 4), "RNN": (3, 4), "LSTM": (3, 4), "GRU": (3, 4),
 "TransformerEncoderLayer": (8, 2), "TransformerDecoderLayer": (8, 2), "Transformer": (8, 2, 1, 1), "MultiheadAttention": (8, 2),
 "TransformerEncoder": (nn.TransformerEncoderLayer(8, 2), 1), "TransformerDecoder": (nn.TransformerDecoderLayer(8, 2), 1),
    "LinearCrossEntropyLoss": (3, 4), "AdaptiveLogSoftmaxWithLoss": (8, 20, [5, 10]),
 "ConstantPad1d": (1, 0.0), "ConstantPad2d": (1, 0.0), "ConstantPad3d": (1, 0.0), "ZeroPad1d": (1,), "ZeroPad2d": (1,), "ZeroPad3d": (1,),
 "ReflectionPad1d": (1,), "ReflectionPad2d": (1,), "ReflectionPad3d": (1,), "ReplicationPad1d": (1,), "ReplicationPad2d": (1,), "ReplicationPad3d": (1,), "CircularPad1d": (1,), "CircularPad2d": (1,), "CircularPad3d": (1,),
 "PixelShuffle": (2,), "PixelUnshuffle": (2,), "ChannelShuffle": (2,), "Upsample": (2,), "UpsamplingNearest2d": (2,), "UpsamplingBilinear2d": (2,),
 "CosineSimilarity": (), "PairwiseDistance": (), "Unfold": (2,), "Fold": ((4, 4), 2),
 "LeakyReLU": (), "RReLU": (), "PReLU": (), "ELU": (), "CELU": (), "GELU": (), "Softplus": (), "Hardtanh": (), "Hardshrink": (), "Softshrink": (), "Threshold": (0.1, 2.0), "GLU": (), "Softmax": (1,), "LogSoftmax": (1,), "Softmin": (1,),
 "CrossEntropyLoss": (), "NLLLoss": (), "KLDivLoss": (), "HuberLoss": (), "SmoothL1Loss": (), "MultiMarginLoss": (), "MarginRankingLoss": (), "HingeEmbeddingLoss": (), "CosineEmbeddingLoss": (), "TripletMarginLoss": (), "TripletMarginWithDistanceLoss": (), "GaussianNLLLoss": (), "PoissonNLLLoss": (), "CTCLoss": (),
}
# fmt: on
NUMBERS = {  # what else is refused, of options that mean something else in another class, or have rules of their own
    "MultiMarginLoss": {"p": [0, 3, 1.5]},
    "TripletMarginLoss": {"margin": [0, -1, math.nan]},
    "TripletMarginWithDistanceLoss": {"margin": [0, -1, math.nan]},
    "SmoothL1Loss": {"beta": [-1, math.nan]},
    "Softplus": {"beta": [0, math.nan]},
    "CELU": {"alpha": [0, math.nan]},
    "LPPool2d": {"norm_type": [0, math.nan]},
    "AvgPool2d": {"divisor_override": [0]},
    "RReLU": {"lower": [0.5, math.nan], "upper": [0.1, math.inf]},
    "BatchNorm2d": {"eps": [0]},
    "RNN": {"input_size": [0]},
    "Bilinear": {"in1_features": [0]},
    **{name: {"p": [-0.1, 1.1, math.nan, "1"]} for name in ARGUMENTS if "Dropout" in name},
}
FREE = {("Hardshrink", "lambd")}  # may be negative, as PyTorch's


def options(name: str) -> list[str]:
    return [p for p in inspect.signature(getattr(nn, name)).parameters if p in {**WHOLE, **SIZES, **REAL} or p in NUMBERS.get(name, {})]


def wrong(name: str, option: str) -> list:
    """Values that an option refuses."""
    found = list(NUMBERS.get(name, {}).get(option, []))
    if (name, option) in FREE:
        return []
    if option in REAL:
        found += [math.nan, "1"]
        found += {"0 or above": [-1e-5], "above 0": [0, -1], "from 0 to 1": [-0.1, 1.1], "finite": [math.inf]}[REAL[option]]
    elif not name.endswith(("Pad1d", "Pad2d", "Pad3d")) and (least := {**WHOLE, **SIZES}.get(option)) is not None:  # a negative pad crops
        found += [least - 1, -7, 2.5, math.nan, "3"]
    return found


CASES = [(name, option, value) for name in ARGUMENTS for option in options(name) for value in wrong(name, option)]


@pytest.mark.parametrize(("name", "option", "value"), CASES)
def test_an_option_out_of_its_range_is_refused(name, option, value):
    """By the constructor, in one line that names the class and the option."""
    kind = getattr(nn, name)
    given = inspect.signature(kind).bind(*ARGUMENTS[name]).arguments
    with pytest.raises((ValueError, TypeError)) as caught:
        kind(**given | {option: value})
    message = str(caught.value)
    assert message.startswith(f"{name}: ") and option in message and "\n" not in message


def test_every_module_with_such_an_option_is_tried():
    modules = [name for name in nn.__all__ if inspect.isclass(getattr(nn, name)) and issubclass(getattr(nn, name), Module)]
    left_out = [name for name in modules if name not in ARGUMENTS and not name.startswith("Lazy") and options(name)]
    assert left_out == ["RNNBase"], "the base of RNN, LSTM and GRU"
    assert len(CASES) > 600
    for name, arguments in ARGUMENTS.items():
        getattr(nn, name)(*arguments)


@pytest.mark.parametrize("kind", [nn.Linear, nn.Conv2d, nn.BatchNorm2d])
def test_lazy_and_derived_modules_are_checked_as_well(kind):
    class Mine(kind):
        pass

    first = {nn.Linear: (-1, 2), nn.Conv2d: (3, 4, -1), nn.BatchNorm2d: (-4,)}[kind]
    with pytest.raises(ValueError, match=r"^Mine: "):
        Mine(*first)
    with pytest.raises(mg.ShapeError, match=r"^LazyConv2d: kernel_size must be at least 1, not 0"):
        nn.LazyConv2d(3, 0)


def test_what_pytorch_takes_is_taken():
    """Empty layers, and numbers at the end of their ranges."""
    import numpy as np

    assert nn.Linear(0, 3)(mg.zeros(2, 0)).shape == (2, 3)
    assert nn.Linear(np.int64(3), mg.tensor(4))(mg.zeros(2, 3)).shape == (2, 4)
    nn.LayerNorm(3, eps=0), nn.GroupNorm(1, 3, eps=0.0), nn.Dropout(0), nn.Dropout(1), nn.BatchNorm1d(3, momentum=None)
    nn.SmoothL1Loss(beta=0), nn.HingeEmbeddingLoss(margin=-1.0), nn.ConstantPad1d(-1, 0.0), nn.Hardshrink(-1.0), nn.ELU(-1.0)
    assert nn.AdaptiveAvgPool2d((None, 2))(mg.ones(1, 2, 5, 5)).shape == (1, 2, 5, 2)
    nn.TripletMarginLoss(p=math.inf), nn.Embedding(3, 2, max_norm=1.0, norm_type=math.inf)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: F.triplet_margin_loss(x, x, x, margin=-1), "triplet_margin_loss: margin must be above 0, but is -1"),
        (lambda x: F.triplet_margin_loss(x, x, x, margin=0), "triplet_margin_loss: margin must be above 0, but is 0"),
        (
            lambda x: F.triplet_margin_with_distance_loss(x, x, x, margin=math.nan),
            "triplet_margin_with_distance_loss: margin must be above 0, but is nan",
        ),
        (lambda x: F.cosine_similarity(x, x, eps=-1), "cosine_similarity: eps must be 0 or above, but is -1"),
        (lambda x: F.local_response_norm(x[None], 0), "local_response_norm: size must be 1 or above, but is 0"),
    ],
)
def test_functions_refuse_too(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call(mg.randn(3, 4))


# ------------------------------------------------------------------------------------------------- unknown keywords

SPACES = [
    "minigrad", "minigrad.nn", "minigrad.nn.functional", "minigrad.nn.optim", "minigrad.nn.optim.lr_scheduler", "minigrad.nn.data",
    "minigrad.nn.data.transforms", "minigrad.nn.init", "minigrad.nn.metrics", "minigrad.nn.training", "minigrad.nn.utils", "minigrad.nn.utils.rnn",
    "minigrad.nn.utils.parametrize", "minigrad.nn.utils.parametrizations", "minigrad.nn.optim.swa_utils", "minigrad.nn.models", "minigrad.graph",
    "minigrad.plots", "minigrad.testing", "minigrad.random", "minigrad.nn.detection", "minigrad.demo",
]  # fmt: skip
TAKE_ANYTHING = {
    "check": "keywords are the rules of options",
    "optimize_for_inference": "keywords are inputs of the model",
    "op": "keywords name the arguments of the op that is defined",
    "Identity": "as PyTorch's, it stands in for any module",
    "StackDataset": "keywords name the datasets",
    "bar": "options of tqdm's",
    "draw": "keywords are inputs of the module that is drawn",
    "domain": "keywords name the arguments of the op whose domain it is",
    "skip_init": "arguments of the class that it is given",
    "tangent": "keywords name the arguments of the op that it is declared of",
}


def public(space: str) -> dict:
    module = importlib.import_module(space)
    found = {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}
    return {name: thing for name, thing in found.items() if callable(thing) and getattr(thing, "__module__", "").startswith("minigrad.")}


@pytest.mark.filterwarnings("ignore:.* is deprecated:FutureWarning")  # the old names of initialisers
@pytest.mark.parametrize("space", SPACES)
def test_an_unknown_keyword_is_refused(space):
    """By a TypeError that names it, and the function (or the class whose constructor it is)."""
    accepted, unclear = [], []
    for name, thing in public(space).items():
        if inspect.isclass(thing) and issubclass(thing, BaseException):
            continue
        try:
            parameters = inspect.signature(thing).parameters.values()
        except ValueError:
            parameters = ()
        needed = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        try:
            thing(*[None] * len(needed), no_such_option=1)
        except RuntimeError:
            assert name == "skip_init", "which looks at the class first"
        except TypeError as error:
            names = {c.__name__ for c in thing.__mro__} if inspect.isclass(thing) else {thing.__name__.removesuffix("_")}
            told = "no_such_option" in str(error) or "no arguments" in str(error) or "no keyword arguments" in str(error)
            if not (told and any(n in str(error) for n in names)):
                unclear.append((name, str(error)))
        else:
            accepted.append(name)
    assert not [(name, message) for name, message in unclear if name not in TAKE_ANYTHING]
    assert set(accepted) <= set(TAKE_ANYTHING)


METHODS = [
    mg.Tensor,
    Module,
    nn.Sequential,
    nn.ModuleList,
    nn.ModuleDict,
    nn.optim.Optimizer,
    nn.optim.SGD,
    nn.data.DataLoader,
    mg.Generator,
]


@pytest.mark.filterwarnings("ignore:compile. there is no compiler here")
@pytest.mark.parametrize("kind", METHODS)
def test_an_unknown_keyword_of_a_method_is_refused(kind):
    """By a TypeError, from whatever the method is called on."""
    accepted, unclear = [], []
    for name in dir(kind):
        method = getattr(kind, name, None)  # PyTorch's names that a Tensor does not have only raise
        if name.startswith("_") or isinstance(inspect.getattr_static(kind, name), property) or not callable(method):
            continue
        needed = [p for p in inspect.signature(method).parameters.values() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
        first: list = [mg.ones(2, 2)] if kind is mg.Tensor else [None]
        try:
            method(*(first + [None] * len(needed))[: len(needed)], no_such_option=1)
        except TypeError as error:
            if "no_such_option" not in str(error) and "no keyword arguments" not in str(error):
                unclear.append(name)
        except NotImplementedError:
            unclear.append(name)
        else:
            accepted.append(name)
    assert set(accepted) <= {"compile"}, "whose options are those of a compiler, which there is none of"
    assert set(unclear) <= {"forward", "update"}, "which are there to be defined, with any keywords"


@pytest.mark.parametrize("layer", [nn.ReLU, nn.SiLU, nn.Softmax])
def test_the_input_is_not_for_the_constructor(layer):
    with pytest.raises(TypeError, match=rf"the input is given to the layer, not to its constructor: {layer.__name__}\(\)\(x\)"):
        layer(mg.zeros(3))


@pytest.mark.parametrize("layer", [nn.Softmax, nn.LogSoftmax, nn.Softmin])
def test_a_dimension_that_is_left_out_is_named(layer):
    """As in PyTorch, by the layer as by the function."""
    x = mg.tensor([[1.0, 2.0], [4.0, 3.0]])
    with pytest.warns(UserWarning, match="softm.*: dim is not given, and dim=1 is used"):
        assert mg.equal(layer()(x), layer(1)(x))
