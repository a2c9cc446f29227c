"""What scripts written for PyTorch say besides mathematics: devices, switches, typed tensors, modes, comparisons, printing."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from answers import noted

import minigrad as mg
import minigrad.torch
import minigrad.torchvision
from minigrad import accepted, nn
from minigrad.testing.close import assert_close


def both(body):
    """``body`` under both libraries returns equal plain data."""
    assert noted(body) == body(minigrad.torch)


def test_the_device_line():
    def body(torch):
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        x = torch.ones(2, device=device).to(device, torch.float64).cpu()
        again = torch.zeros(1, device=x.device)
        return [
            str(device), device.type, device.index, repr(device), x.device == device, again.is_cuda, again.get_device(),
            torch.device("cpu", 0).index, f"{torch.device('cpu:0')}", torch.cuda.device_count(), torch.backends.mps.is_available(),
        ]  # fmt: skip

    both(body)


@pytest.mark.parametrize("ask", [
    lambda: mg.device("cuda"), lambda: mg.device("cuda", 1), lambda: mg.device(0), lambda: mg.ones(1).cuda(), lambda: mg.ones(1).to("cuda:0"),
    lambda: nn.Linear(1, 1).cuda(), lambda: mg.zeros(1, device="mps"), lambda: nn.Linear(1, 1).to("cuda"), minigrad.torch.cuda.current_device,
])  # fmt: skip
def test_another_device_is_refused_in_one_sentence(ask):
    with pytest.raises(mg.DeviceError, match=r"there is no device.*minigrad computes on the CPU, and cuda\.is_available\(\) is False"):
        ask()
    assert issubclass(mg.DeviceError, RuntimeError) and issubclass(mg.DeviceError, ValueError)


def test_what_has_no_effect_says_so_once(monkeypatch):
    monkeypatch.setattr(accepted, "_said", set())
    torch = minigrad.torch
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = nn.Linear(1, 1)
        assert torch.compile(model, disable=True) is model and said == []
        assert torch.compile(model) is model and torch.compile(mode="max-autotune")(model) is model and model.compile() is None
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        scaler = torch.amp.GradScaler()
        for _ in range(2):
            with torch.autocast("cpu", dtype=torch.float16):
                loss = model(torch.ones(1, 1)).sum()
            before = model.bias.item()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
            assert model.bias.item() == pytest.approx(before - model.bias.grad.item())
        assert torch.autocast("cuda", enabled=False)(lambda x: x + 1)(1) == 2
    assert [str(w.message).partition(":")[0] for w in said] == ["compile", "GradScaler", "autocast"]
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.use_deterministic_algorithms(True)
    assert torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = False


def test_typed_tensors():
    def body(torch):
        x = torch.FloatTensor([[1, 2], [3, 4]])
        return [
            x.type(), x.tolist(), torch.Tensor(2, 3).shape == (2, 3), torch.Tensor([1, 2]).type(), torch.LongTensor(4).shape == (4,),
            x.type(torch.LongTensor).type(), x.type("torch.DoubleTensor").type(), isinstance(x, torch.FloatTensor),
            isinstance(x, torch.LongTensor), torch.is_tensor(x), torch.is_tensor(1), torch.typename(x), torch.Tensor().numel(),
            torch.ByteTensor([255]).tolist(), torch.Tensor(np.ones(2)).type(), torch.autograd.Variable(x, requires_grad=True).requires_grad,
        ]  # fmt: skip

    both(body)
    with pytest.raises(TypeError, match="Tensor: sizes, or one list"):
        mg.Tensor([1.0], 2)


def test_old_constructors_take_a_size_or_data():
    """A Size is a shape, any other tuple or sequence is data; ``x.new`` is the constructor in the dtype of x."""

    def body(torch):
        x = torch.ones(2, 3)
        shapes = [
            torch.Tensor(x.size()), torch.FloatTensor(x.shape), torch.LongTensor(x.size()[:1]), torch.Tensor(torch.Size([4])),
            torch.Tensor(torch.Size([])), torch.Tensor(x.size() + (1,)), torch.Tensor((1,) + x.size()), torch.Tensor(x.size()[:1] * 2), torch.Tensor(2 * x.shape), x.new(x.size()), x.new(4), x.new(2, 1), x.new(), x.data.new(3),
            torch.nn.Parameter(x).new(1),
        ]  # fmt: skip
        data = [
            torch.Tensor((2, 3)), torch.LongTensor((2, 3)), torch.Tensor(range(3)), torch.Tensor(torch.tensor(3.0)), torch.Tensor(((1, 2),)),
            x.new((2, 3)), x.long().new([2]), x.double().new(np.ones(2)), x.new([x.sum(), 1]), x.new(x),
        ]  # fmt: skip
        return [(tuple(t.shape), t.type(), t.requires_grad) for t in shapes], [(t.tolist(), t.type()) for t in data]

    both(body)
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'map_'"):
        mg.ones(2).data.map_  # noqa: B018


def test_set_default_tensor_type():
    try:
        minigrad.torch.set_default_tensor_type(minigrad.torch.DoubleTensor)
        assert mg.ones(1).dtype == mg.float64
        minigrad.torch.set_default_tensor_type("torch.FloatTensor")
        assert mg.ones(1).dtype == mg.float32
    finally:
        mg.set_default_dtype(mg.float32)


def test_inference_mode_in_all_its_forms():
    def body(torch):
        x = torch.ones(1, requires_grad=True)

        @torch.inference_mode()
        def called(x):
            return (x * 2).requires_grad

        @torch.inference_mode
        def bare(x):
            return (x * 2).requires_grad

        with torch.inference_mode():
            inside = (x * 2).requires_grad
        with torch.inference_mode(False):
            off = (x * 2).requires_grad
        with torch.no_grad(), torch.inference_mode(mode=False):
            off_within = torch.is_grad_enabled()
        return [called(x), bare(x), inside, off, off_within, torch.is_grad_enabled()]

    both(body)


def test_set_detect_anomaly():
    torch = minigrad.torch

    def nan():
        x = torch.tensor([0.0], requires_grad=True)
        ((x * 0) / x).sum().backward()

    torch.autograd.set_detect_anomaly(True)
    try:
        assert torch.is_anomaly_enabled() and torch.is_anomaly_check_nan_enabled()
        with pytest.raises(RuntimeError, match="NaN"):
            nan()
        with torch.autograd.set_detect_anomaly(False):
            nan()
        with torch.autograd.detect_anomaly(check_nan=False):
            nan()
        assert torch.is_anomaly_enabled()
    finally:
        torch.autograd.set_detect_anomaly(False)
    nan()
    assert mg.engine.graph.listeners == []


def test_grad_takes_only_inputs_where_pytorch_does():
    def body(torch):
        x = torch.tensor(3.0, requires_grad=True)
        (g,) = torch.autograd.grad(x * x, x, None, None, False, True, True)
        return [g.item()]

    both(body)
    with pytest.raises(ValueError, match="only_inputs"):
        mg.grad(mg.ones(1, requires_grad=True).sum(), mg.ones(1, requires_grad=True), only_inputs=False)


def test_assert_close():
    def body(torch):
        found = []
        for a, b, options in (
            (1.0, 1.0 + 1e-6, {}), ([1.0], [1.0 + 1e-5], {}), (float("nan"), float("nan"), {"equal_nan": True}), ([1.0], [1.5], {"rtol": 0, "atol": 0.6}),
            ([1, 2], [1, 3], {}),
        ):  # fmt: skip
            try:
                torch.testing.assert_close(torch.tensor(a), torch.tensor(b), **options)
                found.append(True)
            except AssertionError:
                found.append(False)
        return found

    both(body)
    for a, b, text in (
        (mg.ones(2), mg.ones(3), r"shapes differ: \(2,\) against \(3,\)"), (mg.ones(1), mg.ones(1).double(), "dtypes differ"),
        ({"w": [mg.ones(1)]}, {"w": [mg.zeros(1)]}, r"of item \['w'\]\[0\] differ"), ({"a": 1}, {"b": 1}, "keys differ"), ([1], [1, 2], "lengths differ"),
    ):  # fmt: skip
        with pytest.raises(AssertionError, match=text):
            assert_close(a, b)
    with pytest.raises(ValueError, match="both rtol and atol"):
        assert_close(1.0, 1.0, rtol=0.1)
    with pytest.raises(AssertionError, match=r"^mine$"):
        assert_close(1, 2, msg="mine")


def test_printoptions():
    def body(torch):
        x = torch.tensor([3.14159265, 100.0])
        texts = []
        for options in ({"precision": 2}, {"sci_mode": True, "precision": 3}, {"profile": "full"}, {"profile": "default"}):
            torch.set_printoptions(**options)
            texts.append(repr(x))
        torch.set_printoptions(threshold=4, edgeitems=1)
        texts.append(" ".join(repr(torch.arange(9)).split()))
        torch.set_printoptions(profile="default")
        return texts

    both(body)
    with pytest.raises(ValueError, match="profile must be one of"):
        mg.set_printoptions(profile="loud")


def test_gradcheck_as_pytorch_calls_it():
    torch = minigrad.torch
    x = torch.tensor([0.3, 0.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(torch.sin, (x,), eps=1e-6, atol=1e-4) and torch.autograd.gradgradcheck(torch.exp, x)

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 3

    assert not torch.autograd.gradcheck(Wrong.apply, (x,), raise_exception=False)


def test_images_as_files():
    images = mg.arange(2 * 12).reshape(2, 1, 3, 4) / 23.0
    for nothing in ([], images[:0]):
        with pytest.raises(mg.ShapeError, match="make_grid: there is no image"):
            minigrad.torchvision.utils.make_grid(nothing)
    grid = minigrad.torchvision.utils.make_grid(images, nrow=2, padding=1, pad_value=0.5)
    assert grid.shape == (3, 5, 11) and grid[0, 0].tolist() == [0.5] * 11 and grid[2, 1, 6].item() == images[1, 0, 0, 0].item()
    file = io.BytesIO()
    minigrad.torchvision.utils.save_image(images, file, nrow=2, padding=1, normalize=True)
    data = file.getvalue()
    width, height = struct.unpack(">II", data[16:24])
    rows = np.frombuffer(zlib.decompress(data[data.index(b"IDAT") + 4 : data.index(b"IEND") - 8]), np.uint8).reshape(height, 1 + 3 * width)
    assert (width, height) == (11, 5) and not rows[:, 0].any() and rows[1, 1 + 3] == 0 and rows[3, 1 + 3 * 9] == 255
    with pytest.raises(ValueError, match="png"):
        minigrad.torchvision.utils.save_image(images, "x.jpg")


def test_set_gives_another_value_of_any_shape():
    x, y = mg.zeros(2), mg.ones(2, 3)
    assert x.set_(y) is x and x.equal(y)
    x += 1
    assert y.sum() == 6 and x.sum() == 12
    w = mg.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"^set_: a leaf that requires a gradient cannot be written"):
        w.set_(y)
    with mg.no_grad():
        w.set_(y)
    (w * w).sum().backward()
    assert w.grad.equal(2 * y)
    with pytest.raises(RuntimeError, match="set_: a source of int64 for a tensor of float32"):
        x.set_(mg.arange(3))
    with pytest.raises(TypeError, match=r"set_: source must be a Tensor, as there are no storages, but is .*"):
        x.set_([1.0])


def bases(torch):
    """Which results are views of which tensors, by PyTorch's own attributes."""
    x, p = torch.ones(3, 4), torch.ones(3, requires_grad=True)
    q = p * 1
    views = [
        x[0],
        x[0][1:],
        x.view(-1),
        x.t(),
        x.reshape(-1),
        x.expand(2, 3, 4),
        x.unbind(0)[0],
        x.split(2)[1],
        x.detach(),
        x.data,
        x.flip(0),
        x[[0]],
        x,
    ]
    return [(v._base is x, v._base is None, v._is_view()) for v in views] + [p[0]._base is p, q[0]._base is q, q[0].detach()._base is None]


def test_bases_of_views():
    both(bases)


def test_private_names_say_what_serves():
    x = mg.ones(2)
    for thing, name, said in [
        (x, "_version", "what a graph keeps stays as it was"),
        (x, "_indices", "there are no sparse tensors"),
        (nn.Linear(1, 1), "_slow_forward", "call the module itself"),
        (nn.Linear(1, 1), "_forward_hooks_with_kwargs", "_forward_hooks and its like have all hooks"),
        (nn.optim.SGD([nn.Parameter(x)], 0.1), "_optimizer_step_pre_hooks", "register_step_pre_hook"),
        (nn.data.DataLoader([1]), "_index_sampler", "batch_sampler"),
    ]:
        with pytest.raises(AttributeError, match=said):
            getattr(thing, name)
    with pytest.raises(AttributeError, match=r"'Tensor' object has no attribute '_no_such'$"):
        _ = x._no_such
