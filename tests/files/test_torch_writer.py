"""Checkpoints that PyTorch opens: read back here everywhere, and by PyTorch where it is installed."""

import io
from collections import OrderedDict

import numpy as np
import pytest
from answers import noted

import minigrad as mg
import minigrad.torch
from minigrad import nn
from minigrad.files.torch_files import load
from minigrad.files.torch_writer import save_torch

STATE = {
    "floats": mg.tensor([[1.5, -2.0, 3.0], [0.0, np.inf, 1e-30]]),
    "transposed": mg.arange(6).reshape(2, 3).t(),
    "scalar": mg.tensor(3.5, dtype=mg.float64),
    "empty": mg.zeros(0, 4, dtype=mg.float16),
    "kinds": [mg.ones(2, dtype=d) for d in (mg.int8, mg.int16, mg.int32, mg.int64, mg.uint8, mg.bool, mg.uint16, mg.uint32, mg.uint64)],
    "ordered": OrderedDict([("b", 1), ("a", 2)]),
    "numbers": (0, -1, 255, 65536, 2**31, -(2**31), 2**63, -(2**80), 0.1, True, None, np.float32(0.5), np.int64(7)),
    "text": "weights: \N{GREEK SMALL LETTER OMEGA} \U0001f600",
    3: {"nested": [{}, [], (), ((1,),)]},
    "set": {1, 2},
    "bytes": bytes(range(256)),
    "dtype": mg.float32,
    "device": mg.device("cpu"),
    "leaf": mg.tensor([1.0], requires_grad=True),
}


def written(obj):
    file = io.BytesIO()
    save_torch(obj, file)
    return file.getvalue()


def plain(value):
    """What both libraries make of a file, as plain data: dtypes and devices by name."""
    if isinstance(value, dict):
        return [type(value).__name__, [[plain(k), plain(v)] for k, v in value.items()]]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, [plain(v) for v in value]]
    if hasattr(value, "detach"):
        return [
            "tensor",
            str(value.dtype).rpartition(".")[2],
            list(value.shape),
            bool(value.requires_grad),
            value.detach().numpy().tolist(),
        ]
    if isinstance(value, (set, bytes)):
        return [type(value).__name__, sorted(value)]
    return str(value).rpartition(".")[2] if type(value).__name__ in ("dtype", "Float32DType", "device") else value


def test_it_comes_back():
    back = plain(load(io.BytesIO(written(STATE))))
    assert back == plain(load(io.BytesIO(written(load(io.BytesIO(written(STATE)))))))
    assert back[1][0][1] == plain(STATE["floats"])
    assert [k for k, _ in back[1]] == list(STATE)


@pytest.mark.parametrize("options", [{}, {"weights_only": False}, {"mmap": True}])
def test_pytorch_reads_it(options, tmp_path):
    (tmp_path / "state.pt").write_bytes(written(STATE))
    theirs = noted(lambda torch: plain(torch.load(tmp_path / "state.pt", **options)))
    assert theirs == plain(load(tmp_path / "state.pt"))


def test_a_model_and_its_optimiser_go_over():
    """Train here, save, go on in PyTorch: the next loss is the one that we have."""

    def build(torch):
        model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Flatten(), torch.nn.Linear(8, 3))
        return model, torch.optim.AdamW(model.parameters(), lr=0.1)

    def step(torch, model, optimizer):
        x = (torch.arange(64, dtype=torch.float32).reshape(4, 1, 4, 4) * 0.37).sin()
        loss = torch.nn.functional.cross_entropy(model(x), torch.tensor([0, 1, 2, 0]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    mg.manual_seed(0)
    model, optimizer = build(minigrad.torch)
    step(minigrad.torch, model, optimizer)
    file = written({"model": model.state_dict(), "optimizer": optimizer.state_dict()})

    def go_on(torch):
        theirs, their_optimizer = build(torch)
        state = torch.load(io.BytesIO(file))
        theirs.load_state_dict(state["model"])
        their_optimizer.load_state_dict(state["optimizer"])
        return [step(torch, theirs, their_optimizer) for _ in range(3)]

    np.testing.assert_allclose(noted(go_on), [step(minigrad.torch, model, optimizer) for _ in range(3)], 2e-5)


def test_parameters_stay_parameters_and_tied_ones_tied():
    p = nn.Parameter(mg.ones(3), requires_grad=False)
    file = written({"a": p, "b": p})
    kind, tied, requires = noted(
        lambda torch: (lambda s: [type(s["a"]).__name__, s["a"].data_ptr() == s["b"].data_ptr(), s["a"].requires_grad])(
            torch.load(io.BytesIO(file))
        )
    )
    assert (kind, tied, requires) == ("Parameter", True, False)
    state = load(io.BytesIO(file))
    assert isinstance(state["a"], nn.Parameter) and not state["a"].requires_grad


def test_one_tensor_in_two_places_is_one_object_again():
    p, x = nn.Parameter(mg.ones(3)), mg.zeros(2)
    file = written({"a": p, "list": [p, x, x, mg.zeros(2)]})

    def body(torch):
        a, (b, x, y, z) = torch.load(io.BytesIO(file)).values()
        return [a is b, x is y, y is z, type(b).__name__]

    assert noted(body) == body(minigrad.torch) == [True, True, False, "Parameter"]


def test_python_complex_numbers():
    file = written([1 + 2j, -3j])
    assert load(io.BytesIO(file)) == [1 + 2j, -3j]
    assert noted(lambda torch: [[z.real, z.imag] for z in torch.load(io.BytesIO(file))]) == [[1.0, 2.0], [0.0, -3.0]]


def test_load_reads_our_own_files_too(tmp_path):
    mg.save({"x": mg.ones(2)}, tmp_path / "ours.mg")
    assert load(tmp_path / "ours.mg", map_location=lambda storage, where: storage)["x"].tolist() == [1.0, 1.0]
    with pytest.raises(mg.DeviceError):
        load(tmp_path / "ours.mg", map_location="cuda:0")


def test_what_cannot_be_written_is_named(tmp_path):
    with pytest.raises(
        TypeError, match=r"obj\['m'\] is a Linear.*save its state_dict\(\), and read it by load_state_dict\(load\(f\)\) of one"
    ):
        save_torch({"m": nn.Linear(1, 1)}, tmp_path / "x.pt")
    with pytest.raises(TypeError, match=r"obj\[0\] is a ndarray.*from_numpy"):
        save_torch([np.ones(2)], tmp_path / "x.pt")
    circle: list = []
    circle.append(circle)
    with pytest.raises(ValueError, match="contains itself"):
        save_torch(circle, tmp_path / "x.pt")
    assert not list(tmp_path.iterdir())  # whole or not at all
