"""PyTorch's checkpoints: read with PyTorch's results but without PyTorch; other contents are refused, and no code in a file is run."""

import contextlib
import io
import math
import os
import pickle
import runpy
import struct
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn
from minigrad.ops.complex_pair import ComplexPair

FOLDER = Path(__file__).parent / "torch_files"
MADE = runpy.run_path(str(FOLDER / "make_torch_files.py"))


def numpy(tensor):
    return tensor if isinstance(tensor, np.ndarray) else tensor.numpy(force=True)


def same(array, expected) -> bool:
    return array.dtype == expected.dtype and array.shape == expected.shape and array.tobytes() == expected.tobytes()


# ------------------------------------------------------------------------------------------------------ the four formats


@pytest.mark.parametrize("name", MADE["NAMES"])
def test_weights(name):
    """dtypes, 0-d and empty tensors, transposed, cut-out and expanded ones: equal to the bit, each with memory of its own."""
    loaded = nn.load_torch(FOLDER / f"{name}.pt")
    expected = MADE["weights"]()
    assert type(loaded["weights"]) is OrderedDict and list(loaded["weights"]) == list(expected)
    for key, array in expected.items():
        tensor = loaded["weights"][key]
        assert type(tensor) is mg.Tensor and not tensor.requires_grad and same(numpy(tensor), array), key
    before = {key: numpy(t).copy() for key, t in loaded["weights"].items()}
    loaded["weights"]["float32"][:] = 0  # a tensor is a value: what was part of it does not change
    loaded["weights"]["part"].zero_()
    if name != "tar":
        assert loaded["weights"]["tied"] is loaded["weights"]["float32"]
    for key in ("transposed", "expanded", "float64", *(["tied"] if name == "tar" else [])):
        assert same(numpy(loaded["weights"][key]), before[key]), key


@pytest.mark.parametrize("name", ["zip", "pickles", "big"])
def test_everything_else(name):
    loaded = nn.load_torch(FOLDER / f"{name}.pt")
    assert loaded["others"] == [None, True, 2**70, -1.5, "ümlaut", b"\0\xff", (1, (2,)), {3}, (4, 5), "cuda:1", np.float16]
    assert [type(x) for x in loaded["others"][4:10]] == [str, bytes, tuple, set, tuple, str]
    assert loaded["bfloat16"].dtype == mg.float32
    assert loaded["bfloat16"].tolist()[:4] == [1.0, -2.5, 3.140625, math.inf] and abs(loaded["bfloat16"][4].item() - 1e-40) < 1e-41
    assert type(loaded["complex"]) is ComplexPair and loaded["complex"].tolist() == [1 + 2j, 3j]
    assert type(loaded["parameter"]) is type(loaded["frozen"]) is nn.Parameter
    assert loaded["parameter"].requires_grad and not loaded["frozen"].requires_grad and loaded["parameter"].tolist() == [1, 1]
    assert loaded["optimizer"]["param_groups"][0]["momentum"] == 0.9
    assert loaded["optimizer"]["state"][0]["momentum_buffer"].tolist() == [[1, 1, 1]] * 2
    if name != "pickles":
        assert loaded["unsigned"].dtype == mg.uint16 and loaded["unsigned"].tolist() == [1, 2, 65535]
    model = nn.Linear(3, 2)
    model.load_state_dict(loaded["model"])
    assert model(mg.ones(1, 3)).tolist() == [[pytest.approx(1.6), pytest.approx(12.6)]]
    optimizer = nn.optim.SGD(model.parameters(), lr=0.5, momentum=0.1)
    optimizer.load_state_dict(loaded["optimizer"])
    assert optimizer.param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize("name", MADE["NAMES"])
@pytest.mark.live
def test_pytorch_reads_the_same(name):
    """The files in the folder are PyTorch's, and what it makes of them is what we do."""
    import torch

    def compare(ours, theirs):
        if isinstance(theirs, torch.Tensor):
            theirs = theirs.detach().float() if theirs.dtype is torch.bfloat16 else theirs.detach()
            assert same(numpy(ours), theirs.numpy())
        elif isinstance(theirs, dict):
            assert list(ours) == list(theirs)
            for key in theirs:
                compare(ours[key], theirs[key])
        elif isinstance(theirs, (list, tuple)):
            assert len(ours) == len(theirs)
            for pair in zip(ours, theirs, strict=True):
                compare(*pair)
        elif isinstance(theirs, (torch.device, torch.dtype)):
            assert str(ours) in str(theirs)
        else:
            assert ours == theirs

    ours, theirs = nn.load_torch(FOLDER / f"{name}.pt"), torch.load(FOLDER / f"{name}.pt", weights_only=name != "tar")
    if name == "big":
        del ours["unsigned"], theirs["unsigned"]  # PyTorch 2.13 forgets to turn storages around that have no dtype
    compare(ours, theirs)


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.live
def test_the_files_are_what_the_script_makes(tmp_path):
    MADE["main"](tmp_path)
    for name in MADE["NAMES"]:
        new, old = nn.load_torch(tmp_path / f"{name}.pt"), nn.load_torch(FOLDER / f"{name}.pt")
        assert repr(new) == repr(old)


@pytest.mark.parametrize("archive", [True, False])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.live
def test_protocols(archive, protocol):
    import torch

    model = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.LSTM(2, 2))
    buffer = io.BytesIO()
    state = {"model": model.state_dict(), "set": {1, "a"}, "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)), "bytes": b"x" * 300}
    torch.save(state, buffer, pickle_protocol=protocol, _use_new_zipfile_serialization=archive)
    buffer.seek(0)
    loaded = nn.load_torch(buffer)
    assert {key: value for key, value in loaded.items() if key != "model"} == {k: v for k, v in state.items() if k != "model"}
    for key, tensor in model.state_dict().items():
        assert same(numpy(loaded["model"][key]), tensor.numpy())


@pytest.mark.live
def test_files_without_checksums():
    import torch

    if not hasattr(torch.serialization, "set_crc32_options"):
        pytest.skip("this PyTorch always writes checksums")
    buffer = io.BytesIO()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"x": torch.arange(4.0)}, buffer)
    finally:
        torch.serialization.set_crc32_options(True)
    buffer.seek(0)
    assert nn.load_torch(buffer)["x"].tolist() == [0, 1, 2, 3]


def test_the_file_may_begin_in_the_middle():
    """Two checkpoints one after another in one file, as torch.load has it for the format before 1.6."""
    content = (FOLDER / "pickles.pt").read_bytes()
    file = io.BytesIO(b"junk" + content)
    file.seek(4)
    assert nn.load_torch(file)["others"][0] is None


# --------------------------------------------------------------------------------------------------------- refused


def archive(pickled: bytes, storages=(), order=b"little", **more: bytes) -> io.BytesIO:
    """A zip archive with one pickle and these storages, "0" and so on."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as z:
        for name, content in {"data.pkl": pickled, "version": b"3\n", "byteorder": order, **more}.items():
            z.writestr(f"archive/{name}", content)
        for i, content in enumerate(storages):
            z.writestr(f"archive/data/{i}", content)
    buffer.seek(0)
    return buffer


class Global:
    """Pickled as the name of something, importable or not."""

    def __init__(self, name):
        self.name = name


class Call:
    """Pickled as a call of a name."""

    def __init__(self, name, *args):
        self.name, self.args = name, args


def pickled(obj, protocol=2) -> bytes:
    """A pickle in which :class:`Global` and :class:`Call` stand for what they name, and ("storage", ...) for a persistent id."""

    def write(value) -> bytes:
        if isinstance(value, Global):
            return b"c" + value.name.rpartition(".")[0].encode() + b"\n" + value.name.rpartition(".")[2].encode() + b"\n"
        if isinstance(value, Call):
            return write(Global(value.name)) + write(tuple(value.args)) + b"R"
        if isinstance(value, tuple):
            text = b"(" + b"".join(map(write, value)) + b"t"
            return text + b"Q" if value[:1] == ("storage",) else text
        if isinstance(value, list):
            return b"](" + b"".join(map(write, value)) + b"e"
        if isinstance(value, dict):
            return b"}(" + b"".join(write(key) + write(item) for key, item in value.items()) + b"u"
        return pickle.dumps(value, 2)[2:-1]  # without PROTO and STOP

    return b"\x80\x02" + write(obj) + b"."


def storage(numel=6, kind="torch.FloatStorage", key="0"):
    return "storage", Global(kind), key, "cpu", numel


def tensor(offset=0, size=(2, 3), stride=(3, 1), of=None, **named):
    return Call("torch._utils._rebuild_tensor_v2", of or storage(**named), offset, size, stride, False, Call("collections.OrderedDict"))


SIX = np.arange(6, dtype="<f4").tobytes()


@pytest.mark.live
def test_the_helpers_make_checkpoints():
    """The refusals below are due to what is wrong in each file, for without that it is read, by PyTorch too."""
    content = archive(pickled({"x": tensor(), "view": tensor(1, (2,), (3,))}), [SIX])
    loaded = nn.load_torch(content)
    assert loaded["x"].tolist() == [[0, 1, 2], [3, 4, 5]] and loaded["view"].tolist() == [1, 4]
    import torch

    content.seek(0)
    assert torch.load(content, weights_only=True)["x"].tolist() == [[0, 1, 2], [3, 4, 5]]


RAN = []


class Hostile:
    """Pickled by pickle itself; a reader that runs it says so."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Hostile(os.system, "echo run > ran"), r"(posix|nt)\.system"),
        (Hostile(eval, "RAN.append(1)"), r"(builtins|__builtin__)\.eval"),
        (Hostile(exec, "RAN.append(1)"), r"(builtins|__builtin__)\.exec"),
        (Hostile(getattr, os, "system") if False else Hostile(getattr, "x", "join"), r"(builtins|__builtin__)\.getattr"),
        (Hostile(__import__, "antigravity"), r"(builtins|__builtin__)\.__import__"),
        (Hostile(open, "ran", "w"), r"(io|_io)\.open"),
        (Hostile(RAN.append, 1), r"(builtins|__builtin__)\.getattr|_reconstruct|append"),
        (Hostile(np.array, [1]), r"numpy"),
        (Path("x"), r"pathlib"),
        (np.float64(1), r"numpy"),
    ],
)
def test_hostile_pickles_are_refused(value, name, protocol, tmp_path, monkeypatch):
    """In all three formats, wherever they are."""
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps({"x": [value]}, protocol)
    head = [pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, {})]
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:") as z:
        for member, data in (("pickle", content), ("tensors", pickle.dumps(0)), ("storages", pickle.dumps(0) + pickle.dumps([]))):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            z.addfile(info, io.BytesIO(data))
    files = [archive(content), io.BytesIO(b"".join([*head, content])), io.BytesIO(tar.getvalue()), io.BytesIO(content)]
    for file in files:
        with pytest.raises(mg.CheckpointError, match=rf"asks for .*({name}).*nothing was run"):
            nn.load_torch(file)
    for place in range(3):  # in the head
        with pytest.raises(mg.CheckpointError, match="nothing was run"):
            nn.load_torch(io.BytesIO(b"".join([*head[:place], content, *head[place:]])))
    assert not RAN and not os.listdir(tmp_path)


def opcodes(*parts) -> bytes:
    return b"\x80\x04" + b"".join(parts) + b"."


SYSTEM = b"\x8c\x02os\x8c\x06system\x93"
ORDERED = b"ccollections\nOrderedDict\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (opcodes(SYSTEM), r"os\.system"),
        (opcodes(b"(ios\nsystem\n"), "instruction INST"),
        (opcodes(b"(cbuiltins\nlist\no"), r"builtins\.list"),
        (opcodes(b"\x8c\x0bcollections\x8c\x20OrderedDict.__init__.__globals__\x93"), "OrderedDict.__init__.__globals__"),
        (opcodes(b"\x8c\x0bcollections\x8c\x08_sys.mod\x93"), "_sys.mod"),
        (opcodes(b"\x8c\x05torch\x8c\x13_utils.os.path.join\x93"), "_utils.os.path.join"),
        (opcodes(ORDERED, b")", b"}", b"\x92"), "NEWOBJ_EX"),
        (opcodes(ORDERED, b")R", b"N}\x8c\x09__class__", ORDERED, b"s\x86b", b"cos\nsystem\n"), r"os\.system"),
        (opcodes(b"]}\x8c\x01aK\x01sb"), "list where OrderedDict is expected"),
        (opcodes(ORDERED, b"}b"), r"collections.OrderedDict where OrderedDict is expected"),
        (opcodes(b"\x82\x01"), "EXT1"),
        (opcodes(b"\x97"), "NEXT_BUFFER"),
        (opcodes(b"K\x01)R"), "calls int, which is no function here"),
        (opcodes(b"ctorch\nFloatStorage\n)R"), "calls torch.FloatStorage"),
        (opcodes(b"ctorch\nfloat32\n)R"), "no function here"),
        (opcodes(ORDERED), "holds collections.OrderedDict outside of a tensor"),
        (opcodes(b"]", ORDERED, b"a"), "holds collections.OrderedDict outside of a tensor"),
        (opcodes(ORDERED, b"K\x01R"), "int where tuple is expected"),
        (opcodes(b"c_codecs\nencode\n\x8c\x01a\x8c\x05rot13\x86R"), "rot13"),
        (opcodes(b"}]Ns"), "key of type list"),
        (opcodes(b"}(ttNs"), "not a PyTorch checkpoint"),
        (opcodes(b"R"), "not a PyTorch checkpoint"),
        (opcodes(b"("), "not a PyTorch checkpoint"),
        (opcodes(b"t"), "more from the stack"),
        (opcodes(b"NN"), "not a PyTorch checkpoint"),
        (opcodes(), "not a PyTorch checkpoint"),
        (b"\x80\x04N", "not a PyTorch checkpoint"),
        (b"", "not a PyTorch checkpoint"),
        (opcodes(b"h\x05"), "not a PyTorch checkpoint"),
        (opcodes(b"N(\x86"), "more from the stack"),
        (opcodes(b"X\xff\xff\xff\x7fabc"), "not a PyTorch checkpoint"),
        (opcodes(b"\x8b\xff\xff\xff\x7f1"), "not a PyTorch checkpoint"),
        (opcodes(b"I" + b"9" * 10_000 + b"\n"), "not a PyTorch checkpoint"),
        (opcodes(b"K\x05Q"), "int where a list is expected"),
        (pickled([storage()]), "holds a storage outside of a tensor"),
        (pickled(("module", Global("torch.FloatStorage"), "f", "source")) + b"", "FloatStorage outside of a tensor"),
        (pickled(Call("torch._utils._rebuild_qtensor", storage())), "_rebuild_qtensor"),
        (pickled(Call("torch._utils._rebuild_sparse_tensor", 0, ())), "_rebuild_sparse_tensor"),
        (pickled(Call("torch._utils._rebuild_parameter", 5, True, None)), "int where Tensor is expected"),
        (pickled(Call("torch._utils._rebuild_tensor_v2", 5, 0, (), (), False, None)), "int where Storage is expected"),
        (pickled(Call("torch._utils._rebuild_tensor_v2", storage())), "missing"),
        (pickled(Call("torch.Size", (1, "a"))), "size or a position"),
        (pickled(Call("torch.device", 5)), "int where str is expected"),
        (pickled(tensor(6)), "leaves its storage"),
        (pickled(tensor(-1)), "'?-1'? where a size or a position"),
        (pickled(tensor(0, (2, 3), (3, 2))), "leaves its storage of 6"),
        (pickled(tensor(0, (2, 3), (-3, 1))), "-3 where"),
        (pickled(tensor(0, (-2, 3), (3, 1))), "-2 where"),
        (pickled(tensor(0, (2**62, 2**62), (0, 0))), "not a PyTorch checkpoint"),
        (pickled(tensor(0, (2**63,), (0,))), "size or a position"),
        (pickled(tensor(0, (2, 3), (2**62, 2**62))), "leaves its storage"),
        (pickled(tensor(0, (2, 3), (3,))), "steps"),
        (pickled(tensor(0, (2.0, 3), (3, 1))), "2.0 where"),
        (pickled(tensor(0, "23", (3, 1))), "str where a list"),
        (pickled(tensor(0, (1,) * 65, (1,) * 65)), "not a PyTorch checkpoint"),
        (pickled(tensor(numel=7)), "does not fill"),
        (pickled(tensor(numel=2**62)), "does not fill"),
        (pickled(tensor(numel=-1)), "-1 where"),
        (pickled(tensor(kind="torch.DoubleStorage")), "does not fill"),
        (pickled([tensor(), tensor(kind="torch.IntStorage")]), "two things of its storage 0"),
        (pickled(tensor(kind="torch.QInt8Storage")), "QInt8Storage"),
        (pickled(tensor(kind="torch.Size")), "Size where a storage is expected"),
        (pickled(tensor(key="1")), "1"),
        (pickled(tensor(key="../../../etc/passwd")), "passwd"),
        (pickled(tensor(key=["0"])), "list where str is expected"),
        (
            pickled(Call("torch._utils._rebuild_tensor_v3", storage(), 0, (2,), (1,), False, None, Global("torch.uint16"))),
            "names its dtype",
        ),
        (
            pickled(Call("torch._utils._rebuild_tensor_v3", storage(24, "torch.storage.UntypedStorage"), 0, (2,), (1,), False, None, 5)),
            "int where dtype",
        ),
        (
            pickled(
                Call(
                    "torch._utils._rebuild_tensor_v3",
                    storage(24, "torch.storage.UntypedStorage"),
                    0,
                    (13,),
                    (1,),
                    False,
                    None,
                    Global("torch.uint16"),
                )
            ),
            "leaves its storage of 12",
        ),
    ],
)
def test_wrong_pickles_are_refused(content, message):
    with pytest.raises(mg.CheckpointError, match=message):
        nn.load_torch(archive(content, [SIX]))


def test_integers_cannot_require_a_gradient():
    content = pickled(Call("torch._utils._rebuild_tensor_v2", storage(3, "torch.LongStorage"), 0, (3,), (1,), True, None))
    with pytest.raises(mg.CheckpointError, match="gradient"):
        nn.load_torch(archive(content, [bytes(24)]))


def test_wrong_archives_are_refused(tmp_path):
    good = pickled(tensor())
    for content, message in [
        (archive(good, [SIX], b"middle"), "byte order"),
        (archive(good, [SIX], **{"constants.pkl": b""}), "torch.jit.save"),
        (archive(good, [SIX], **{"other/data.pkl": b""}), "several data.pkl"),
        (archive(good, [SIX[:-1]]), "does not fill"),
        (archive(good, []), "data/0"),
    ]:
        with pytest.raises(mg.CheckpointError, match=message):
            nn.load_torch(content)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("archive/data.pkl", good)
        z.writestr("archive/data/0", bytes(10**7))
    bomb.seek(0)
    with pytest.raises(mg.CheckpointError, match="compressed"):
        nn.load_torch(bomb)
    mg.save({"x": mg.ones(2)}, tmp_path / "ours")
    with pytest.raises(mg.CheckpointError, match=r"ours: not a PyTorch checkpoint.*no data.pkl"):
        nn.load_torch(tmp_path / "ours")
    with pytest.raises(mg.CheckpointError, match=r"zip.pt: not a checkpoint.*nn.load_torch reads it"):
        mg.load(FOLDER / "zip.pt")
    for content in (b"", b"hello", pickle.dumps(5, 2), bytes(600), b"\x80\x02" + bytes(600)):
        with pytest.raises(mg.CheckpointError, match="not a PyTorch checkpoint"):
            nn.load_torch(io.BytesIO(content))
    with pytest.raises(FileNotFoundError):
        nn.load_torch(tmp_path / "nowhere")


def test_sparse_and_linked_members_are_refused():
    """A tar archive can claim zeros that it does not have, and members that are others."""
    for kind in (tarfile.SYMTYPE, tarfile.GNUTYPE_SPARSE, tarfile.FIFOTYPE):
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w:", format=tarfile.GNU_FORMAT) as z:
            info = tarfile.TarInfo("storages")
            info.type, info.linkname = kind, "/etc/passwd"
            z.addfile(info)
        with pytest.raises(mg.CheckpointError, match="PyTorch checkpoint"):
            nn.load_torch(io.BytesIO(tar.getvalue()))


@pytest.mark.parametrize("kind", ["torch.FloatStorage", "torch.BFloat16Storage"])
def test_a_small_file_does_not_fill_the_memory(kind):
    """Expanded tensors, and parts without end of one storage, take the memory of the storage and of two copies of the file."""
    width = 2 if "BFloat" in kind else 4
    n = 100_000
    huge = tensor(0, (10**6, 10**6), (0, 0), numel=n, kind=kind)
    parts = [tensor(i, (n - 1000,), (1,), numel=n, kind=kind) for i in range(1000)]
    content = archive(pickled({"huge": huge, "parts": parts}), [np.arange(n, dtype="<u4").astype(f"<u{width}").tobytes()])
    loaded = nn.load_torch(content)
    assert loaded["huge"].shape == (10**6, 10**6) and loaded["huge"][5, 5] == loaded["parts"][0][0]
    arrays = [numpy(p) for p in loaded["parts"]]
    owned = sum(a.nbytes for a in arrays if a.base is None)
    assert 0 < owned <= 2 * len(content.getvalue()) and not arrays[-1].flags.writeable
    part = loaded["parts"][-1]
    before = numpy(loaded["parts"][-2]).copy()
    part[0] = 7  # the parts are one storage: PyTorch would write into all of them
    assert part[0] == 7 and same(numpy(loaded["parts"][-2]), before)


def test_a_deep_or_endless_pickle():
    deep = b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."
    assert isinstance(nn.load_torch(archive(deep)), list)
    loop = nn.load_torch(archive(b"\x80\x02]q\x00h\x00a."))
    assert loop[0] is loop
    doubling = b"\x80\x02)" + b"2\x86" * 200 + b"."  # a tuple of 2**200 leaves, in 400 bytes
    assert len(nn.load_torch(archive(doubling))) == 2
    with pytest.raises(mg.CheckpointError, match="key of type tuple"):
        nn.load_torch(archive(b"\x80\x02})" + b"2\x86" * 200 + b"Ns."))


# ----------------------------------------------------------------------------------------------------------- damage

CONTENTS = {name: (FOLDER / f"{name}.pt").read_bytes() for name in MADE["NAMES"]}
RIGHT = {name: nn.load_torch(FOLDER / f"{name}.pt") for name in MADE["NAMES"]}


def identical(a, b) -> bool:
    if isinstance(a, dict):
        return type(a) is type(b) and list(a) == list(b) and all(identical(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(identical, a, b))
    if isinstance(a, (mg.Tensor, ComplexPair, np.ndarray)):
        return type(a) is type(b) and same(numpy(a), numpy(b))
    return type(a) is type(b) and a == b


def is_plain(value) -> bool:
    if isinstance(value, dict):
        return all(map(is_plain, value)) and all(map(is_plain, value.values()))
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(is_plain, value))
    return isinstance(value, (mg.Tensor, ComplexPair, np.ndarray, str, bytes, bytearray, int, float, type(None), np.dtype, mg.dtype))


def check_damaged(name: str, content: bytes) -> None:
    """Refused; or, in an archive with checksums, read right; or, in the older formats, read as tensors of which numbers may differ."""
    try:
        loaded = nn.load_torch(io.BytesIO(content))
    except mg.CheckpointError:
        return
    if name in ("zip", "big"):
        assert identical(loaded, RIGHT[name])
    else:
        assert is_plain(loaded)


@pytest.mark.parametrize("name", MADE["NAMES"])
def test_truncated_files_are_refused(name):
    content = CONTENTS[name]
    end = len(content) if name != "tar" else content.rstrip(b"\0").__len__()  # a tar archive is filled up with zeros
    for length in range(0, end, 7):
        with pytest.raises(mg.CheckpointError):
            nn.load_torch(io.BytesIO(content[:length]))


@pytest.mark.parametrize("name", MADE["NAMES"])
def test_every_flipped_byte_is_refused_or_harmless(name):
    content = CONTENTS[name]
    rng = np.random.default_rng(0)
    for place in range(0, len(content), len(content) // 400 if settings.default.max_examples < 100 else 1):
        damaged = bytearray(content)
        damaged[place] ^= int(rng.integers(1, 256))
        check_damaged(name, bytes(damaged))


@pytest.mark.parametrize("name", MADE["NAMES"])
@given(st.data())
@settings(max_examples=max(100, settings.default.max_examples))
def test_random_damage_is_refused_or_harmless(name, data):
    damaged = bytearray(CONTENTS[name])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        piece = data.draw(st.binary(max_size=8) | st.sampled_from([b"\xff" * 4, b"\0" * 4, struct.pack("<q", len(damaged))]))
        damaged[place : place + data.draw(st.sampled_from([0, len(piece), len(piece), len(piece) + 3]))] = piece
    check_damaged(name, bytes(damaged))


@given(st.data())
@settings(max_examples=max(300, settings.default.max_examples))
def test_random_pickles_are_refused_or_plain(data):
    """Damage inside of the pickle of an archive whose checksums are right, so that it reaches the machine."""
    good = bytearray(zipfile.ZipFile(FOLDER / "zip.pt").read("zip/data.pkl"))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(good) - 1))
        good[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    buffer = io.BytesIO()
    with zipfile.ZipFile(FOLDER / "zip.pt") as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, bytes(good) if name == "zip/data.pkl" else old.read(name))
    buffer.seek(0)
    with contextlib.suppress(mg.CheckpointError):
        assert is_plain(nn.load_torch(buffer))
