"""Files in the safetensors format: compatible with the library's own readers and writers; every file either loads or is refused."""

import io
import json
import os
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn

pytest.importorskip("safetensors", reason="pip install 'minigrad-nn[safetensors]'")
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

ARRAYS = {
    **{name: np.arange(-3, 3).astype(dtype).reshape(2, 3) for name, dtype in mg.DTYPES.items()},
    "scalar": np.array(2.5),
    "empty": np.zeros((0, 4), np.float32),
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "reversed": np.arange(6.0)[::-2],
    "big-endian": np.arange(3, dtype=">f4"),
    "": np.float32(1.5),
}


def equal(a, b) -> bool:
    a, b = (np.asarray(x) for x in (a, b))
    return a.dtype == b.dtype.newbyteorder("=") and a.shape == b.shape and a.tobytes() == b.astype(a.dtype).tobytes()


def test_what_is_saved_comes_back(tmp_path):
    path = tmp_path / "a.safetensors"
    nn.save_safetensors(ARRAYS, path, {"author": "Ünal"})
    loaded = nn.load_safetensors(path)
    assert loaded.keys() == ARRAYS.keys()
    assert all(type(t) is mg.Tensor and equal(t, ARRAYS[name]) for name, t in loaded.items())
    assert os.listdir(tmp_path) == ["a.safetensors"]
    buffer = io.BytesIO()
    nn.save_safetensors({name: mg.tensor(a) for name, a in ARRAYS.items()}, buffer, {"author": "Ünal"})
    assert buffer.getvalue() == path.read_bytes()
    buffer.seek(0)
    assert nn.load_safetensors(buffer).keys() == ARRAYS.keys()
    loaded["float32"].zero_()  # the memory is its own


def test_the_library_reads_and_writes_the_same(tmp_path):
    nn.save_safetensors(ARRAYS, tmp_path / "ours", {"author": "Ünal"})
    theirs = load_file(tmp_path / "ours")
    assert theirs.keys() == ARRAYS.keys() and all(equal(a, ARRAYS[name]) for name, a in theirs.items())
    with safe_open(tmp_path / "ours", "np") as file:
        assert file.metadata() == {"author": "Ünal"}
    save_file({name: np.array(a, order="C") for name, a in theirs.items()}, tmp_path / "theirs", {"author": "Ünal"})
    assert (tmp_path / "theirs").read_bytes() == (tmp_path / "ours").read_bytes()


@pytest.mark.live
def test_pytorch_reads_and_writes_the_same(tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    nn.save_safetensors(model.state_dict(), tmp_path / "ours")
    twin = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    twin.load_state_dict(load_file(tmp_path / "ours"))
    x = np.random.default_rng(0).normal(size=(2, 2, 5, 5)).astype(np.float32)
    np.testing.assert_allclose(model(mg.tensor(x)).numpy(force=True), twin(torch.from_numpy(x)).detach().numpy(), atol=1e-5)
    half = torch.tensor([1.0, -2.5, 3.140625, float("inf"), 1e-40]).bfloat16()
    save_file({"half": half, "bool": torch.tensor([True, False]), "empty": torch.zeros(0, 3).bfloat16()}, tmp_path / "theirs")
    loaded = nn.load_safetensors(tmp_path / "theirs")
    assert equal(loaded["half"], half.float().numpy()) and loaded["bool"].tolist() == [True, False]
    assert loaded["empty"].shape == (0, 3) and loaded["empty"].dtype == mg.float32
    save_file({"w": torch.zeros(3).to(torch.float8_e4m3fn)}, tmp_path / "theirs")
    with pytest.raises(mg.CheckpointError, match=r"theirs: not a safetensors file.*'w' is of dtype F8_E4M3"):
        nn.load_safetensors(tmp_path / "theirs")


def test_what_cannot_be_saved(tmp_path):
    path = tmp_path / "a"
    nn.save_safetensors({"x": mg.ones(1)}, path)
    with pytest.raises(TypeError, match="'optimizer' is dict; the format holds a flat dict"):
        nn.save_safetensors({"optimizer": {}}, path)
    with pytest.raises(TypeError, match="names are strings, not int"):
        nn.save_safetensors({1: mg.ones(1)}, path)
    with pytest.raises(TypeError, match="dtype complex128"):
        nn.save_safetensors({"x": np.ones(1, complex)}, path)
    with pytest.raises(TypeError, match="not Linear"):
        nn.save_safetensors(nn.Linear(1, 1), path)
    assert nn.load_safetensors(path)["x"].tolist() == [1] and os.listdir(tmp_path) == ["a"]


def test_a_failing_disk_leaves_the_old_file(tmp_path, monkeypatch):
    nn.save_safetensors({"x": mg.ones(1)}, tmp_path / "a")
    monkeypatch.setattr(os, "fsync", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        nn.save_safetensors({"x": mg.zeros(1)}, tmp_path / "a")
    assert nn.load_safetensors(tmp_path / "a")["x"].tolist() == [1] and os.listdir(tmp_path) == ["a"]


def test_without_the_library(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    for call in (lambda: nn.save_safetensors({}, tmp_path / "a"), lambda: nn.load_safetensors(tmp_path / "a")):
        with pytest.raises(ImportError, match=r"pip install 'minigrad-nn\[safetensors\]'"):
            call()


def file(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\3\4",
        (2**63).to_bytes(8, "little"),
        file(b"["),
        file([]),
        file({"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}),
        file({"x": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}}),
        file({"x": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}, bytes(4)),
        file({"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, bytes(4)),
        file({"x": {"dtype": "O", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
        file({n: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for n in "xy"}, bytes(4)),
    ],
)
def test_hostile_files_are_refused(content):
    with pytest.raises(mg.CheckpointError, match="not a safetensors file"):
        nn.load_safetensors(io.BytesIO(content))
    with pytest.raises(FileNotFoundError):
        nn.load_safetensors("no such file")


def whole() -> bytes:
    buffer = io.BytesIO()
    nn.save_safetensors(ARRAYS, buffer)
    return buffer.getvalue()


def test_truncated_files_are_refused():
    content = whole()
    for length in range(len(content)):
        with pytest.raises(mg.CheckpointError):
            nn.load_safetensors(io.BytesIO(content[:length]))


@given(st.data())
@settings(max_examples=max(300, settings.default.max_examples))
def test_damaged_files_are_refused_or_hold_tensors(data):
    """There is no checksum, so numbers and names may differ; what is returned are tensors all the same."""
    damaged = bytearray(whole())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, 40) | st.integers(0, len(damaged) - 1))
        damaged[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        loaded = nn.load_safetensors(io.BytesIO(bytes(damaged)))
    except mg.CheckpointError:
        return
    assert all(type(name) is str and type(t) is mg.Tensor and t.dtype in mg.DTYPES.values() for name, t in loaded.items())
    assert sum(t.nbytes for t in loaded.values()) <= 2 * len(damaged)
