"""The class of dtypes: what numpy makes of it, that it equals numpy's, what it is asked in PyTorch's words and in numpy's."""

import copy
import pickle

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.dtypes import OF_NUMPY

ALL = list(OF_NUMPY.values())


@pytest.mark.parametrize("d", ALL, ids=str)
def test_numpy_takes_it(d):
    theirs = np.dtype(d.name)
    assert type(np.dtype(d)) is type(theirs) and d.dtype is theirs
    ones = np.ones(2, d)
    for array in (
        ones,
        np.empty(2, dtype=d),
        np.ones(2, bool).astype(d),
        np.asarray([1, 0], d),
        np.frombuffer(ones, d),
        np.zeros_like([1], dtype=d),
    ):
        assert array.dtype is theirs
    assert (
        np.add.reduce(ones, dtype=d).dtype == theirs and ones.sum(dtype=d).dtype == theirs and np.add(ones, ones, dtype=d).dtype == theirs
    )
    assert np.result_type(d, np.int8) == np.result_type(theirs, np.int8) and np.promote_types(d, "i1") == np.promote_types(theirs, "i1")
    assert np.can_cast(d, np.float64) == np.can_cast(theirs, np.float64) and np.can_cast(np.int8, d) == np.can_cast(np.int8, theirs)
    for kind in (np.floating, np.integer, np.signedinteger, np.complexfloating, np.bool_, np.number):
        assert np.issubdtype(d, kind) == np.issubdtype(theirs, kind)
    if d.kind in "fc":
        assert np.finfo(d).dtype == np.finfo(theirs).dtype
    elif d.kind in "iu":
        assert np.iinfo(d).max == np.iinfo(theirs).max


@pytest.mark.parametrize("d", ALL, ids=str)
def test_it_equals_numpys(d):
    theirs, other = np.dtype(d.name), np.dtype("float64" if d.name != "float64" else "int8")
    for value in (theirs, theirs.type, theirs.name, theirs.str, d):
        assert d == value and value == d and not d != value and not value != d  # noqa: SIM202  (the operator itself is asked)
    for value in (other, other.type, other.name, None, "nonsense", 5, object(), [d], mg.dtype(other)):
        assert d != value and value != d and not d == value and not value == d  # noqa: SIM201  (the operator itself is asked)
    assert hash(d) == hash(theirs) and {theirs: 1}[d] == 1 and {d: 1}[theirs] == 1 and theirs in {d} and d in {theirs}
    assert d in (np.int8, theirs) and theirs in (mg.int8, d)


@pytest.mark.parametrize("d", ALL, ids=str)
def test_there_is_one_of_each(d):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(d, protocol)) is d
    assert copy.deepcopy(d) is d and copy.copy(d) is d and mg.dtype(d.name) is d and mg.dtype(d.dtype) is d and mg.dtype(d) is d
    with pytest.raises(AttributeError):
        d.anything = 1


def test_where_it_comes_from():
    x = mg.tensor([1, 2])
    assert x.dtype is mg.int64 and mg.tensor(1.5).dtype is mg.get_default_dtype() is mg.float32 and isinstance(x.dtype, mg.dtype)
    assert (
        x.float().dtype is mg.float is mg.float32
        and mg.promote_types(mg.int8, mg.float16) is mg.float16
        and mg.result_type(x, 1.5) is mg.float32
    )
    assert (
        mg.finfo(mg.float64).dtype is mg.float64
        and mg.iinfo(mg.uint8).dtype is mg.uint8
        and mg.complex(x.float(), x.float()).dtype.is_complex
    )
    assert mg.from_numpy(np.ones(2, np.longlong)).dtype is mg.int64 and x.numpy().dtype.__class__ is not mg.dtype
    with mg.enable_grad():
        w = mg.ones(2, dtype=mg.float16, requires_grad=True)
        (g,) = mg.grad((w * w).sum(), [w], create_graph=True)
    assert g.dtype is mg.float16 and nn.UninitializedParameter().dtype is mg.float32 and x.to("float64").to(w.dtype).dtype is w.dtype
    assert np.empty(2, w.dtype).dtype == w.numpy(force=True).dtype


def test_pytorchs_words():
    assert [d.name for d in ALL if d.is_floating_point] == ["float16", "float32", "float64"]
    assert [d.name for d in ALL if d.is_complex] == ["complex64", "complex128"]
    assert [d.name for d in ALL if not d.is_signed] == ["uint8", "uint16", "uint32", "uint64", "bool"]
    assert [d.itemsize for d in ALL] == [2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1, 8, 16]
    assert all(d.to_real() is d for d in ALL if not d.is_complex) and mg.float64.to_complex().to_real() is mg.float64
    for d in (mg.int64, mg.bool, mg.float16):
        with pytest.raises(TypeError, match=f"^to_complex: there are no complex numbers of {d.name}; "):
            d.to_complex()


def test_numpys_words():
    for name in [n for n in dir(np.dtype) if n[0] != "_"]:
        assert repr(getattr(mg.float32, name))[:20] == repr(getattr(np.dtype(np.float32), name))[:20]
    assert mg.float32.newbyteorder(">") == np.dtype(">f4") and mg.int32.type(3).dtype == mg.int32


def test_what_is_printed():
    assert (str(mg.float32), f"{mg.float32}", f"{mg.int8:>12}", repr(mg.bool), f"{mg.int8!r}") == (
        "torch.float32",
        "torch.float32",
        "  torch.int8",
        "torch.bool",
        "torch.int8",
    )
    assert repr(mg.tensor([1.0], dtype=mg.float64)) == "tensor([1.], dtype=torch.float64)"


def test_what_is_not_there():
    with pytest.raises(AttributeError, match=r"^dtype float32 has no attribute 'is_float'$"):
        _ = mg.float32.is_float
    with pytest.raises(AttributeError, match=r"^dtype float32 has no attribute 'abbr': name is the whole one$"):
        _ = mg.float32.abbr
    for value in (None, object, "float3", "S3", ">f4"):
        with pytest.raises(TypeError, match=r"^dtype: .* is none that tensors have; they are float16, "):
            mg.dtype(value)


def test_limits():
    for info, theirs in ((mg.finfo(mg.float16), np.finfo(np.float16)), (mg.iinfo(mg.int8), np.iinfo(np.int8))):
        assert info.bits == theirs.bits and info.max == theirs.max and type(info.min) in (int, float)
        assert pickle.loads(pickle.dumps(info)) == info != mg.finfo() and hash(info) == hash(copy.copy(info))
        with pytest.raises(AttributeError, match=r"info\(.* has no attribute 'nothing'$"):
            _ = info.nothing
    assert mg.finfo() == mg.finfo(mg.float32) and mg.finfo(mg.float16).resolution == 0.001 and mg.finfo(mg.float64).nmant == 52
    for ask, d in ((mg.finfo, mg.int8), (mg.iinfo, mg.float32), (mg.iinfo, mg.bool), (mg.iinfo, None), (mg.finfo, mg.mul)):
        with pytest.raises(TypeError, match=f"^{ask.__name__}: "):
            ask(d)
