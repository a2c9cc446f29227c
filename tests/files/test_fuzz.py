"""Readers of files are given damaged and hostile ones. ``pytest tests/files/test_fuzz.py --fuzz 10000`` gives each so many."""

import gzip
import io
import pickle
import struct
import zipfile
from collections import OrderedDict

import fuzz
import numpy as np
import onnx_files
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.engine import Shell, inside
from minigrad.files.checkpoint import CheckpointError
from minigrad.files.events import EventError, read_scalars
from minigrad.files.torch_writer import save_torch
from minigrad.nn.data import CIFAR10
from minigrad.nn.data import cifar as cifar_files
from minigrad.nn.data.idx import DataError, read_idx, to_idx
from minigrad.onnx import OnnxError
from minigrad.tree import leaves


def saved(write, *values):
    found = []
    for value in values:
        buffer = io.BytesIO()
        write(value, buffer)
        found.append(buffer.getvalue())
    return found


STATE = {
    "model": OrderedDict(weight=mg.arange(6.0).reshape(2, 3), bias=mg.ones(3, dtype=mg.float64), half=mg.ones(2, dtype=mg.float16)),
    "step": 3,
    "text": "ü",
    "list": [1, 2.5, None, True, (mg.zeros(0, 2),)],
}


def sound(value, length):
    """Nothing in it is longer than the file; every array can be read."""
    for leaf in leaves(value, widest=1000, deepest=50):
        array = inside(leaf)._data if isinstance(leaf, (mg.Tensor, Shell)) else leaf
        if isinstance(array, np.ndarray):
            assert array.nbytes <= 4 * length + 64
            array.copy().sum()
        else:
            assert isinstance(array, (str, bytes, int, float, complex, type(None), np.generic, np.dtype, mg.dtype, set, frozenset)), type(
                array
            )
    return True


def crc32c_record(data):
    from minigrad.files.events import _masked

    head = struct.pack("<Q", len(data))
    return head + struct.pack("<I", _masked(memoryview(head))) + data + struct.pack("<I", _masked(memoryview(data)))


def events():
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    from tensorboardX.proto.summary_pb2 import Summary
    from tensorboardX.proto.tensor_pb2 import TensorProto

    values = [Summary.Value(tag="loss", simple_value=0.5), Summary.Value(tag="t", tensor=TensorProto(dtype="DT_FLOAT", float_val=[2.0]))]
    made = [
        event_pb2.Event(wall_time=1.0, file_version="brain.Event:2"),
        event_pb2.Event(wall_time=2.0, step=7, summary=Summary(value=values)),
    ]
    return [event.SerializeToString() for event in made]


def read_events(path):
    found = read_scalars(path)
    assert all(isinstance(tag, str) and all(isinstance(v, float) and isinstance(s, int) for s, v in curve) for tag, curve in found.items())


def read_records(path):
    """The bytes as the content of a record whose checksums are right: what is damaged is the event."""
    path.write_bytes(crc32c_record(path.read_bytes()))
    read_events(path)


def rezipped(original, entry):
    """A reader of an archive in which ``entry`` has the bytes that are in the file: checksums are right, what is damaged is inside."""

    def read(path, load):
        content = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(original)) as archive, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as damaged:
            for name in archive.namelist():
                damaged.writestr(name, content if name.endswith(entry) else archive.read(name))
        return sound(load(path), path.stat().st_size)

    return read


def entry(original, name):
    with zipfile.ZipFile(io.BytesIO(original)) as archive:
        return archive.read(next(n for n in archive.namelist() if n.endswith(name)))


OURS = saved(mg.save, STATE)[0]
THEIRS = saved(save_torch, STATE)[0]


def cifar(protocol):
    rng = np.random.default_rng(0)
    return pickle.dumps({b"data": rng.integers(0, 256, (2, 3072), dtype=np.uint8), b"labels": [3, 9], b"batch_label": b"x"}, protocol)


def read_cifar(path):
    images, labels = CIFAR10.__new__(CIFAR10)._read(path)
    assert images.shape[0] == len(labels) and images.dtype == np.uint8 and (np.asarray(labels) < 10).all()


def read_cifar_binary(path):
    images, labels = CIFAR10.__new__(CIFAR10)._read_binary(path)
    assert images.shape[0] == len(labels) and images.dtype == np.uint8


def safetensors():
    library = pytest.importorskip("safetensors.numpy")
    return [library.save({"a": np.arange(6.0).reshape(2, 3), "b": np.ones(3, np.float16)}, {"m": "x"})]


SMALL = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
READERS = {  # name -> the valid files, how one is read, what may be raised
    "idx": (lambda: [to_idx(SMALL), to_idx(np.eye(3)), to_idx(np.uint8([1, 2]))], read_idx, DataError),
    "idx.gz": (lambda: [gzip.compress(to_idx(SMALL), mtime=0)], read_idx, DataError),
    "cifar": (lambda: [cifar(2), cifar(3), cifar(4)], read_cifar, DataError),
    "cifar binary": (lambda: [bytes([3]) + bytes(3072), bytes([3]) + bytes(3072) + bytes([9]) + bytes(3072)], read_cifar_binary, DataError),
    "checkpoint": (lambda: saved(mg.save, STATE, [np.arange(3)]), lambda p: sound(mg.load(p), p.stat().st_size), CheckpointError),
    "PyTorch": (lambda: saved(save_torch, STATE, STATE["model"]), lambda p: sound(nn.load_torch(p), p.stat().st_size), CheckpointError),
    "structure": (lambda: [entry(OURS, "state.json")], lambda p: rezipped(OURS, "state.json")(p, mg.load), CheckpointError),
    "npy": (lambda: [entry(OURS, f"{i}.npy") for i in (0, 1)], lambda p: rezipped(OURS, "0.npy")(p, mg.load), CheckpointError),
    "PyTorch's pickle": (lambda: [entry(THEIRS, "data.pkl")], lambda p: rezipped(THEIRS, "data.pkl")(p, nn.load_torch), CheckpointError),
    "safetensors": (safetensors, lambda p: sound(nn.load_safetensors(p), p.stat().st_size), CheckpointError),
    "event file": (lambda: [b"".join(map(crc32c_record, events()))], read_events, EventError),
    "event": (events, read_records, EventError),
    "ONNX": (onnx_files.valid, onnx_files.read, OnnxError),
}


@pytest.mark.parametrize("name", READERS)
def test_damaged_files(name, tmp_path, pytestconfig):
    files, read, errors = READERS[name]
    fuzz.check_reader(tmp_path, files(), read, errors, pytestconfig.getoption("--fuzz"))


def test_damaged_graphs_of_onnx(tmp_path, pytestconfig):
    """Any operator with inputs and attributes that are extreme: sizes, axes, loops; loaded and run."""
    fuzz.check_reader(tmp_path, onnx_files.valid(), onnx_files.read, OnnxError, pytestconfig.getoption("--fuzz"), onnx_files.hostile())


# ------------------------------------------------------------------------------------- what a file can be made to ask for


def opcodes(*parts):
    return b"\x80\x02" + b"".join(parts) + b"."


def called(module, name, *arguments):
    return f"c{module}\n{name}\n".encode() + b"(" + b"".join(arguments) + b"tR"


HOSTILE = {
    "a memo of 2**30 places": opcodes(b"}", b"r" + struct.pack("<I", 1 << 30)),
    "an array of 2**40 bytes": opcodes(called("numpy", "ndarray", b"\x8a\x06" + (1 << 40).to_bytes(6, "little"))),
    "a bytearray of 2**60 bytes": opcodes(b"\x96" + struct.pack("<Q", 1 << 60)),
    "bytes of 2**60": opcodes(b"\x8e" + struct.pack("<Q", 1 << 60)),
    "a frame of 2**60": b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"}.",
    "a codec that unpacks": opcodes(called("_codecs", "encode", b"X\x01\x00\x00\x00xX\x03\x00\x00\x00zip")),
    "attributes for a function": opcodes(b"c_codecs\nencode\n", b"N}X\x04\x00\x00\x00evilK\x01s\x86b"),
    "a program": opcodes(called("os", "system", b"X\x04\x00\x00\x00true")),
    "the interpreter's own": opcodes(called("builtins", "eval", b"X\x01\x00\x00\x001")),
    "a key whose hash takes for ever": opcodes(b"}", b")q\x00", b"".join(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(60)), b"K\x01s"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_of_cifar(name, tmp_path):
    path = tmp_path / "data_batch_1"
    path.write_bytes(HOSTILE[name])
    assert fuzz.read_hostile(path, read_cifar, DataError) is None
    with pytest.raises(DataError, match="no file of CIFAR"):
        read_cifar(path)
    assert not hasattr(cifar_files._encoded, "evil")


def test_a_pickle_of_pytorch_s_that_says_it_is_long_reserves_no_memory(tmp_path):
    path = tmp_path / "old.pt"
    for opcode in (b"\x8d", b"\x8e", b"\x96"):  # a text, bytes and a bytearray of 2**56
        path.write_bytes(opcode + struct.pack("<Q", 1 << 56))
        assert fuzz.read_hostile(path, nn.load_torch, CheckpointError) is None


# what a pickle has made it can use again and again, for two or three bytes each time


def text(content):
    return b"X" + struct.pack("<I", len(content)) + content


def repeated(what, times):
    return b"(" + what * times + b"l"


NESTED = b")q\x00" + b"".join(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(60)) + b"0"  # 60 tuples, each with the one before twice
LONG_LIST = b"(" + b"K\x01" * 200_000 + b"tq\x00" + b"0"
LONG_TEXT = text(b"x" * 1_000_000) + b"q\x00" + b"0"
PAIRS = b"(" + b"".join(b"M" + struct.pack("<H", i) + b"N\x86" for i in range(50_000)) + b"tq\x00" + b"0"
STORAGE = b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"0") + text(b"cpu")
MULTIPLES = b"".join(b"\x8a\x0b" + (i * (2**61 - 1)).to_bytes(11, "little") + b"N" for i in range(1, 50_000))

OF_PYTORCH = {
    "sizes": opcodes(LONG_LIST, repeated(called("torch", "Size", b"h\x00"), 2000)),
    "sets": opcodes(LONG_LIST, repeated(called("builtins", "frozenset", b"h\x00"), 2000)),
    "dicts": opcodes(PAIRS, repeated(called("collections", "OrderedDict", b"h\x00"), 2000)),
    "bytes": opcodes(LONG_TEXT, repeated(called("_codecs", "encode", b"h\x00"), 6000)),
    "devices": opcodes(LONG_TEXT, repeated(called("torch", "device", b"h\x00K\x01"), 6000)),
    "keys of many parts": opcodes(LONG_LIST, b"}" + b"h\x00Ns" * 20_000),
    "keys with one hash": opcodes(b"}(", MULTIPLES, b"u"),
    "a nested size": opcodes(NESTED, called("torch", "Size", b"h\x3c\x85")),
    "a nested encoding": opcodes(NESTED, called("_codecs", "encode", text(b"x"), b"h\x3c")),
    "a nested name of a storage": opcodes(NESTED, b"(h\x3ch\x00h\x00h\x00h\x00tQ"),
    "a nested length of a storage": opcodes(NESTED, STORAGE + b"h\x3ctQ"),
}


@pytest.mark.parametrize("name", OF_PYTORCH)
def test_pickles_of_pytorch_that_use_again_what_they_have_made(name, tmp_path):
    path = tmp_path / "file.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", OF_PYTORCH[name])
        archive.writestr("a/data/0", bytes(16))
    assert fuzz.read_hostile(path, nn.load_torch, CheckpointError) is None
    with pytest.raises(
        CheckpointError, match=r"again and again|has a key|where a size or a position|for the encoding a tuple|it holds a tuple"
    ):
        nn.load_torch(path)


def test_sets_and_keys_that_real_checkpoints_have_are_read(tmp_path):
    """What is there once in the file is never too much, short keys may be used often."""
    made = {
        "set": set(range(1000)),
        "size": tuple(range(1000)),
        "dicts": [{("a", 1): i} for i in range(1000)],
        "bytes": [b"\xff" * 1000] * 5,
    }
    path = tmp_path / "file.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps(made, 2))
    assert nn.load_torch(path) == made


ARRAY = called("numpy.core.multiarray", "_reconstruct", b"N", b"N", b"N")
NUMBER = b"\x8a\x05" + (1 << 34).to_bytes(5, "little")
BYTE = called("numpy", "dtype", text(b"u1"))
OF_CIFAR = {
    "texts": opcodes(LONG_TEXT, repeated(called("_codecs", "encode", b"h\x00" + text(b"latin1")), 6000)),
    "arrays": opcodes(
        b"T" + struct.pack("<I", 1_000_000) + bytes(1_000_000) + b"q\x000",
        repeated(ARRAY + b"(NJ" + struct.pack("<I", 1_000_000) + b"\x85" + BYTE + b"\x89h\x00tb", 4000),
    ),
    "a nested dtype": opcodes(NESTED, called("numpy", "dtype", b"h\x3c")),
    "a nested byte order": opcodes(NESTED, called("numpy", "dtype", text(b"u1")), b"(Nh\x3ctb"),
    "a nested encoding": opcodes(NESTED, called("_codecs", "encode", text(b"x"), b"h\x3c")),
    "a nested shape": opcodes(NESTED, ARRAY, b"(Nh\x3c", BYTE, b"\x89", text(b"x"), b"tb"),
    "a shape with a text": opcodes(ARRAY, b"(N", text(b"abcd") + NUMBER + b"\x86", BYTE, b"\x89", text(b"x"), b"tb"),
}


@pytest.mark.parametrize("name", OF_CIFAR)
def test_pickles_of_cifar_that_use_again_what_they_have_made(name, tmp_path):
    path = tmp_path / "data_batch_1"
    path.write_bytes(OF_CIFAR[name])
    assert fuzz.read_hostile(path, read_cifar, DataError) is None


@pytest.mark.parametrize("sizes", [(0, 2**32 - 1, 2**32 - 1, 2**32 - 1), (2**32 - 1, 2**32 - 1, 0), (0, *[2**32 - 1] * 31)])
def test_an_empty_idx_of_a_shape_that_numpy_has_not(sizes, tmp_path):
    path = tmp_path / "file.idx"
    path.write_bytes(bytes([0, 0, 14, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes))
    with pytest.raises(DataError, match="no array has the shape"):
        read_idx(path)


def test_labels_in_lists_of_lists_fill_no_memory(tmp_path):
    """Thirty lists, each with the one before twice: as an array they would have 2**30 numbers."""
    labels = [1]
    for _ in range(30):
        labels = [labels, labels]
    path = tmp_path / "data_batch_1"
    path.write_bytes(pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": labels}, 2))
    with pytest.raises(DataError, match="must be an array and a list of numbers"):
        read_cifar(path)


def test_a_gzip_that_would_fill_the_memory(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 1]) + struct.pack(">I", 1 << 27) + bytes(1 << 27), mtime=0))
    with pytest.raises(DataError, match=r"holds more than .* bytes, which images or labels never do"):
        read_idx(path)


def test_the_guard_finds_what_it_looks_for(tmp_path):
    """A reader that runs what a file says, one that reserves too much, and one that does not end are found."""
    path = tmp_path / "file"
    path.write_bytes(HOSTILE["a program"])
    with pytest.raises(AssertionError, match=r"reading a file did os\.system"):
        fuzz.read_hostile(path, lambda p: pickle.loads(p.read_bytes()), DataError)

    def greedy(path):
        try:
            np.empty(3 << 30, np.uint8)
        except MemoryError as error:
            raise DataError("a message that is long enough") from error

    def silent(path):
        raise DataError("bad")

    if fuzz.resource is not None:
        with pytest.raises(AssertionError, match="MemoryError"):
            fuzz.read_hostile(path, greedy, DataError)
    with pytest.raises(AssertionError, match="says nothing"):
        fuzz.read_hostile(path, silent, DataError)
