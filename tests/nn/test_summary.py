"""nn.summary: parameters and multiply-adds from the literature, the shapes of a real call, and almost no memory."""

from __future__ import annotations

import threading
import time
import tracemalloc
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.engine import registered_ops
from minigrad.nn import models
from minigrad.ops.outlines import is_outline, outline
from minigrad.ops.shape_inference import outlining

# ------------------------------------------------------------------------------------------------ the literature


@pytest.mark.parametrize(
    ("name", "size", "parameters", "giga"),
    [
        ("alexnet", 224, 61_100_840, 0.71),
        ("vgg11", 224, 132_863_336, 7.61),
        ("vgg13", 224, 133_047_848, 11.31),
        ("vgg16", 224, 138_357_544, 15.47),
        ("vgg19", 224, 143_667_240, 19.63),
        ("resnet18", 224, 11_689_512, 1.81),
        ("resnet34", 224, 21_797_672, 3.66),
        ("resnet50", 224, 25_557_032, 4.09),
        ("resnet101", 224, 44_549_160, 7.80),
        ("resnet152", 224, 60_192_808, 11.51),
        ("googlenet", 224, 13_004_888, 1.50),
        ("efficientnet_lite0", 224, 4_652_008, 0.39),
        ("resnet20", 32, 269_722, 0.0406),
        ("resnet32", 32, 464_154, 0.0689),
        ("resnet44", 32, 658_586, 0.0972),
        ("resnet56", 32, 853_018, 0.1255),
        ("resnet110", 32, 1_727_962, 0.2529),
    ],
)
def test_the_literature(name, size, parameters, giga):
    """Parameters exactly; billions of multiply-adds as torchvision's tables round them ("GFLOPS")."""
    found = nn.summary(getattr(models, name), (1, 3, size, size))
    assert found.parameters == found.trainable == parameters
    assert found.parameter_bytes == 4 * parameters
    assert round(found.multiply_adds / 1e9, 2 if giga > 0.3 else 4) == giga


def test_lenet_row_by_row():
    """LeNet-5, by hand."""
    found = nn.summary(models.LeNet5(), (2, 1, 28, 28))
    assert found.parameters == 61_706
    rows = {row.name: row for row in found.rows if row.class_name in ("Conv2d", "Linear")}
    assert [row.parameters for row in rows.values()] == [156, 2_416, 48_120, 10_164, 850]
    assert [row.multiply_adds for row in rows.values()] == [
        2 * n for n in (28 * 28 * 6 * 25, 10 * 10 * 16 * 150, 400 * 120, 120 * 84, 84 * 10)
    ]
    assert [row.output_shape for row in rows.values()] == [(2, 6, 28, 28), (2, 16, 10, 10), (2, 120, 1, 1), (2, 84), (2, 10)]
    assert [row.activation_bytes for row in rows.values()] == [4 * int(np.prod(row.output_shape)) for row in rows.values()]
    assert found.multiply_adds == sum(row.multiply_adds for row in rows.values())
    assert found.input_bytes == 4 * 2 * 28 * 28


# ------------------------------------------------------------------------------------------------ time and memory


@pytest.mark.parametrize(
    "build", [models.vgg16, models.resnet50, models.googlenet, partial(models.UNet, 3, padded=True), models.efficientnet_lite0]
)
def test_a_huge_batch_takes_no_memory(build):
    """VGG-16 at batch 4096: 440 GB of activations, and weights of 528 MB, which are not made either."""
    tracemalloc.start()
    start = time.perf_counter()
    try:
        found = nn.summary(build, (4096, 3, 224, 224))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.activation_bytes > 2e10
    assert peak < 64 * 2**20
    assert time.perf_counter() - start < 20


def test_a_huge_layer_takes_no_memory():
    """Weights that no machine holds, also those that are drawn by hand."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(10**9, 4096)
            self.layer = nn.Linear(4096, 10**8)
            self.scale = nn.Parameter(mg.randn(300, 1000))
            nn.init.xavier_uniform_(self.layer.weight)

        def forward(self, x):
            return self.layer(self.embedding(x))

    tracemalloc.start()
    try:
        found = nn.summary(Net, (32, 128), dtype=mg.int64)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.parameters == 10**9 * 4096 + (4096 + 1) * 10**8 + 300_000
    assert found.rows[0].output_shape == (32, 128, 10**8)
    assert found.multiply_adds == 32 * 128 * 4096 * 10**8
    assert peak < 64 * 2**20


# --------------------------------------------------------------------------------------- the shapes of a real call


class Attention(nn.Module):
    def forward(self, x):
        return F.scaled_dot_product_attention(x, x, x)


class Mixed(nn.Module):
    """Ops that no rule knows, on the batch and beside it."""

    def forward(self, x):
        y = mg.cat([x, x.flip(1)], 1).cumsum(1)
        y = y[:, 1:-1].roll(1, 1).softmax(-1)
        y = y.sum(2, keepdim=True) + y.max(1).values.unsqueeze(1)
        return {"all": (y, y.mean()), "top": y.topk(2, -1).indices, "last": [y[-1], y[:, mg.tensor([0, 0, 1])]]}


LAYERS = [
    (lambda: nn.Conv1d(8, 6, 3, stride=2, padding=1, groups=2), (8, 50)),
    (lambda: nn.Conv2d(8, 6, (3, 5), dilation=2, padding="same"), (8, 12, 13)),
    (lambda: nn.Conv2d(8, 6, 3, padding=1, padding_mode="reflect"), (8, 12, 13)),
    (lambda: nn.Conv3d(2, 3, 2), (2, 5, 6, 7)),
    (lambda: nn.ConvTranspose2d(8, 6, 3, stride=2, output_padding=1, groups=2), (8, 6, 7)),
    (lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True), (4, 13, 14)),
    (lambda: nn.MaxPool2d(2, return_indices=True), (4, 13, 14)),
    (lambda: nn.AvgPool2d(3, 2), (4, 13, 14)),
    (lambda: nn.AdaptiveAvgPool2d((3, 2)), (4, 13, 14)),
    (lambda: nn.AdaptiveMaxPool2d((3, None)), (4, 13, 14)),
    (lambda: nn.LPPool2d(2, 2), (4, 13, 14)),
    (lambda: nn.BatchNorm2d(4), (4, 13, 14)),
    (lambda: nn.BatchNorm2d(4, track_running_stats=False), (4, 13, 14)),
    (lambda: nn.GroupNorm(2, 4), (4, 13, 14)),
    (lambda: nn.InstanceNorm2d(4), (4, 13, 14)),
    (lambda: nn.LayerNorm((13, 14)), (4, 13, 14)),
    (lambda: nn.RMSNorm(14), (4, 13, 14)),
    (lambda: nn.LocalResponseNorm(3), (4, 13, 14)),
    (lambda: nn.Linear(14, 5), (4, 13, 14)),
    (lambda: nn.Bilinear(3, 3, 2), None),
    (lambda: nn.PReLU(4), (4, 13, 14)),
    (lambda: nn.GLU(1), (4, 13, 14)),
    (lambda: nn.Softmax(1), (4, 13, 14)),
    (lambda: nn.ReLU(inplace=True), (4, 13, 14)),
    (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), (4, 13, 14)),
    (lambda: nn.Upsample((9, 40)), (4, 13, 14)),
    (lambda: nn.PixelShuffle(2), (4, 13, 14)),
    (lambda: nn.Unfold(3, padding=1), (4, 13, 14)),
    (lambda: nn.ZeroPad2d((1, -2, 3, 4)), (4, 13, 14)),
    (lambda: nn.Dropout2d(), (4, 13, 14)),
    (lambda: nn.Sequential(nn.Flatten(), nn.Unflatten(1, (4, 182))), (4, 13, 14)),
    (lambda: nn.LSTMCell(14, 5), (14,)),
    (lambda: nn.GRUCell(14, 5), (14,)),
    (Attention, (4, 13, 14)),
    (Mixed, (5, 7)),
]


@pytest.mark.parametrize(("layer", "sample"), LAYERS)
def test_shapes_are_those_of_a_real_call(layer, sample):
    """Three samples really, 6007 in outline; the same but for the batch, and the same multiply-adds for each sample."""

    def sizes(n, *sample):
        inputs = [(n, *sample)] if sample[0] is not None else [(n, 3), (n, 3)]
        model = layer()
        real = model.eval()(*[mg.randn(*shape) for shape in inputs]) if n == 3 else None
        return real, nn.summary(model, inputs)

    real, small = sizes(3, *(sample or (None,)))
    _, large = sizes(6007, *(sample or (None,)))
    assert small.rows[0].output_shape == shapes(real)
    assert large.rows[0].output_shape == shapes(real, {3: 6007})
    assert large.multiply_adds * 3 == small.multiply_adds * 6007


def shapes(output, batch=None):
    if isinstance(output, mg.Tensor):
        return tuple((batch or {}).get(n, n) if i == 0 else n for i, n in enumerate(output.shape))
    if isinstance(output, dict):
        return {key: shapes(value, batch) for key, value in output.items()}
    return type(output)(shapes(value, batch) for value in output)


def test_multiply_adds_are_those_of_the_ops_that_run():
    """Functions count as layers do, in the module that calls them."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = Attention()

        def forward(self, x):
            x = self.attention(x) @ mg.ones(14, 3)
            return mg.einsum("nctk,nctj->nckj", x, x)

    found = nn.summary(Net(), (2, 4, 13, 14))
    assert found.rows[1].multiply_adds == 2 * (2 * 4 * 13 * 13 * 14)
    assert found.multiply_adds == found.rows[1].multiply_adds + 2 * 4 * 13 * 14 * 3 + 2 * 4 * 13 * 3 * 3


# --------------------------------------------------------------------------------------------- structure of models


def test_shared_and_repeated_modules():
    """A module has one row, under its first name, whose numbers are of all calls; parameters count once."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 4)
            self.b = self.a
            self.c = nn.Linear(4, 4, bias=False)
            self.c.weight = self.a.weight
            self.never = nn.Linear(4, 9).requires_grad_(False)

        def forward(self, x):
            for _ in range(3):
                x = self.a(x)
            return self.c(self.b(x))

    found = nn.summary(Net(), (5, 4))
    rows = {row.name: row for row in found.rows}
    assert list(rows) == ["", "a", "c", "never"]
    assert (rows["a"].calls, rows["a"].parameters, rows["a"].multiply_adds, rows["a"].activation_bytes) == (4, 20, 4 * 80, 4 * 80)
    assert (rows["c"].calls, rows["c"].parameters) == (1, 16)
    assert (rows["never"].calls, rows["never"].output_shape, rows["never"].trainable) == (0, None, 0)
    assert (found.parameters, found.trainable, found.multiply_adds, found.activation_bytes) == (20 + 45, 20, 5 * 80, 5 * 80)
    text = str(found)
    assert "(5, 4) x4" in text and "45 (frozen)" in text and "65 parameters, 20 of them trainable (260 B)" in text


class Pair(NamedTuple):
    left: mg.Tensor
    right: mg.Tensor


def test_several_inputs_and_outputs():
    class Net(nn.Module):
        def forward(self, x, y, *, scale=None):
            assert x.dtype == mg.float64 and y.dtype == mg.int64 and (scale is None or scale.dtype == mg.float32)
            return Pair(x, y), {"sum": x + y, "none": None}

    expected = (((2, 3), (2, 1)), {"sum": (2, 3), "none": None})
    assert nn.summary(Net(), [(2, 3), (2, 1)], dtype=[mg.float64, mg.int64]).rows[0].output_shape == expected
    x, y = np.zeros((2, 3)), mg.zeros(2, 1, dtype=mg.int64)
    assert nn.summary(Net(), input_data=[x, y]).rows[0].output_shape == expected
    named = nn.summary(Net(), {"x": (2, 3), "y": (2, 1), "scale": ()}, dtype={"x": mg.float64, "y": mg.int64})
    assert named.rows[0].output_shape == expected
    assert named.input_bytes == 6 * 8 + 2 * 8 + 4
    assert nn.summary(Net(), input_data={"x": x, "y": y}).rows[0].output_shape == expected


def test_inputs_have_the_dtype_of_the_parameters():
    assert nn.summary(nn.Linear(3, 2).double(), (4, 3)).activation_bytes == 4 * 2 * 8


def test_depth_hides_rows_of_the_table_only():
    found = nn.summary(models.resnet18, (1, 3, 64, 64), depth=1)
    lines = str(found).splitlines()
    assert [line.split()[0] for line in lines[3:14]] == [
        f"{name}:" for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc")
    ] + [lines[13].split()[0]]
    assert any(row.name == "layer4.1.bn2" and row.depth == 3 for row in found.rows)
    assert repr(found) == str(found)


# --------------------------------------------------------------------------------------------------------- errors


def test_errors_name_the_module():
    model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), nn.Conv2d(5, 6, 3))
    with pytest.raises(mg.ShapeError, match=r"conv2d: input has 4 channels but weight expects 5") as error:
        nn.summary(model, (4096, 3, 32, 32))
    assert error.value.__notes__[-2:] == ["in 1 (Conv2d)", "in nn.summary, with inputs of shape (4096, 3, 32, 32)"]
    assert all(not any(vars(m._hooks).values()) for m in model.modules())
    with pytest.raises(mg.ShapeError, match=r"add: shapes .* do not broadcast"):
        nn.summary(Adds(), (4096, 3, 32, 32))
    with pytest.raises(mg.ShapeError, match="linear: input has 32 features but weight expects 31"):
        nn.summary(nn.Linear(31, 2), (4096, 3, 32, 32))


class Adds(nn.Module):
    def forward(self, x):
        return x + x[:, :2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: nn.summary(m), "either input_size or input_data"),
        (lambda m: nn.summary(m, (1, 2), mg.ones(1, 2)), "either input_size or input_data"),
        (lambda m: nn.summary(3, (1, 2)), "summary: model must be an nn.Module, or a function that makes one, but is 3"),
        (lambda m: nn.summary(lambda: 3, (1, 2)), "the function made no nn.Module but int"),
        (lambda m: nn.summary(m, (1, -2)), "input_size is a shape"),
        (lambda m: nn.summary(m, 5), "input_size is a shape"),
        (lambda m: nn.summary(m, [(1, 2), "ab"]), "input_size is a shape"),
        (lambda m: nn.summary(m, (1, 2), dtype=[mg.float32, mg.float32]), "2 dtypes for 1 inputs"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call(nn.Linear(2, 2))


# ------------------------------------------------------------------------------------------- nothing else is changed


def test_the_model_and_the_process_are_left_as_they_were():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(4)
            self.drop = nn.Dropout()
            self.register_buffer("steps", mg.zeros(1))

        def forward(self, x):
            self.steps += 1
            self.norm.weight.mul_(2.0)
            return self.drop(self.norm(x)) + mg.randn(4)

    model = Net()
    model.drop.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    mg.manual_seed(3)
    expected = mg.randn(5)
    mg.manual_seed(3)
    nn.summary(model, (9000, 4))
    assert mg.randn(5).equal(expected)
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())
    assert (model.training, model.norm.training, model.drop.training) == (True, True, False)
    assert all(op.function.__globals__["_kernel"] is op.kernel for op in registered_ops().values())
    with mg.no_grad():
        assert model(mg.randn(8, 4)).any()


def test_other_threads_compute():
    """While one thread is inside, what another one computes is real."""
    inside, done, found = threading.Event(), threading.Event(), []

    def other():
        inside.wait()
        x = mg.ones(400, 400)
        found.append((x @ x).sum().item())
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with mg.no_grad(), outlining():
        inside.set()
        assert done.wait(60)
        assert is_outline((mg.ones(400, 400) @ mg.ones(400, 400))._data)
    thread.join()
    assert found == [400.0**3]


def test_blocks_may_be_nested():
    with outlining():
        with nn.shapes_only():
            layer = nn.Linear(1000, 1000)
        assert is_outline(layer.weight._data)
        assert is_outline(layer(mg.from_numpy(outline((500, 1000), np.float32)))._data)
    assert not is_outline(nn.Linear(3, 3).weight._data)
    assert nn.Linear(3, 3).weight.any()


def test_an_op_of_a_users_own():
    """No rule knows it; its shapes come from two samples and three."""

    @mg.op(x=lambda g, x_shape: g[:, None] * mg.ones(x_shape))
    def halves(x):
        return np.concatenate([x[:, ::2], x.mean(1, keepdims=True)], 1)

    class Net(nn.Module):
        def forward(self, x):
            return halves(x)

    assert nn.summary(Net(), (10**7, 9)).rows[0].output_shape == (10**7, 6)
