"""Checkpoints: saved state is loaded unchanged, a killed writer damages no file, and every file either loads or is refused."""

import contextlib
import copy
import io
import json
import math
import os
import stat
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn

STATE = {
    "tensor": mg.tensor([[1.0, 2.0], [3.0, math.nan]]),
    "arrays": [np.arange(5), np.zeros((0, 3)), np.array(True), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(3, dtype=">f4")],
    "numbers": (1, -2.5, math.inf, 2**100, True, None, np.float32(0.1)),
    7: "text with ümlauts and \ud800",
    None: {},
    "dtype": [np.dtype(np.float16), mg.float16],
    "bytes": b"\0\xff",
    "complex": np.array([1 + 2j]),
    "ordered": OrderedDict(b=1, a=OrderedDict()),
}


def same(a, b):
    if isinstance(a, dict):
        return type(a) is type(b) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (mg.Tensor, np.ndarray)):
        x, y = (v.numpy(force=True) if isinstance(v, mg.Tensor) else v for v in (a, b))
        return (
            type(a) is type(b)
            and x.shape == y.shape
            and getattr(a, "requires_grad", 0) == getattr(b, "requires_grad", 0)
            and x.dtype == y.dtype.newbyteorder("=")
            and x.tobytes() == y.tobytes()
        )
    return type(a) is type(b) and (a == b or a != a)


def test_save_and_load(tmp_path):
    mg.save(STATE, tmp_path / "a")
    loaded = mg.load(tmp_path / "a")
    expected = copy.deepcopy(STATE)
    expected["arrays"][4] = expected["arrays"][4].astype("=f4")
    assert same(expected, loaded)
    assert os.listdir(tmp_path) == ["a"]
    mg.save(loaded, str(tmp_path / "b"))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    loaded["arrays"][0][0] = 9  # the arrays are our own
    buffer = io.BytesIO()
    mg.save(STATE, buffer)
    buffer.seek(0)
    assert same(expected, mg.load(buffer))
    assert np.load(tmp_path / "a")["0"].shape == (2, 2)


def test_parameters_and_what_requires_a_gradient(tmp_path):
    """As torch.save has it: a result is saved as a leaf, without its graph."""
    parameter, frozen = nn.Parameter(mg.ones(2)), nn.Parameter(mg.arange(3), requires_grad=False)
    parameter.sum().backward()
    mg.save([parameter, frozen, parameter * 2, parameter.detach()], tmp_path / "a")
    a, b, c, d = mg.load(tmp_path / "a")
    assert [type(x) for x in (a, b, c, d)] == [nn.Parameter, nn.Parameter, mg.Tensor, mg.Tensor]
    assert [x.requires_grad for x in (a, b, c, d)] == [True, False, True, False]
    assert [x.is_leaf for x in (a, b, c, d)] == [True] * 4 and a.grad is None
    assert [x.tolist() for x in (a, b, c, d)] == [[1, 1], [0, 1, 2], [2, 2], [1, 1]]


def test_a_parameter_without_nn(tmp_path):
    """Loading imports nothing: where nobody has imported minigrad.nn, a Parameter is the Tensor that it is."""
    mg.save(nn.Parameter(mg.ones(2)), tmp_path / "a")
    code = "import sys, minigrad as mg\nw = mg.load(sys.argv[1])\nprint(type(w).__name__, w.requires_grad, 'minigrad.nn' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code, tmp_path / "a"], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["Tensor", "True", "False"]


def test_what_is_shared_stays_shared(tmp_path):
    """Memory is written once; one object stays one, and tensors over one memory are values of their own."""
    tied, array = mg.rand(1000), np.arange(3.0)
    mg.save({"a": tied, "b": tied, "view": tied.detach(), "x": array, "y": array, "tensor": mg.from_numpy(array)}, tmp_path / "a")
    state = mg.load(tmp_path / "a")
    assert (tmp_path / "a").stat().st_size < 6000
    assert state["a"] is state["b"] and state["x"] is state["y"]
    assert state["view"] is not state["a"] and np.shares_memory(state["view"].numpy(), state["a"].numpy())
    before = state["view"].tolist()
    state["a"][0] = 7
    assert state["view"].tolist() == before and state["b"][0] == 7
    assert np.shares_memory(state["x"], state["tensor"].numpy()) and type(state["x"]) is np.ndarray


def test_a_tied_model_is_saved_once(tmp_path):
    model = nn.Sequential(nn.Linear(50, 50, bias=False), nn.Linear(50, 50, bias=False))
    model[1].weight = model[0].weight
    mg.save(model.state_dict(), tmp_path / "a")
    assert (tmp_path / "a").stat().st_size < 12_000
    other = copy.deepcopy(model)
    nn.init.zeros_(other[0].weight)
    other.load_state_dict(mg.load(tmp_path / "a"))
    assert (other[1].weight == model[0].weight).all() and other[1].weight is other[0].weight


def test_save_refuses(tmp_path):
    path = tmp_path / "a"
    mg.save(1, path)
    with pytest.raises(TypeError, match=r"state\['model'\]\[0\] is Linear.*save its state_dict"):
        mg.save({"model": [nn.Linear(1, 1)]}, path)
    with pytest.raises(TypeError, match="key of type tuple"):
        mg.save({(1, 2): 3}, path)
    with pytest.raises(TypeError, match="dtype object"):
        mg.save(np.array([None]), path)
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="contains itself"):
        mg.save(loop, path)
    deep = 1
    for _ in range(200):
        deep = [deep]
    with pytest.raises(ValueError, match="levels deep"):
        mg.save(deep, path)
    assert mg.load(path) == 1 and os.listdir(tmp_path) == ["a"]


def test_a_failing_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a"
    mg.save({"x": np.arange(3)}, path)
    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, lambda *_: (_ for _ in ()).throw(OSError("disk full")))
            with pytest.raises(OSError, match="disk full"):
                mg.save({"x": np.arange(4)}, path)
        assert mg.load(path)["x"].size == 3 and os.listdir(tmp_path) == ["a"]


def test_an_error_names_the_file_that_was_given(tmp_path):
    for name in ("missing/a", "n" * 300):
        with pytest.raises(OSError, match=r"No such file|too long") as raised:
            mg.save(5, tmp_path / name)
        assert raised.value.filename == os.fspath(tmp_path / name) and raised.value.filename2 is None
    if os.path.exists("/dev/full"):
        with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
            mg.save(5, "/dev/full")
    assert os.listdir(tmp_path) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # an interrupt in a finalizer is lost
def test_an_interrupt_at_any_moment_leaves_the_old_file_or_the_new_one(tmp_path):
    path, old, new = tmp_path / "a", {"x": np.arange(3)}, {"x": np.arange(4)}
    count = total = 0

    def look(frame, event, arg):
        nonlocal count
        if event in ("call", "c_return") and arg is not sys.setprofile:
            count += 1
            if count == at:
                raise KeyboardInterrupt

    for at in (0, *range(1, 5000, 31)):
        if total and at > total:
            break
        mg.save(old, path)
        count = 0
        with contextlib.suppress(KeyboardInterrupt):
            sys.setprofile(look)
            try:
                mg.save(new, path)
            finally:
                sys.setprofile(None)
        total = total or count
        assert mg.load(path)["x"].size in (3, 4) and os.listdir(tmp_path) == ["a"], at
    assert at > 100


def test_save_through_a_symlink(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    try:
        link.symlink_to(tmp_path / "real" / "file")
    except OSError:
        pytest.skip("no symlinks here")
    mg.save(5, link)
    assert link.is_symlink() and mg.load(tmp_path / "real" / "file") == 5


STATES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.binary()
    | hnp.arrays(hnp.scalar_dtypes().filter(lambda d: d.kind in "fiubc"), hnp.array_shapes(min_dims=0, min_side=0, max_side=3))
    | hnp.arrays(st.sampled_from([np.float32, np.int64, np.bool_]), hnp.array_shapes(min_dims=0, min_side=0, max_side=3)).map(mg.tensor)
    | hnp.arrays(np.float64, 2).map(lambda a: nn.Parameter(mg.tensor(a)))
    | st.integers(-128, 127).map(np.int8)
    | st.floats(width=32).map(np.float32),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.none(), inner, max_size=4)
        | st.dictionaries(st.text(), inner, max_size=4).map(OrderedDict)
    ),
    max_leaves=12,
)


@given(STATES)
@settings(max_examples=max(100, settings.default.max_examples))
def test_any_state_comes_back(state):
    buffer = io.BytesIO()
    mg.save(state, buffer)
    loaded = mg.load(buffer)
    again = io.BytesIO()
    mg.save(loaded, again)
    assert again.getvalue() == buffer.getvalue()
    assert same(native(state), loaded)


def native(state):
    """``state`` with its arrays in this machine's byte order."""
    if isinstance(state, np.ndarray):
        return state.astype(state.dtype.newbyteorder("="))
    if isinstance(state, dict):
        return type(state)((key, native(value)) for key, value in state.items())
    return type(state)(map(native, state)) if isinstance(state, (list, tuple)) else state


def whole() -> bytes:
    buffer = io.BytesIO()
    mg.save(STATE, buffer)
    return buffer.getvalue()


def test_truncated_files_are_refused():
    data = whole()
    for length in range(len(data)):
        with pytest.raises(mg.CheckpointError, match="not a checkpoint"):
            mg.load(io.BytesIO(data[:length]))


def check_damaged(data: bytes, expected) -> bool:
    """Whether a damaged file is refused; if it is not, it is because the damage is in bytes that mean nothing (such as dates)."""
    try:
        loaded = mg.load(io.BytesIO(data))
    except mg.CheckpointError:
        return True
    assert same(expected, loaded)
    return False


def test_every_flipped_byte_is_found_or_harmless():
    data = whole()
    expected = mg.load(io.BytesIO(data))
    rng = np.random.default_rng(0)
    refused = 0
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= int(rng.integers(1, 256))
        refused += check_damaged(bytes(damaged), expected)
    assert refused > len(data) * 0.6


@given(st.data())
@settings(max_examples=max(300, settings.default.max_examples))
def test_random_damage_is_found_or_harmless(data):
    """Several places at once, overwritten, cut out or put in, among them the fields that hold lengths and offsets."""
    content = whole()
    expected = mg.load(io.BytesIO(content))
    damaged = bytearray(content)
    fields = [content.rfind(b"PK\5\6") + 10, content.find(b"PK\1\2") + 16, content.find(b"PK\1\2") + 42, 14, 26]
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(fields) | st.integers(0, len(damaged) - 1))
        piece = data.draw(st.binary(max_size=8) | st.sampled_from([b"\xff" * 4, b"\0" * 4, struct.pack("<I", len(content))]))
        damaged[place : place + data.draw(st.sampled_from([0, len(piece), len(piece), len(piece) + 3]))] = piece
    check_damaged(bytes(damaged), expected)


def test_hostile_files_are_refused(tmp_path):
    def archive(structure, **entries):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as z:
            z.writestr("state.json", structure)
            for name, content in entries.items():
                z.writestr(f"{name}.npy", content)
        buffer.seek(0)
        return buffer

    def npy(dtype, shape, content):
        file = io.BytesIO()
        np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
        return file.getvalue() + content

    good = '{"format": "minigrad checkpoint", "version": 2, "state": %s}'
    pickled = io.BytesIO()
    np.lib.format.write_array(pickled, np.array([print], dtype=object), allow_pickle=True)
    huge = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117) + b"\n"
    assert mg.load(archive(good % "[1, 2]")) == [1, 2]
    for bad in [
        archive('{"format": "other"}'),
        archive("[]"),
        archive(good.replace("2,", "1,") % "1"),
        archive(good % '{"call": "os.system"}'),
        archive(good % '{"array": 0}'),
        archive(good % '{"array": "../../etc/passwd"}'),
        archive(good % '{"array": 0}', **{"0": pickled.getvalue()}),
        archive(good % '{"array": 0}', **{"0": huge}),
        archive(good % '{"dict": [[[1], 2]]}'),
        archive(good % ("[" * 100_000)),
        archive(good % ("[" * 100_000 + "]" * 100_000)),
        archive(good % '{"again": 0}'),
        archive(good % '{"dtype": "object"}'),
        archive(good % '{"dict": 5, "tuple": 6}'),
        archive(good % '{"array": 0}', **{"0": npy("<c8", (1,), bytes(7))}),
        archive(good % '{"array": 0}', **{"0": npy("<f8", (-1,), bytes(8))}),
        archive(good % '{"array": 0}', **{"0": npy("<f8", (2**40, 2**40, 0), b"1")}),
        archive(good % '{"array": 0}', **{"0": npy("|b1", (1,), b"\2")}),
        archive(good % '{"tensor": [0, false]}', **{"0": npy("<c8", (1,), bytes(8))}),
        archive(good % '{"tensor": [0, true]}', **{"0": npy("<i8", (1,), bytes(8))}),
    ]:
        with pytest.raises(mg.CheckpointError):
            mg.load(bad)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("state.json", good % "[1, 2]")
    with pytest.raises(mg.CheckpointError, match="compressed"):
        mg.load(bomb)
    np.savez_compressed(tmp_path / "c.npz", np.zeros(10))
    for path in ("c.npz", "text"):
        (tmp_path / "text").write_text("hello")
        with pytest.raises(mg.CheckpointError, match=path):
            mg.load(tmp_path / path)
    with pytest.raises(FileNotFoundError):
        mg.load(tmp_path / "nowhere")


@pytest.mark.parametrize("kind", ["array", "bytes"])
def test_an_array_that_is_named_often_is_read_once(kind):
    """A small file does not fill the memory: 100,000 times 8 MB."""
    buffer = io.BytesIO()
    state = {"format": "minigrad checkpoint", "version": 2, "state": [{kind: 0}] * 100_000}
    with zipfile.ZipFile(buffer, "w") as z:
        z.writestr("state.json", json.dumps(state))
        with z.open("0.npy", "w") as entry:
            np.lib.format.write_array(entry, np.zeros(10**6), version=(1, 0))
    loaded = mg.load(buffer)
    assert len(loaded) == 100_000 and all(x is loaded[0] if kind == "bytes" else np.shares_memory(loaded[0], x) for x in loaded[1:])


def test_entries_inside_one_another_are_refused():
    """The other kind of bomb: entries that overlap, so that together they are longer than their file."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as z:
        z.writestr("b", b"x" * 1000)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as z:
        z.writestr("state.json", "1")
        z.writestr("a", inner.getvalue())
        at = z.getinfo("a").header_offset + 30 + len("a")
        inside = zipfile.ZipFile(inner).getinfo("b")
        inside.header_offset += at
        z.filelist.append(inside)
        z.NameToInfo["b"] = inside
        z._didModify = True
    assert zipfile.ZipFile(buffer).namelist() == ["state.json", "a", "b"]
    with pytest.raises(mg.CheckpointError, match=r"longer than the file|Overlapped"):
        mg.load(buffer)


def test_the_arguments_of_torch_load(tmp_path):
    mg.save(5, tmp_path / "a")
    assert mg.load(tmp_path / "a", map_location="cpu", weights_only=True) == 5
    with pytest.raises(ValueError, match="no device"):
        mg.load(tmp_path / "a", "cuda")
    with pytest.raises(TypeError, match="load: f must be a path or an open file, but is 5"):
        mg.load(5)
    assert (nn.save, nn.load, nn.CheckpointError) == (mg.save, mg.load, mg.CheckpointError)


@pytest.mark.skipif(os.name != "posix", reason="modes and devices of POSIX")
def test_modes_are_kept_and_devices_are_not_replaced(tmp_path):
    mg.save(1, tmp_path / "a")
    os.chmod(tmp_path / "a", 0o640)
    mg.save(2, tmp_path / "a")
    assert stat.S_IMODE(os.stat(tmp_path / "a").st_mode) == 0o640
    mg.save(3, os.devnull)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    mg.save(4, tmp_path / ("n" * 250))  # as long as a name can be
    with pytest.raises(OSError, match="directory"):
        mg.save(5, tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["a", "n" * 250]


KILLED = """
import sys, numpy as np
import minigrad as mg
i = 0
while True:
    mg.save({"i": i, "x": np.full(200_000, i)}, sys.argv[1])
    if not i:
        print("ready", flush=True)
    i += 1
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_writer_leaves_a_whole_file(tmp_path):
    path = tmp_path / "checkpoint"
    rng = np.random.default_rng(0)
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
        try:
            assert process.stdout.readline() == b"ready\n"
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=float(rng.uniform(0.01, 0.15)))
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        state = mg.load(path)
        assert (state["x"] == state["i"]).all()
