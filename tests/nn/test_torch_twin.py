"""Layers, losses, optimisers and schedulers compared with PyTorch: the same weights give the same outputs, gradients and trajectories."""

import importlib
import inspect
import math

import numpy as np
import pytest
from answers import noted, torch

import minigrad as mg
import minigrad.nn.functional as F
import minigrad.torch
from minigrad import nn
from minigrad.nn import optim

RTOL, ATOL = 1e-7, 1e-10


def close(ours, theirs, what=""):
    """Equal arrays, or nested tuples of such."""
    if isinstance(theirs, (tuple, list)):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            close(a, b, what)
        return
    if theirs is None:
        assert ours is None, what
        return
    a, b = ours.detach().numpy(), theirs.detach().numpy()
    assert a.shape == b.shape and a.dtype == b.dtype, f"{what}: {a.dtype}{a.shape} and {b.dtype}{b.shape}"
    np.testing.assert_allclose(a, b, rtol=RTOL, atol=ATOL, err_msg=what)


def pair(array):
    """One array as a Tensor of each library; floating ones require a gradient."""
    floating = array.dtype.kind == "f"
    return mg.tensor(array, requires_grad=floating), torch.tensor(array, requires_grad=floating)


def arrays(rng, inputs):
    """Normal samples of the given shapes; arrays are taken as they are."""
    return [rng.normal(size=i) if isinstance(i, tuple) else i for i in inputs]


# ------------------------------------------------------------------------------------------------------ layers

image, images, rows, volumes = (3, 6, 7), (2, 4, 9, 8), (2, 4, 11), (2, 4, 5, 6, 5)
positive = np.abs(np.random.default_rng(7).normal(size=(2, 4, 9, 8))) + 0.1

ACTIVATIONS = [
    "ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Hardswish", "Hardsigmoid", "Sigmoid", "LogSigmoid", "Tanh", "Tanhshrink", "Softsign",
    "LeakyReLU", "ELU", "CELU", "GELU", "Softplus", "Hardtanh", "Hardshrink", "Softshrink", "PReLU", "GLU", "Softmax2d",
]  # fmt: skip

LAYERS = [
    # name, arguments, shapes of the inputs (or the inputs)
    ("Identity", {}, [(3, 4)]),
    ("Linear", {"in_features": 5, "out_features": 3}, [(4, 5)]),
    ("Linear", {"in_features": 5, "out_features": 3, "bias": False}, [(2, 3, 5)]),
    ("Linear", {"in_features": 5, "out_features": 3}, [(5,)]),
    ("Bilinear", {"in1_features": 3, "in2_features": 4, "out_features": 2}, [(5, 3), (5, 4)]),
    ("Flatten", {}, [images]),
    ("Flatten", {"start_dim": 0, "end_dim": 2}, [images]),
    ("Unflatten", {"dim": 1, "unflattened_size": (2, 2)}, [images]),
    ("Conv2d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3}, [images]),
    ("Conv2d", {"in_channels": 4, "out_channels": 6, "kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 2), "bias": False}, [images]),
    ("Conv2d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "dilation": 2, "groups": 2, "padding": "same"}, [images]),
    ("Conv2d", {"in_channels": 4, "out_channels": 4, "kernel_size": 4, "groups": 4, "padding": "same"}, [images]),
    ("Conv2d", {"in_channels": 4, "out_channels": 2, "kernel_size": 3, "padding": "valid"}, [images]),
    ("Conv2d", {"in_channels": 4, "out_channels": 2, "kernel_size": 3, "padding": 2, "padding_mode": "reflect"}, [images]),
    ("Conv2d", {"in_channels": 4, "out_channels": 2, "kernel_size": 3, "padding": (2, 1), "padding_mode": "replicate"}, [images]),
    ("Conv2d", {"in_channels": 4, "out_channels": 2, "kernel_size": 4, "padding": "same", "padding_mode": "circular"}, [images]),
    ("Conv2d", {"in_channels": 3, "out_channels": 2, "kernel_size": 3}, [image]),
    ("Conv1d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2}, [rows]),
    ("Conv1d", {"in_channels": 4, "out_channels": 6, "kernel_size": 4, "padding": "same", "padding_mode": "reflect"}, [rows]),
    ("Conv3d", {"in_channels": 4, "out_channels": 2, "kernel_size": (2, 3, 3), "stride": 2, "padding": 1}, [volumes]),
    ("ConvTranspose1d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "stride": 2, "output_padding": 1}, [rows]),
    ("ConvTranspose2d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3}, [images]),
    (
        "ConvTranspose2d",
        {"in_channels": 4, "out_channels": 6, "kernel_size": (3, 4), "stride": (2, 3), "padding": 1, "output_padding": (1, 0), "groups": 2},
        [images],
    ),
    ("ConvTranspose2d", {"in_channels": 4, "out_channels": 2, "kernel_size": 3, "dilation": 2, "bias": False}, [images]),
    ("ConvTranspose3d", {"in_channels": 4, "out_channels": 2, "kernel_size": 2, "stride": 2}, [volumes]),
    ("MaxPool1d", {"kernel_size": 3, "stride": 2, "padding": 1}, [rows]),
    ("MaxPool2d", {"kernel_size": 2}, [images]),
    ("MaxPool2d", {"kernel_size": (3, 2), "stride": (2, 1), "padding": 1, "dilation": 2, "ceil_mode": True}, [images]),
    ("MaxPool2d", {"kernel_size": 3, "return_indices": True}, [images]),
    ("MaxPool2d", {"kernel_size": 2}, [image]),
    ("MaxPool3d", {"kernel_size": 2, "ceil_mode": True}, [volumes]),
    ("AvgPool1d", {"kernel_size": 3, "padding": 1, "count_include_pad": False}, [rows]),
    ("AvgPool2d", {"kernel_size": 2}, [images]),
    ("AvgPool2d", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}, [images]),
    ("AvgPool2d", {"kernel_size": (3, 2), "divisor_override": 5}, [images]),
    ("AvgPool3d", {"kernel_size": 2, "stride": 1}, [volumes]),
    ("AdaptiveAvgPool1d", {"output_size": 4}, [rows]),
    ("AdaptiveAvgPool2d", {"output_size": (5, 3)}, [images]),
    ("AdaptiveAvgPool2d", {"output_size": (None, 3)}, [images]),
    ("AdaptiveAvgPool2d", {"output_size": 1}, [images]),
    ("AdaptiveAvgPool3d", {"output_size": 2}, [volumes]),
    ("AdaptiveMaxPool1d", {"output_size": 4}, [rows]),
    ("AdaptiveMaxPool2d", {"output_size": (5, 3), "return_indices": True}, [images]),
    ("AdaptiveMaxPool3d", {"output_size": 2}, [volumes]),
    ("LPPool1d", {"norm_type": 2, "kernel_size": 3}, [np.abs(np.random.default_rng(8).normal(size=rows)) + 0.1]),
    ("LPPool2d", {"norm_type": 3, "kernel_size": 2, "stride": 1}, [positive]),
    (
        "LPPool3d",
        {"norm_type": 2, "kernel_size": (2, 3, 2), "ceil_mode": True},
        [np.abs(np.random.default_rng(9).normal(size=volumes)) + 0.1],
    ),
    ("BatchNorm1d", {"num_features": 4}, [(6, 4)]),
    ("BatchNorm1d", {"num_features": 4, "momentum": None, "eps": 0.01}, [rows]),
    ("BatchNorm2d", {"num_features": 4}, [images]),
    ("BatchNorm2d", {"num_features": 4, "affine": False, "momentum": 0.3}, [images]),
    ("BatchNorm2d", {"num_features": 4, "track_running_stats": False}, [images]),
    ("BatchNorm3d", {"num_features": 4}, [volumes]),
    ("InstanceNorm1d", {"num_features": 4, "affine": True}, [rows]),
    ("InstanceNorm2d", {"num_features": 4, "affine": True, "track_running_stats": True}, [images]),
    ("InstanceNorm2d", {"num_features": 3}, [image]),
    ("InstanceNorm3d", {"num_features": 4}, [volumes]),
    ("GroupNorm", {"num_groups": 2, "num_channels": 4}, [images]),
    ("GroupNorm", {"num_groups": 4, "num_channels": 4, "affine": False}, [(3, 4)]),
    ("LayerNorm", {"normalized_shape": 8}, [images]),
    ("LayerNorm", {"normalized_shape": (9, 8), "bias": False}, [images]),
    ("LayerNorm", {"normalized_shape": (4, 9, 8), "elementwise_affine": False, "eps": 0.1}, [images]),
    ("RMSNorm", {"normalized_shape": 8}, [images]),
    ("RMSNorm", {"normalized_shape": (9, 8), "eps": 0.1, "elementwise_affine": False}, [images]),
    ("LocalResponseNorm", {"size": 3, "alpha": 0.1}, [images]),
    ("LocalResponseNorm", {"size": 2, "k": 2.0, "beta": 0.5}, [rows]),
    *[(name, {}, [images]) for name in ACTIVATIONS],
    ("LeakyReLU", {"negative_slope": 0.3}, [images]),
    ("RReLU", {"lower": 0.2, "upper": 0.2}, [images]),
    ("PReLU", {"num_parameters": 4, "init": 0.1}, [images]),
    ("ELU", {"alpha": 0.5}, [images]),
    ("CELU", {"alpha": 0.5}, [images]),
    ("GELU", {"approximate": "tanh"}, [images]),
    ("Softplus", {"beta": 3.0, "threshold": 1.0}, [images]),
    ("Hardtanh", {"min_val": -0.3, "max_val": 0.8}, [images]),
    ("Hardshrink", {"lambd": 0.2}, [images]),
    ("Softshrink", {"lambd": 0.2}, [images]),
    ("Threshold", {"threshold": 0.1, "value": 20.0}, [images]),
    ("GLU", {"dim": 1}, [images]),
    ("Softmax", {"dim": 1}, [images]),
    ("LogSoftmax", {"dim": -1}, [images]),
    ("Softmin", {"dim": 0}, [images]),
    ("Dropout", {"p": 0.0}, [images]),
    ("Dropout", {"p": 1.0}, [images]),
    ("Dropout2d", {"p": 0.0}, [images]),
    ("Embedding", {"num_embeddings": 7, "embedding_dim": 3}, [np.array([[1, 2, 2], [6, 0, 1]])]),
    ("Embedding", {"num_embeddings": 7, "embedding_dim": 3, "padding_idx": -5}, [np.array([1, 2, 2, 3])]),
    ("ZeroPad1d", {"padding": (2, 1)}, [rows]),
    ("ZeroPad2d", {"padding": (1, 2, 0, 3)}, [images]),
    ("ZeroPad3d", {"padding": (1, 0, 2, -1, 0, 1)}, [volumes]),
    ("ZeroPad2d", {"padding": (-1, 2, 0, -3)}, [images]),
    ("ConstantPad1d", {"padding": 2, "value": 3.5}, [rows]),
    ("ConstantPad2d", {"padding": (1, 2, 0, 3), "value": 3.5}, [images]),
    ("ConstantPad3d", {"padding": 1, "value": -1.0}, [volumes]),
    ("ReflectionPad1d", {"padding": (2, 1)}, [rows]),
    ("ReflectionPad2d", {"padding": (1, 2, 0, 3)}, [images]),
    ("ReflectionPad3d", {"padding": 1}, [volumes]),
    ("ReplicationPad1d", {"padding": (2, 1)}, [rows]),
    ("ReplicationPad2d", {"padding": (1, 2, 0, 3)}, [image]),
    ("ReplicationPad3d", {"padding": 1}, [volumes]),
    ("CircularPad1d", {"padding": (2, 1)}, [rows]),
    ("CircularPad2d", {"padding": (1, 2, 0, 3)}, [images]),
    ("CircularPad3d", {"padding": 1}, [volumes]),
    ("PixelShuffle", {"upscale_factor": 2}, [images]),
    ("PixelUnshuffle", {"downscale_factor": 2}, [(2, 3, 6, 8)]),
    ("ChannelShuffle", {"groups": 2}, [images]),
    ("Upsample", {"scale_factor": 2}, [images]),
    ("Upsample", {"size": (5, 13)}, [images]),
    ("Upsample", {"scale_factor": (1.7, 0.6), "mode": "nearest-exact"}, [images]),
    ("Upsample", {"scale_factor": 2.5, "mode": "linear"}, [rows]),
    ("Upsample", {"scale_factor": 2, "mode": "bilinear"}, [images]),
    ("Upsample", {"size": (4, 13), "mode": "bilinear", "align_corners": True}, [images]),
    ("Upsample", {"scale_factor": (1.7, 0.6), "mode": "bilinear"}, [images]),
    ("Upsample", {"scale_factor": (1.7, 0.6), "mode": "bilinear", "recompute_scale_factor": True}, [images]),
    ("Upsample", {"scale_factor": 2, "mode": "bicubic"}, [images]),
    ("Upsample", {"size": (4, 13), "mode": "bicubic", "align_corners": True}, [images]),
    ("Upsample", {"size": (3, 8, 9), "mode": "trilinear"}, [volumes]),
    ("UpsamplingNearest2d", {"scale_factor": 3}, [images]),
    ("UpsamplingBilinear2d", {"size": 12}, [images]),
    ("Unfold", {"kernel_size": (2, 3), "dilation": 2, "padding": 1, "stride": (1, 2)}, [images]),
    ("Fold", {"output_size": (5, 6), "kernel_size": 2, "stride": 1}, [(2, 12, 20)]),
    ("CosineSimilarity", {"dim": 1}, [images, images]),
    ("PairwiseDistance", {"p": 1.5}, [(5, 4), (5, 4)]),
    ("MaxUnpool1d", {"kernel_size": 2}, [(1, 2, 3), np.array([[[0, 3, 5], [1, 2, 4]]])]),
    ("MaxUnpool2d", {"kernel_size": 2}, [(1, 1, 2, 2), np.array([[[[0, 3], [9, 14]]]])]),
    ("MaxUnpool3d", {"kernel_size": 2}, [(1, 1, 2, 1, 2), np.array([[[[[0, 7]], [[17, 22]]]]])]),
    ("SyncBatchNorm", {"num_features": 4}, [(6, 4, 2)]),  # of one process; tests/distributed has more
]
IDS = [f"{name}-{i}" for i, (name, _, _) in enumerate(LAYERS)]


@pytest.mark.filterwarnings("ignore::UserWarning:torch")
@pytest.mark.parametrize(("name", "options", "inputs"), LAYERS, ids=IDS)
def test_layer(name, options, inputs):
    rng = np.random.default_rng(0)
    ours, theirs = getattr(nn, name)(**options).double(), getattr(torch.nn, name)(**options).double()
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert list(ours.state_dict()) == list(theirs.state_dict())
    state = {k: rng.uniform(0.5, 1.5, v.shape) if v.dtype.is_floating_point else v.numpy() for k, v in theirs.state_dict().items()}
    ours.load_state_dict(state)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    for training in (True, True, False) if list(ours.buffers()) else (True, False):
        ours.train(training)
        theirs.train(training)
        ours.zero_grad()
        theirs.zero_grad()
        pairs = [pair(a) for a in arrays(rng, inputs)]
        y, z = ours(*[p[0] for p in pairs]), theirs(*[p[1] for p in pairs])
        close(y, z, "output")
        first, second = (y[0], z[0]) if isinstance(z, tuple) else (y, z)
        if first.requires_grad or second.requires_grad:
            g = rng.normal(size=first.shape)
            first.backward(mg.tensor(g))
            second.backward(torch.tensor(g))
            for i, (a, b) in enumerate(pairs):
                close(a.grad, b.grad, f"gradient of input {i}")
            for (n, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
                close(p.grad, q.grad, f"gradient of {n}")
    for key, value in theirs.state_dict().items():
        close(ours.state_dict()[key], value, key)


# Arguments and prints change from version to version of PyTorch; numbers hardly do.
as_in_2_13 = pytest.mark.skipif(not torch.__version__.startswith("2.13"), reason="arguments and prints are those of PyTorch 2.13")


def assert_same_signature(ours, theirs):
    """The same arguments in the same order with the same defaults, so that calls by position port too."""
    a, b = inspect.signature(ours).parameters, inspect.signature(theirs).parameters
    if any(p.kind is p.VAR_POSITIONAL for p in b.values()):
        return
    plain = [p for p in b.values() if not p.name.startswith("_")]
    assert [p.name for p in a.values() if not p.name.startswith("_")] == [p.name for p in plain]
    for p in plain:
        assert a[p.name].kind == p.kind, p.name
        assert a[p.name].default == p.default, p.name


@as_in_2_13
@pytest.mark.parametrize(("name", "options", "inputs"), LAYERS, ids=IDS)
def test_layer_prints_as_pytorchs(name, options, inputs):
    assert repr(getattr(nn, name)(**options)) == repr(getattr(torch.nn, name)(**options))


def test_transposed_convolutions_to_a_given_size():
    ours, theirs = nn.ConvTranspose2d(2, 3, 3, stride=3, padding=1), torch.nn.ConvTranspose2d(2, 3, 3, stride=3, padding=1)
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).normal(size=(1, 2, 4, 5)).astype(np.float32)
    for size in [(10, 13), (12, 15), (1, 3, 11, 14)]:
        y, z = ours(mg.tensor(x), output_size=size), theirs(torch.tensor(x), output_size=size)
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), atol=1e-5)
    with pytest.raises(ValueError, match=r"output_size \(13, 13\) is not between \(10, 13\) and \(12, 15\)"):
        ours(mg.tensor(x), output_size=(13, 13))


@pytest.mark.parametrize("name", ["RReLU", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"])
def test_random_layers(name):
    """The same mean and spread in training, the same values in evaluation."""
    mg.manual_seed(0)
    torch.manual_seed(0)
    shape = {"Dropout1d": (100, 50, 4), "Dropout3d": (50, 100, 2, 2, 2)}.get(name, (100, 50, 2, 2))
    x = np.random.default_rng(0).normal(size=shape)
    ours, theirs = getattr(nn, name)(), getattr(torch.nn, name)()
    y, z = ours(mg.tensor(x)).numpy(), theirs(torch.tensor(x))
    assert abs(y.mean() - z.mean().item()) < 0.05 and abs(y.std() / z.std(correction=0).item() - 1) < 0.03
    close(ours.eval()(mg.tensor(x[:2])), theirs.eval()(torch.tensor(x[:2])))
    assert repr(ours) == repr(theirs)


# ------------------------------------------------------------------------------------------------------ losses

_rng = np.random.default_rng(5)
SIGNS = np.array([1, -1, 1, -1, -1])
CLASSES = np.array([2, 0, 1, 2, -100])
PROBABILITIES = _rng.uniform(0.05, 0.95, (5, 3))
WEIGHT = np.array([0.5, 2.0, 1.0])
WEIGHT3 = mg.tensor(WEIGHT), torch.tensor(WEIGHT)


class Soft(np.ndarray):
    """Marks a target that is given without gradient."""


def fixed(array):
    return np.asarray(array).view(Soft)


SIMPLEX = _rng.dirichlet(np.ones(3), 5)
LOSSES = [
    ("L1Loss", {}, [(5, 3), (5, 3)]),
    ("MSELoss", {}, [(5, 3), (5, 3)]),
    ("HuberLoss", {"delta": 0.7}, [(5, 3), (5, 3)]),
    ("SmoothL1Loss", {"beta": 0.6}, [(5, 3), (5, 3)]),
    ("SmoothL1Loss", {"beta": 0.0}, [(5, 3), (5, 3)]),
    ("CrossEntropyLoss", {}, [(5, 3), CLASSES]),
    ("CrossEntropyLoss", {"weight": WEIGHT3, "label_smoothing": 0.1}, [(5, 3), CLASSES]),
    ("CrossEntropyLoss", {"ignore_index": 1}, [(5, 3), np.array([2, 0, 1, 2, 1])]),
    ("CrossEntropyLoss", {"weight": WEIGHT3}, [(2, 3, 4), np.array([[0, 1, 2, 1], [2, 2, 0, -100]])]),
    ("CrossEntropyLoss", {"weight": WEIGHT3, "label_smoothing": 0.2}, [(5, 3), SIMPLEX]),
    ("CrossEntropyLoss", {}, [(3,), np.array(1)]),
    ("NLLLoss", {}, [(5, 3), CLASSES]),
    ("NLLLoss", {"weight": WEIGHT3}, [(2, 3, 4), np.array([[0, 1, 2, 1], [2, 2, 0, -100]])]),
    ("BCELoss", {}, [PROBABILITIES, fixed(PROBABILITIES[::-1].copy())]),
    ("BCELoss", {"weight": WEIGHT3}, [PROBABILITIES, fixed(PROBABILITIES > 0.5).astype(float)]),
    ("BCEWithLogitsLoss", {}, [(5, 3), fixed(PROBABILITIES)]),
    ("BCEWithLogitsLoss", {"weight": WEIGHT3, "pos_weight": WEIGHT3}, [(5, 3), fixed(PROBABILITIES)]),
    ("KLDivLoss", {}, [(5, 3), SIMPLEX]),
    ("KLDivLoss", {"log_target": True}, [(5, 3), np.log(SIMPLEX)]),
    ("MarginRankingLoss", {"margin": 0.3}, [(5,), (5,), SIGNS]),
    ("HingeEmbeddingLoss", {"margin": 0.6}, [(5,), SIGNS]),
    ("SoftMarginLoss", {}, [(5,), SIGNS]),
    ("CosineEmbeddingLoss", {"margin": 0.1}, [(5, 3), (5, 3), SIGNS]),
    ("TripletMarginLoss", {}, [(5, 3), (5, 3), (5, 3)]),
    ("TripletMarginLoss", {"margin": 2.0, "p": 1.0, "swap": True}, [(5, 3), (5, 3), (5, 3)]),
    ("TripletMarginWithDistanceLoss", {"swap": True}, [(5, 3), (5, 3), (5, 3)]),
    ("MultiMarginLoss", {}, [(5, 3), np.array([2, 0, 1, 2, 1])]),
    ("MultiMarginLoss", {"p": 2, "margin": 0.4, "weight": WEIGHT3}, [(5, 3), np.array([2, 0, 1, 2, 1])]),
    ("MultiLabelMarginLoss", {}, [(2, 4), np.array([[2, 0, -1, 1], [3, -1, -1, 0]])]),
    ("MultiLabelMarginLoss", {}, [(4,), np.array([1, 3, -1, 0])]),
    ("MultiLabelSoftMarginLoss", {}, [(5, 3), fixed((PROBABILITIES > 0.5).astype(float))]),
    ("MultiLabelSoftMarginLoss", {"weight": WEIGHT3}, [(5, 3), fixed((PROBABILITIES > 0.5).astype(float))]),
    ("PoissonNLLLoss", {}, [(5, 3), (5, 3)]),
    ("PoissonNLLLoss", {"full": True}, [(5, 3), fixed(PROBABILITIES * 9)]),
    ("PoissonNLLLoss", {"log_input": False}, [PROBABILITIES, (5, 3)]),
    ("GaussianNLLLoss", {"full": True}, [(5, 3), (5, 3), PROBABILITIES]),
    ("GaussianNLLLoss", {"eps": 0.5}, [(5, 3), (5, 3), PROBABILITIES[:, 0]]),
    ("GaussianNLLLoss", {}, [(5, 3), (5, 3), PROBABILITIES[:, :1]]),
]


@pytest.mark.filterwarnings("ignore::UserWarning:torch")
@pytest.mark.parametrize(
    ("name", "options", "inputs", "reduction"),
    [
        pytest.param(*loss, reduction, id=f"{loss[0]}-{i}-{reduction}")
        for i, loss in enumerate(LOSSES)
        for reduction in ("mean", "sum", "none", *(["batchmean"] if loss[0] == "KLDivLoss" else []))
    ],
)
def test_loss(name, options, inputs, reduction):
    rng = np.random.default_rng(1)
    chosen = [{k: v[i] if isinstance(v, tuple) else v for k, v in options.items()} for i in (0, 1)]
    ours = getattr(nn, name)(**chosen[0], reduction=reduction).double()
    theirs = getattr(torch.nn, name)(**chosen[1], reduction=reduction).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    pairs = []
    for array in arrays(rng, inputs):
        if isinstance(array, Soft):
            pairs.append((mg.tensor(np.asarray(array)), torch.tensor(np.asarray(array))))
        else:
            pairs.append(pair(array))
    y, z = ours(*[p[0] for p in pairs]), theirs(*[p[1] for p in pairs])
    close(y, z, "loss")
    g = rng.normal(size=y.shape)
    y.backward(mg.tensor(g))
    z.backward(torch.tensor(g))
    for i, (a, b) in enumerate(pairs):
        close(a.grad, b.grad, f"gradient of input {i}")


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("options", [{}, {"blank": 2}, {"zero_infinity": True}])
def test_ctc_loss(options, reduction):
    """Its four arguments are of four kinds. One label does not fit its input: infinity, or with zero_infinity nothing."""
    rng = np.random.default_rng(6)
    ours, theirs = nn.CTCLoss(reduction=reduction, **options), torch.nn.CTCLoss(reduction=reduction, **options)
    labels = rng.integers(3, 6, (3, 4))
    lengths = (9, 7, 2) if "zero_infinity" in options else (9, 7, 8)
    x, u = pair(rng.normal(size=(9, 3, 6)))
    y = ours(F.log_softmax(x, 2), mg.tensor(labels), mg.tensor(lengths), mg.tensor((4, 2, 3)))
    z = theirs(u.log_softmax(2), torch.tensor(labels), torch.tensor(lengths), torch.tensor((4, 2, 3)))
    close(y, z, "loss")
    y.sum().backward()
    z.sum().backward()
    close(x.grad, u.grad, "gradient of the logits")


# -------------------------------------------------------------------------------------------------- functional


def attention(library, q, k, v, **options):
    function = F.scaled_dot_product_attention if library is mg else torch.nn.functional.scaled_dot_product_attention
    return function(q, k, v, **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"is_causal": True},
        {"scale": 0.3},
        {"attn_mask": np.arange(20).reshape(4, 5) % 3 > 0},
        {"attn_mask": np.linspace(-1, 1, 20).reshape(4, 5)},
    ],
)
def test_attention(options):
    rng = np.random.default_rng(0)
    pairs = [pair(rng.normal(size=shape)) for shape in [(2, 3, 4, 6), (2, 3, 5, 6), (2, 3, 5, 7)]]
    for_each = [{k: library.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()} for library in (mg, torch)]
    y = attention(mg, *[p[0] for p in pairs], **for_each[0])
    z = attention(torch, *[p[1] for p in pairs], **for_each[1])
    close(y, z)
    y.sum().backward()
    z.sum().backward()
    for a, b in pairs:
        close(a.grad, b.grad)


# -------------------------------------------------------------------------------------------------- optimisers

OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.8, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "maximize": True}),
    *[
        (name, options)
        for name in ("Adam", "AdamW")
        for options in (
            {},
            {"lr": 0.1, "weight_decay": 0.1, "amsgrad": True},
            {"maximize": True, "eps": 0.1, "betas": (0.5, 0.7), "weight_decay": 0.2},
        )
    ],
    ("NAdam", {}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "momentum_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.1, "betas": (0.9, 0.9), "decoupled_weight_decay": True}),
    ("Adamax", {"weight_decay": 0.1}),
    ("RMSprop", {}),
    ("RMSprop", {"centered": True, "momentum": 0.9, "weight_decay": 0.1, "alpha": 0.8}),
    ("Adagrad", {}),
    ("Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.5, "weight_decay": 0.1, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"weight_decay": 0.1, "rho": 0.5, "lr": 3.0}),
    ("ASGD", {"weight_decay": 0.1, "t0": 5.0, "lambd": 0.01}),
    ("Rprop", {"etas": (0.4, 1.3), "step_sizes": (1e-4, 0.02)}),
]


@pytest.fixture
def float64():
    """Some of PyTorch's optimisers keep their numbers in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


SMALL = ((3, 4), (5,), (), (2, 3, 3))


def twins(name, options, shapes=(*SMALL, (150, 130))):
    rng = np.random.default_rng(0)
    pairs = [pair(rng.normal(size=shape)) for shape in shapes]
    made = []
    for i, library in enumerate((optim, torch.optim)):
        params = [p[i] for p in pairs]
        made.append(getattr(library, name)([{"params": params[:2]}, {"params": params[2:], "lr": 0.05}], **options))
    return pairs, made[0], made[1]


def some(x):
    """Of a large tensor every 997th number: PyTorch's answers are stored."""
    return x.detach().reshape(-1)[:: 997 if math.prod(x.shape) > 5000 else 1]


def step_both(pairs, ours, theirs, seed, skip=None):
    rng = np.random.default_rng(seed)
    for i, (p, q) in enumerate(pairs):
        g = rng.normal(size=p.shape)
        p.grad, q.grad = (None, None) if i == skip else (mg.tensor(g), torch.tensor(g))
    ours.step()
    theirs.step()


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_optimizer(name, options, float64):
    """Twelve steps, in which one parameter has no gradient now and then, to the rounding of float64."""
    pairs, ours, theirs = twins(name, options)
    for step in range(12):
        step_both(pairs, ours, theirs, step, skip=1 if step % 3 == 0 else None)
        for p, q in pairs:
            np.testing.assert_allclose(some(p).numpy(), some(q).numpy(), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_optimizer_goes_on_from_pytorchs_state(name, options, float64):
    pairs, ours, theirs = twins(name, options, SMALL)
    for step in range(3):
        step_both(pairs, ours, theirs, step)
    fresh = getattr(optim, name)([{"params": g["params"]} for g in ours.param_groups], **options)
    fresh.load_state_dict(theirs.state_dict())
    for step in range(3, 6):
        step_both(pairs, fresh, theirs, step)
    for p, q in pairs:
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-13, atol=1e-13)


@as_in_2_13
@pytest.mark.parametrize("name", sorted({name for name, _ in OPTIMIZERS} | {"LBFGS"}))
def test_optimizer_has_pytorchs_arguments(name):
    a, b = (inspect.signature(getattr(library, name)).parameters for library in (optim, torch.optim))
    assert [(p.name, p.kind) for p in a.values()] == [(p.name, p.kind) for p in b.values()]
    for p in a.keys() - {"params"}:
        assert a[p].default == b[p].default, p


LBFGS = [
    {"lr": 0.3},
    {"lr": 1.0, "line_search_fn": "strong_wolfe"},
    {"lr": 0.5, "line_search_fn": "strong_wolfe", "history_size": 3, "max_iter": 6},
    {"lr": 0.01, "max_iter": 3, "history_size": 2, "tolerance_change": 1e-3},
]


@pytest.mark.parametrize("options", LBFGS)
def test_lbfgs(options):
    """A logistic regression, which is convex: rounding is not blown up."""
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(40, 6)), (rng.random((40, 2)) < 0.5).astype(float)
    w, v = pair(rng.normal(size=(2, 6)))
    b, c = pair(rng.normal(size=2))
    ours, theirs = optim.LBFGS([w, b], **options), torch.optim.LBFGS([v, c], **options)

    def closure(optimizer, library, functional, weight, bias):
        def compute():
            optimizer.zero_grad()
            logits = functional.linear(library.tensor(x), weight, bias)
            loss = functional.binary_cross_entropy_with_logits(logits, library.tensor(t)) + 0.01 * (weight * weight).sum()
            loss.backward()
            return loss

        return compute

    for _ in range(10):
        y = ours.step(closure(ours, mg, F, w, b))
        z = theirs.step(closure(theirs, torch, torch.nn.functional, v, c))
        np.testing.assert_allclose(y.item(), z.item(), rtol=1e-9)
        np.testing.assert_allclose(w.detach().numpy(), v.detach().numpy(), rtol=1e-6, atol=1e-9)
    assert ours.state[w]["func_evals"] == theirs.state[v]["func_evals"]


def lbfgs(torch, options, steps, state=None):
    """The losses of some steps from the same weights, and the optimiser."""
    x = torch.tensor([[1.0, -0.5], [0.25, 2.0], [-1.0, 0.75]], dtype=torch.float64)
    w = torch.tensor([0.5, -1.5], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([w], **options)
    if state is not None:
        optimizer.load_state_dict(state)

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.softplus(x @ w).sum() + (w**4).sum()
        loss.backward()
        return loss

    return [optimizer.step(closure).item() for _ in range(steps)], optimizer


@pytest.mark.parametrize("options", [*LBFGS, {"max_iter": 1}])
def test_lbfgs_state(options):
    """The names, and what is a number, a tensor (of which shape and dtype) or a list; but t, PyTorch's tensor after some searches only."""

    def body(torch):
        def shown(x):
            if isinstance(x, list):
                return [shown(v) for v in x]
            return [list(x.shape), str(x.dtype)] if isinstance(x, torch.Tensor) else type(x).__name__

        _, optimizer = lbfgs(torch, options, 1)
        state = optimizer.state_dict()["state"][0]
        return {name: shown(x) for name, x in sorted(state.items()) if name != "t"}

    assert noted(body) == body(minigrad.torch)


@pytest.mark.live
@pytest.mark.parametrize("options", LBFGS)
def test_lbfgs_state_goes_both_ways(options, tmp_path):
    """Through files: each library goes on from where the other stopped."""
    import torch as pytorch

    libraries, seen = (pytorch, minigrad.torch), []
    for library, other in (libraries, libraries[::-1]):
        _, optimizer = lbfgs(library, options, 2)
        library.save(optimizer.state_dict(), tmp_path / "state.pt")
        losses, again = lbfgs(other, options, 2, other.load(tmp_path / "state.pt"))
        seen.append(losses)
        assert again.state_dict()["state"][0].keys() == optimizer.state_dict()["state"][0].keys()
    np.testing.assert_allclose(seen[0], seen[1], rtol=1e-9)


# -------------------------------------------------------------------------------------------------- schedulers

SCHEDULERS = {
    "StepLR": lambda s, o: s.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [3, 3, 7], 0.5),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.9),
    "ConstantLR": lambda s, o: s.ConstantLR(o, 0.3, 4),
    "LinearLR": lambda s, o: s.LinearLR(o, 0.1, 0.7, 6),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, 7, 2.0),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 5, 0.01),
    "CosineAnnealingLR, once": lambda s, o: s.CosineAnnealingLR(o, 30),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2, 0.01),
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda e: 1 / (1 + e)),
    "LambdaLR, two": lambda s, o: s.LambdaLR(o, [lambda e: 0.9**e, lambda e: 0.8**e]),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.9 if e % 2 else 1.05),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.01, [0.1, 0.2], 4, 3),
    "CyclicLR, triangular2": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 4, mode="triangular2"),
    "CyclicLR, exp_range": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 4, mode="exp_range", gamma=0.95),
    "CyclicLR, custom": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 4, scale_fn=lambda x: 1 / x, scale_mode="cycle", cycle_momentum=False),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, [0.1, 0.3], 30),
    "OneCycleLR, three phases": lambda s, o: s.OneCycleLR(
        o, 0.1, epochs=5, steps_per_epoch=6, three_phase=True, anneal_strategy="linear", pct_start=0.2
    ),
    "SequentialLR": lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.1, 1.0, 5), s.CosineAnnealingLR(o, 10)], [5]),
    "SequentialLR, three": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, 3), s.ExponentialLR(o, 0.9), s.CosineAnnealingWarmRestarts(o, 4)], [4, 10]
    ),
    "SequentialLR, OneCycleLR": lambda s, o: s.SequentialLR(o, [s.LambdaLR(o, lambda e: 0.1 * (e + 1)), s.OneCycleLR(o, 0.1, 30)], [4]),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler([s.ConstantLR(o, 0.1, 3), s.ExponentialLR(o, 0.9)]),
}


@pytest.mark.filterwarnings("ignore::UserWarning:torch")
@pytest.mark.parametrize("optimizer", [("SGD", {"lr": 0.1, "momentum": 0.9}), ("Adam", {"lr": 0.1})], ids=["SGD", "Adam"])
@pytest.mark.parametrize("make", SCHEDULERS.values(), ids=SCHEDULERS)
def test_scheduler(make, optimizer):
    _, ours, theirs = twins(*optimizer)
    s, t = make(optim.lr_scheduler, ours), make(torch.optim.lr_scheduler, theirs)
    for _ in range(28):
        for a, b in zip(ours.param_groups, theirs.param_groups, strict=True):
            for key in {"lr", "momentum", "betas"} & b.keys():
                np.testing.assert_allclose(a[key], b[key], rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(s.get_last_lr(), t.get_last_lr(), rtol=1e-12, atol=1e-15)
        ours.step()
        theirs.step()
        s.step()
        t.step()


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch warns of epochs that are given, and so do we
@pytest.mark.parametrize("name", [name for name in SCHEDULERS if "Seq" not in name and "Chain" not in name])
def test_scheduler_at_an_epoch(name):
    """``step(epoch)`` jumps, also back and to fractions; what follows goes on from there."""
    _, ours, theirs = twins("SGD", {"lr": 0.1, "momentum": 0.9})
    s, t = SCHEDULERS[name](optim.lr_scheduler, ours), SCHEDULERS[name](torch.optim.lr_scheduler, theirs)
    ours.step()
    theirs.step()
    for epoch in (2, None, 9, 4, 4.5, None, 0, None):
        s.step(epoch)
        t.step(epoch)
        assert s.last_epoch == t.last_epoch
        np.testing.assert_allclose(s.get_last_lr(), t.get_last_lr(), rtol=1e-12, atol=1e-15)


class Decay:
    """A callable object: its attributes are in a scheduler's state."""

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, epoch):
        return self.rate**epoch


def schedule(torch, make, state=None):
    """A scheduler of two groups after three steps, or one that goes on from a state; and its optimiser."""
    groups = [{"params": [torch.zeros(1, requires_grad=True)]} for _ in range(2)]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    if state is not None:
        scheduler.load_state_dict(state)
    for metric in () if state is not None else (1.0, 2.0, 3.0):
        optimizer.step()
        scheduler.step(*([metric] if "Plateau" in type(scheduler).__name__ else []))
    return scheduler, optimizer


STATES = SCHEDULERS | {
    "LambdaLR, of an object": lambda s, o: s.LambdaLR(o, [Decay(0.5), lambda e: 0.8**e]),
    "CyclicLR, of an object": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 4, scale_fn=Decay(0.5), cycle_momentum=False),
    "SWALR": lambda s, o: importlib.import_module(s.__name__.replace("lr_scheduler", "swa_utils")).SWALR(o, 0.05, 4, "linear"),
    "ReduceLROnPlateau": lambda s, o: s.ReduceLROnPlateau(o, patience=1),
    "ReduceLROnPlateau, max": lambda s, o: s.ReduceLROnPlateau(o, "max", 0.5, min_lr=[0.01, 0.02]),
}


@pytest.mark.parametrize("make", STATES.values(), ids=STATES)
def test_states_of_schedulers(make):
    """The names, and the values."""

    def plain(x):
        if isinstance(x, dict):
            return {str(k): plain(v) for k, v in x.items()}
        if isinstance(x, (list, tuple)):
            return [plain(v) for v in x]
        return f"{x:.10g}" if isinstance(x, (int, float)) and not isinstance(x, bool) else x

    def body(torch):
        return plain(schedule(torch, make)[0].state_dict())

    assert body(minigrad.torch) == noted(body)


def test_momentum_of_a_cycle_is_in_the_groups():
    def body(torch):
        found = []
        for make in (lambda s, o: s.CyclicLR(o, 0.01, 0.1, 4), lambda s, o: s.OneCycleLR(o, 0.1, 9)):
            optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=0.1)
            state = make(torch.optim.lr_scheduler, optimizer).state_dict()
            group = optimizer.state_dict()["param_groups"][0]
            found.append([sorted(state), state["use_beta1"], {name: group[name] for name in ("betas", "base_momentum", "max_momentum")}])
        return found

    assert body(minigrad.torch) == noted(body)


def test_get_lr_of_a_user_s_schedule_knows_whether_step_calls_it():
    """Scripts warn where it is False."""
    seen = []

    class Halving(optim.lr_scheduler.LRScheduler):
        def get_lr(self):
            seen.append(self._get_lr_called_within_step)
            return [group["lr"] / 2 for group in self.optimizer.param_groups]

    optimizer = optim.SGD([mg.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = Halving(optimizer)
    optimizer.step()
    scheduler.step()
    assert scheduler.get_lr() == [0.125] and seen == [True, True, False]


@pytest.mark.live
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", STATES)
def test_states_of_schedulers_go_both_ways(name):
    import torch as pytorch

    libraries, seen = (pytorch, minigrad.torch), []
    for library, other in (libraries, libraries[::-1]):
        scheduler, optimizer = schedule(library, STATES[name])
        resumed, again = schedule(other, STATES[name], scheduler.state_dict())
        again.load_state_dict(optimizer.state_dict())
        rates = []
        for _ in range(6):
            again.step()
            resumed.step(*([5.0] if "Plateau" in name else []))
            rates.append(resumed.get_last_lr())
        seen.append(rates)
    np.testing.assert_allclose(seen[0], seen[1], rtol=1e-12)


def test_a_function_that_is_an_object_is_restored():
    first, _ = schedule(minigrad.torch, lambda s, o: s.LambdaLR(o, Decay(0.5)))
    second, _ = schedule(minigrad.torch, lambda s, o: s.LambdaLR(o, Decay(0.9)), first.state_dict())
    assert second.lr_lambdas[0].rate == 0.5


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_reduce_on_plateau(mode, threshold_mode):
    _, ours, theirs = twins("SGD", {"lr": 0.1})
    options = (mode, 0.5, 2, 0.1, threshold_mode, 2, [0.001, 0.02])
    s, t = optim.lr_scheduler.ReduceLROnPlateau(ours, *options), torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, *options)
    for metric in np.random.default_rng(1).random(60):
        s.step(metric)
        t.step(metric)
        assert s.get_last_lr() == t.get_last_lr()


@as_in_2_13
@pytest.mark.parametrize("name", optim.lr_scheduler.__all__)
def test_scheduler_has_pytorchs_arguments(name):
    assert_same_signature(getattr(optim.lr_scheduler, name), getattr(torch.optim.lr_scheduler, name))


# ------------------------------------------------------------------------------------- initialisers, utilities


@as_in_2_13
@pytest.mark.parametrize("name", [name for name in nn.init.__all__ if f"{name}_" not in nn.init.__all__])  # not the old names
def test_initialiser_has_pytorchs_arguments(name):
    if name == "calculate_gain":
        for nonlinearity in ("linear", "conv_transpose2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
            assert math.isclose(nn.init.calculate_gain(nonlinearity), torch.nn.init.calculate_gain(nonlinearity))
        assert math.isclose(nn.init.calculate_gain("leaky_relu", 0.3), torch.nn.init.calculate_gain("leaky_relu", 0.3))
    assert_same_signature(getattr(nn.init, name), getattr(torch.nn.init, name))


@pytest.mark.parametrize(
    "fill",
    [
        lambda init, w: init.xavier_uniform_(w, 1.5),
        lambda init, w: init.xavier_normal_(w),
        lambda init, w: init.kaiming_uniform_(w, 0.3, "fan_out"),
        lambda init, w: init.kaiming_normal_(w, nonlinearity="tanh"),
        lambda init, w: init.trunc_normal_(w, 0.5, 2.0, -1.0, 4.0),
        lambda init, w: init.orthogonal_(w, 2.0),
        lambda init, w: init.uniform_(w, -1.0, 3.0),
        lambda init, w: init.normal_(w, -1.0, 3.0),
    ],
)
def test_initialisers_draw_from_pytorchs_distributions(fill):
    """Moments and the range of 60,000 samples."""
    mg.manual_seed(0)
    torch.manual_seed(0)
    shape = (100, 60, 2, 5)
    a = fill(nn.init, mg.empty(shape, dtype=mg.float64)).numpy().ravel()
    b = fill(torch.nn.init, torch.empty(shape, dtype=torch.float64))
    spread = b.std(correction=0).item()
    assert abs(a.mean() - b.mean().item()) < 0.03 * spread
    assert abs(a.std() / spread - 1) < 0.02
    assert abs((a**4).mean() / (b**4).mean().item() - 1) < 0.1
    parts = [0.1, 0.25, 0.75, 0.9]
    np.testing.assert_allclose(np.quantile(a, parts), b.quantile(torch.tensor(parts, dtype=torch.float64)).numpy(), atol=0.05 * spread)


def test_dirac_and_eye():
    for shape, groups in [((4, 2, 3, 3), 2), ((3, 5, 4), 1), ((6, 2, 1, 2, 3), 3)]:
        a, b = nn.init.dirac_(mg.empty(shape), groups), torch.nn.init.dirac_(torch.empty(shape), groups)
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, math.inf])
def test_clipping(norm_type):
    pairs, _, _ = twins("SGD", {"lr": 0.1}, SMALL)
    rng = np.random.default_rng(0)
    for p, q in pairs:
        g = rng.normal(size=p.shape)
        p.grad, q.grad = mg.tensor(g), torch.tensor(g)
    for limit in (0.3, 1e5):
        a = nn.utils.clip_grad_norm_([p for p, _ in pairs], limit, norm_type)
        b = torch.nn.utils.clip_grad_norm_([q for _, q in pairs], limit, norm_type)
        np.testing.assert_allclose(a.item(), b.item(), rtol=1e-12)
        for p, q in pairs:
            close(p.grad, q.grad)
    nn.utils.clip_grad_value_([p for p, _ in pairs], 0.001)
    torch.nn.utils.clip_grad_value_([q for _, q in pairs], 0.001)
    for p, q in pairs:
        close(p.grad, q.grad)


# ---------------------------------------------------------------------------------------------- whole training


def network(n):
    """The same text builds the model of either library."""
    return n.Sequential(
        n.Conv2d(1, 4, 3, padding=1),
        n.BatchNorm2d(4),
        n.ReLU(),
        n.MaxPool2d(2),
        n.Conv2d(4, 6, 3, groups=2),
        n.GELU(),
        n.AvgPool2d(2),
        n.Flatten(),
        n.Linear(24, 10),
        n.Tanh(),
        n.Linear(10, 5),
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}), ("Adam", {"lr": 0.01}), ("AdamW", {"lr": 0.01})],
)
def test_ten_steps_of_training(name, options):
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(10, 8, 1, 12, 12)), rng.integers(0, 5, (10, 8))
    torch.manual_seed(0)
    theirs = network(torch.nn).double()
    ours = network(nn).double()
    ours.load_state_dict(theirs.state_dict())
    found = []
    for library, n, o, model in ((mg, nn, optim, ours), (torch, torch.nn, torch.optim, theirs)):
        optimizer = getattr(o, name)(model.parameters(), **options)
        scheduler = o.lr_scheduler.CosineAnnealingLR(optimizer, 10)
        criterion = n.CrossEntropyLoss(label_smoothing=0.1)
        losses = []
        for step in range(10):
            optimizer.zero_grad()
            loss = criterion(model(library.tensor(x[step])), library.tensor(t[step]))
            loss.backward()
            n.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
        found.append(losses)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-10)
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key].numpy(), value.numpy(), rtol=1e-7, atol=1e-9, err_msg=key)
    model = ours.eval()
    theirs.eval()
    close(model(mg.tensor(x[0])), theirs(torch.tensor(x[0])))


def test_state_dicts_go_both_ways():
    theirs = network(torch.nn)
    ours = network(nn)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in network(nn).state_dict().items()})


# ------------------------------------------------------------------------------------------------------- cells


@pytest.mark.parametrize("batch", [(3,), ()])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("name", "options"), [("RNNCell", {}), ("RNNCell", {"nonlinearity": "relu"}), ("LSTMCell", {}), ("GRUCell", {})])
def test_cell(name, options, bias, batch):
    """Three steps in time from zeros: the states, and the gradients of weights and inputs."""
    rng = np.random.default_rng(3)
    ours = getattr(nn, name)(4, 5, bias=bias, dtype=mg.float64, **options)
    theirs = getattr(torch.nn, name)(4, 5, bias=bias, dtype=torch.float64, **options)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    pairs = [pair(rng.normal(size=(*batch, 4))) for _ in range(3)]
    a = b = None
    for x, y in pairs:
        a, b = ours(x, a), theirs(y, b)
        close(a, b, name)
    for state in (a, b):
        hidden, cell = state if name == "LSTMCell" else (state, state)
        (hidden**3 + cell**2).sum().backward()
    for x, y in pairs:
        close(x.grad, y.grad, name)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        close(p.grad, q.grad, name)


@as_in_2_13
@pytest.mark.parametrize(
    ("name", "options"), [("RNNCell", {"nonlinearity": "relu", "bias": False}), ("RNNCell", {}), ("GRUCell", {"bias": False})]
)
def test_cell_prints_as_pytorchs(name, options):
    assert repr(getattr(nn, name)(4, 5, **options)) == repr(getattr(torch.nn, name)(4, 5, **options))


@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cell_shapes(name):
    cell = getattr(nn, name)(4, 5)
    with pytest.raises(mg.ShapeError, match=rf"{name}: input must be \(N, 4\) or \(4,\), but is \(3, 6\)"):
        cell(mg.ones(3, 6))
    state = mg.ones(2, 5)
    with pytest.raises(mg.ShapeError, match=rf"{name}: .* must be \(3, 5\) beside input \(3, 4\), but is \(2, 5\)"):
        cell(mg.ones(3, 4), (state, state) if name == "LSTMCell" else state)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "ASGD", "Rprop"])
def test_optimizers_print_as_pytorchs(name):
    """With all options in its order, those without effect here too: scripts print ``param_groups`` and states."""

    def body(torch):
        layers = [torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)]
        groups = [{"params": list(layers[0].parameters()), "lr": 0.5}, {"params": list(layers[1].parameters())}]
        optimizer = getattr(torch.optim, name)(groups, lr=0.25)
        saved = optimizer.state_dict()["param_groups"]
        return [repr(optimizer), [[name for name in group if name not in ("params", "lr")] for group in saved], repr(saved[1])]

    assert body(minigrad.torch) == noted(body)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "ASGD", "Rprop"])
def test_a_step_records_no_graph(name):
    w = nn.Parameter(mg.ones(2))
    with pytest.raises(ValueError, match=f"{name}: differentiable=True"):
        getattr(optim, name)([w], lr=0.1, differentiable=True)


def state_surgery(torch, name):
    """What scripts do with the state: read it, write it, replace parts, give it to a new parameter with fewer and more rows."""
    w = torch.nn.Parameter(torch.arange(1.0, 7.0, dtype=torch.float64).reshape(3, 2))
    b = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    optimizer = getattr(torch.optim, name)(
        [{"params": [w], "name": "points"}, {"params": [b]}], lr=0.01, **({"momentum": 0.9} if name == "SGD" else {})
    )
    tensors = lambda: [v for kept in optimizer.state.values() for _, v in sorted(kept.items()) if torch.is_tensor(v) and v.ndim]
    seen = []

    def step(w):
        optimizer.zero_grad()
        ((w * w).sum() * b.sum()).backward()
        optimizer.step()
        seen.append([w.tolist(), b.tolist(), [v.norm().item() for v in tensors()]])

    step(w)
    step(w)
    for v in tensors():
        v.mul_(0.5)
    step(w)
    for kept in optimizer.state.values():
        for key, value in kept.items():
            if isinstance(value, torch.Tensor) and value.ndim:
                kept[key] = value.to("cpu").clone() * 2
    step(w)
    for group in optimizer.param_groups:
        if group.get("name") == "points":
            stored = optimizer.state.get(group["params"][0], None)
            mask = torch.tensor([True, False, True])
            more = torch.full((2, 2), 0.5, dtype=torch.float64)
            for key, value in stored.items():
                if torch.is_tensor(value) and value.ndim:
                    stored[key] = torch.cat((value[mask], torch.zeros_like(more)), dim=0)
            del optimizer.state[group["params"][0]]
            group["params"][0] = w = torch.nn.Parameter(torch.cat((w[mask], more), dim=0).detach().requires_grad_(True))
            optimizer.state[w] = stored
    step(w)
    step(w)
    return seen


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad"])
def test_the_state_is_tensors_to_read_and_write(name):
    for ours, theirs in zip(state_surgery(minigrad.torch, name), noted(lambda torch: state_surgery(torch, name)), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10)
