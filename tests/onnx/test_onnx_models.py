"""Every model of the zoo and of the examples, and every layer with several settings, as an ONNX file that onnxruntime and ``load`` agree with.

``export`` verifies each: with the given numbers, with others, and with twice the size along axes that may vary.
"""

import inspect
import runpy
from pathlib import Path

import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.nn import models
from minigrad.onnx import OnnxError, export

pytest.importorskip("onnx")
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def seed():
    mg.manual_seed(0)


# --------------------------------------------------------------------------------------------------------------- the zoo

QUICK = {  # name -> how it is made, and the size of its input
    "LeNet5": (models.LeNet5, (1, 1, 28, 28)),
    "CifarResNet": (lambda: models.CifarResNet(1), (1, 3, 8, 8)),
    "UNet": (lambda: models.UNet(1, 2, 2, depth=2, padded=True, batch_norm=True), (1, 1, 8, 8)),
    "WaveNet": (lambda: models.WaveNet(layers=2, blocks=2, residual=4, gated=4, skip=8), (1, 20)),
}
LARGE = {  # name -> side of the image
    "alexnet": 64, "googlenet": 64, "efficientnet_lite0": 32, "efficientnet_lite1": 32, "efficientnet_lite2": 32, "efficientnet_lite3": 32, "efficientnet_lite4": 32,
    "vgg11": 32, "vgg13": 32, "vgg16": 32, "vgg19": 32, "vgg11_bn": 32, "vgg13_bn": 32, "vgg16_bn": 32, "vgg19_bn": 32,
    "resnet18": 32, "resnet34": 32, "resnet50": 32, "resnet101": 32, "resnet152": 32,
    "resnet20": 16, "resnet32": 16, "resnet44": 16, "resnet56": 16, "resnet110": 16,
}  # fmt: skip
CLASSES = {"VGG": "vgg11", "AlexNet": "alexnet", "EfficientNetLite": "efficientnet_lite0", "GoogLeNet": "googlenet", "ResNet": "resnet18"}
NO_MODELS = {"GoogLeNetOutputs", "mu_law_decode", "mu_law_encode"}


@pytest.mark.parametrize("name", QUICK)
def test_small_models_of_the_zoo(name):
    make, size = QUICK[name]
    export(make(), mg.randint(0, 256, size) if name == "WaveNet" else mg.randn(*size))


@pytest.mark.parametrize("name", LARGE)
def test_large_models_of_the_zoo(name, request):
    if not request.config.getoption("--onnx-all"):
        pytest.skip("--onnx-all exports the large ones")
    proto = export(getattr(models, name)(), mg.randn(1, 3, LARGE[name], LARGE[name]), dynamic_axes={"x": {0: "batch"}}, input_names=["x"])
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_no_model_of_the_zoo_is_left_out():
    assert set(QUICK) | set(LARGE) | set(CLASSES) | NO_MODELS == set(models.__all__)


# ---------------------------------------------------------------------------------------------------------- the examples

SCRIPTS = {
    "lenet5": {"LeNet5": (2, 1, 28, 28)},
    "tutorial": {"Net": (2, 1, 28, 28)},
    "mtcnn": {"PNet": (1, 3, 20, 16), "RNet": (2, 3, 24, 24), "ONet": (1, 3, 48, 48)},
    "pitch": {"Crepe": (2, 1024)},
    "efficientnet": {"EfficientNetLite0": (1, 3, 32, 32)},
}


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here: this is an installed package's test run")
@pytest.mark.parametrize("script", SCRIPTS)
def test_models_of_scripts(script, monkeypatch, request):
    """Those of the chapters are exported where the chapters run: tests/examples with --onnx-all."""
    if script == "efficientnet" and not request.config.getoption("--onnx-all"):
        pytest.skip("--onnx-all exports the large ones")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    names = runpy.run_path(str(EXAMPLES / f"{script}.py"))
    made = {k for k, v in names.items() if inspect.isclass(v) and issubclass(v, nn.Module) and v.__module__ == "<run_path>"}
    for name, size in SCRIPTS[script].items():
        export(names[name](), mg.randn(*size))
    assert set(SCRIPTS[script]) <= made


# ------------------------------------------------------------------------------------------------------------ the layers

X = (3, 2, 4)  # time, batch, numbers


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("RNN", {"nonlinearity": "relu"}),
        ("RNN", {"bias": False}),
        ("LSTM", {"num_layers": 2, "dropout": 0.5}),
        ("LSTM", {"bias": False, "bidirectional": True}),
        ("LSTM", {"proj_size": 2}),
        ("GRU", {"bias": False, "batch_first": True}),
    ],
)
def test_options_of_recurrent_layers(kind, options):
    layer = getattr(nn, kind)(4, 3, **options)
    export(layer, mg.randn(*X))
    state = mg.randn(layer.num_layers * (1 + layer.bidirectional), 3 if layer.batch_first else 2, options.get("proj_size", 3))
    if kind == "LSTM":
        export(layer, (mg.randn(*X), (state, mg.randn(*state.shape[:2], 3))))
    else:
        export(layer, (mg.randn(*X), state))


def test_masks_and_decoders_of_transformers():
    x, memory = mg.randn(*X), mg.randn(5, 2, 4)
    causal = nn.Transformer.generate_square_subsequent_mask(3)
    padded = mg.tensor([[False, False, True], [False, False, False]])
    attention = nn.MultiheadAttention(4, 2)
    export(attention, (x, x, x), kwargs={"attn_mask": causal, "need_weights": False})
    export(attention, (x, x, x), kwargs={"key_padding_mask": padded})
    layer = nn.TransformerDecoderLayer(4, 2, 8, norm_first=True, activation="gelu")
    export(nn.TransformerDecoder(layer, 2, norm=nn.LayerNorm(4)), (x, memory), kwargs={"tgt_mask": causal})
    export(nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 1), x, kwargs={"src_key_padding_mask": padded})
    for options in ({"is_causal": True}, {"attn_mask": causal}, {"scale": 0.3}):
        export(lambda q, k, v, options=options: F.scaled_dot_product_attention(q, k, v, **options), (mg.randn(2, 3, 4),) * 3)


def test_an_op_that_onnx_has_not_is_named_with_its_module():
    class Spectrum(nn.Module):
        def forward(self, x):
            return mg.fft.rfft(x).abs()

    for model, where in [
        (nn.Sequential(nn.Linear(4, 4), Spectrum()), "from_real in 1"),
        (nn.Sequential(nn.Sequential(Spectrum())), r"from_real in 0\.0"),
    ]:
        with pytest.raises(OnnxError, match=f"export: {where}: this op has no counterpart in ONNX"):
            export(model, mg.randn(2, 4))
