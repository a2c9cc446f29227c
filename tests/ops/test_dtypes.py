"""Gradients have the dtypes of their arguments, the default dtype, and mixed dtypes; tests/ops/test_result_dtypes.py has the table."""

import itertools

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn


@pytest.mark.parametrize("name", ["add", "mul", "div", "maximum", "pow"])
def test_gradients_have_the_dtype_of_their_argument(name):
    for a, b in itertools.product(["float32", "float64"], repeat=2):
        for a_shape, b_shape in [((2,), ()), ((), (2,)), ((2,), (2,))]:
            x, y = mg.ones(a_shape, dtype=a, requires_grad=True), mg.ones(b_shape, dtype=b, requires_grad=True)
            getattr(mg, name)(x, y).sum().backward()
            assert (x.grad.dtype, y.grad.dtype, x.grad.shape, y.grad.shape) == (a, b, a_shape, b_shape)


def test_default_dtype():
    """What integers and Python floats become follows set_default_dtype."""
    before = mg.get_default_dtype()
    try:
        mg.set_default_dtype(mg.float64)
        assert mg.tensor(1.5).dtype == mg.float64
        assert (mg.tensor([1, 2]) / 2).dtype == mg.float64
        assert mg.tensor([1, 2]).exp().dtype == mg.float64
        assert (mg.tensor([1, 2]) * 1.5).dtype == mg.float64
        assert mg.zeros(2).dtype == mg.float64
        for wrong, told in ((mg.int64, "int64"), (bool, "bool"), (None, "None")):
            with pytest.raises(TypeError, match=f"^set_default_dtype: dtype must be float16, float32 or float64, but is {told}"):
                mg.set_default_dtype(wrong)
        assert mg.get_default_dtype() == mg.float64
    finally:
        mg.set_default_dtype(before)
    assert (mg.tensor([1, 2]) / 2).dtype == mg.float32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.Linear(2, 3)(mg.ones(1, 2, dtype=mg.float64)), "linear: input is float64 but weight is float32; convert one, as in"),
        (lambda: nn.Linear(2, 3)(mg.ones(1, 2, dtype=mg.int64)), "linear: input is int64 but weight is float32"),
        (lambda: F.linear(mg.ones(1, 2), mg.ones(3, 2), mg.ones(3, dtype=mg.float64)), "linear: input is float32 but bias is float64"),
        (lambda: nn.Bilinear(2, 2, 3)(mg.ones(1, 2), mg.ones(1, 2, dtype=mg.float64)), "bilinear: input is float32 but input2 is float64"),
        (lambda: nn.LayerNorm(2)(mg.ones(1, 2, dtype=mg.float64)), "layer_norm: input is float64 but weight is float32"),
        (lambda: nn.GroupNorm(1, 2)(mg.ones(1, 2, 3, dtype=mg.float64)), "group_norm: input is float64 but weight is float32"),
        (lambda: nn.BatchNorm1d(2)(mg.ones(3, 2, dtype=mg.float64)), "batch_norm: input is float64 but running_mean is float32"),
        (lambda: nn.BatchNorm1d(2).eval()(mg.ones(3, 2, dtype=mg.float64)), "batch_norm: input is float64 but running_mean is float32"),
        (lambda: nn.BatchNorm1d(2)(mg.ones(3, 2, dtype=mg.int64)), "batch_norm: the input must be floating, not int64"),
        (
            lambda: F.batch_norm(mg.ones(3, 2).half(), mg.ones(2), mg.ones(2), mg.ones(2).half()),
            "batch_norm: input is float16 but running_mean",
        ),
        (lambda: nn.InstanceNorm1d(2)(mg.ones(3, 2, 4, dtype=mg.int64)), "instance_norm: the input must be floating, not int64"),
        (lambda: nn.RMSNorm(2)(mg.ones(3, 2, dtype=mg.int64)), "rms_norm: the input must be floating, not int64"),
        (lambda: nn.RNN(2, 2)(mg.ones(1, 2, dtype=mg.float64)), "RNN: input is float64 but weight_ih_l0 is float32"),
        (lambda: nn.LSTM(2, 2).double()(mg.ones(1, 2)), "LSTM: input is float32 but weight_ih_l0 is float64"),
        (lambda: nn.GRU(2, 2)(mg.ones(1, 2), mg.zeros(1, 2, dtype=mg.float64)), "GRU: input is float32 but h_0 is float64"),
        (lambda: nn.GRUCell(2, 2)(mg.ones(1, 2), mg.zeros(1, 2, dtype=mg.float64)), "GRUCell: input is float32 but hx is float64"),
        (lambda: nn.LSTMCell(2, 2)(mg.ones(1, 2).double()), "LSTMCell: input is float64 but weight_ih is float32"),
        (lambda: nn.MultiheadAttention(2, 1)(*[mg.ones(1, 2).double()] * 3), "linear: input is float64 but weight is float32"),
        (
            lambda: F.scaled_dot_product_attention(mg.ones(2, 2), mg.ones(2, 2).double(), mg.ones(2, 2)),
            "scaled_dot_product_attention: query is",
        ),
        (lambda: nn.PReLU()(mg.ones(2).double()), "prelu: input is float64 but weight is float32"),
        (lambda: nn.Embedding(2, 2)(mg.ones(2)), "embedding: .*integers"),
        (
            lambda: F.embedding_bag(mg.zeros(1, 2).long(), mg.ones(2, 2), per_sample_weights=mg.ones(1, 2).double(), mode="sum"),
            "embedding_bag: weight is float32 but per_sample_weights is float64",
        ),
    ],
)
def test_layers_refuse_an_input_of_another_dtype(call, message):
    with pytest.raises((RuntimeError, TypeError), match=f"^{message}"):
        call()


def test_float16_goes_with_parameters_of_float32_in_normalisation():
    """As in PyTorch the result is float16, and so is that of rms_norm, which takes any weight."""
    x = mg.tensor([[1.0, 2.0], [3.0, 6.0], [5.0, 7.0]], dtype=mg.float16)
    for layer in (nn.BatchNorm1d(2), nn.BatchNorm1d(2).eval(), nn.LayerNorm(2), nn.GroupNorm(1, 2), nn.RMSNorm(2)):
        assert layer(x).dtype == mg.float16
        np.testing.assert_allclose(layer.eval()(x).numpy(force=True), layer(x.float()).numpy(force=True), rtol=2e-3)
    assert F.rms_norm(x.float(), (2,), mg.ones(2, dtype=mg.float64)).dtype == mg.float32


# --------------------------------------------------------------------------------------------- what is no number


PAIRS_TOO = [  # a complex dtype makes complex pairs
    lambda d: mg.zeros(2, dtype=d), lambda d: mg.ones(2, dtype=d), lambda d: mg.empty(2, dtype=d), lambda d: mg.full((2,), 1, dtype=d),
    lambda d: mg.eye(2, dtype=d)[0], lambda d: mg.linspace(0, 1, 2, dtype=d), lambda d: mg.rand(2, dtype=d), lambda d: mg.randn(2, dtype=d),
    lambda d: mg.zeros_like(mg.ones(2), dtype=d), lambda d: mg.full_like(mg.ones(2), 1, dtype=d), lambda d: mg.tensor([1, 2], dtype=d),
    lambda d: mg.as_tensor([1, 2], dtype=d), lambda d: mg.as_tensor(mg.ones(2), dtype=d), lambda d: mg.ones(2).to(dtype=d),
    lambda d: mg.ones(2).new_zeros(2, dtype=d), lambda d: mg.ones(2).new_empty(2, dtype=d), lambda d: mg.rand_like(mg.ones(2), dtype=d),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [mg.complex64, mg.cdouble, np.complex64, "complex128"])
@pytest.mark.parametrize("call", PAIRS_TOO)
def test_a_complex_dtype_makes_a_complex_pair(call, dtype):
    made = call(dtype)
    assert made.shape == (2,) and made.dtype == dtype and made.is_complex() and made.numpy().dtype == dtype


@pytest.mark.parametrize(
    "dtype",
    [object, "S3", "U2", "datetime64[s]", "timedelta64[s]", np.void, np.longdouble, np.clongdouble, "no such", np.complex64, complex],
)
@pytest.mark.parametrize(
    "call",
    [
        lambda d: mg.arange(3, dtype=d), lambda d: mg.randint(3, (2,), dtype=d), lambda d: mg.randperm(3, dtype=d),
        lambda d: mg.Tensor([1, 2], dtype=d), lambda d: mg.Tensor(2, dtype=d), lambda d: mg.ones(2).sum(dtype=d),
        lambda d: mg.ones(2).mean(dtype=d), lambda d: mg.ones(2).prod(dtype=d), lambda d: mg.ones(2).cumsum(0, dtype=d),
        lambda d: mg.ones(2).softmax(0, dtype=d), lambda d: mg.norm(mg.ones(2), dtype=d),
        lambda d: nn.Linear(2, 2).to(dtype=d), lambda d: nn.LazyLinear(2, dtype=d), lambda d: mg.set_default_dtype(d), *PAIRS_TOO,
    ],
)  # fmt: skip
def test_a_dtype_that_is_no_number_is_refused_where_it_comes_in(call, dtype):
    """In one sentence, which begins with the function's name and says what is meant by complex numbers."""
    if call in PAIRS_TOO and dtype in (np.complex64, complex):
        pytest.skip("there it has a meaning")
    with pytest.raises(TypeError, match=r"^\w+: ") as caught:
        call(dtype)
    message = str(caught.value)
    assert "\n" not in message
    assert ("a real dtype is needed, not complex" in message) == (dtype in (np.complex64, complex, np.clongdouble))


@pytest.mark.parametrize(
    "call",
    [
        lambda: mg.tensor([1j], dtype=mg.float32), lambda: mg.tensor("abc"), lambda: mg.tensor(None), lambda: mg.tensor(["1", "2"]), lambda: mg.tensor([1, None]),
        lambda: mg.from_numpy(np.array(["a"])), lambda: mg.tensor(np.longdouble(1)), lambda: mg.ones(2) + np.array([1j, 2]),
        lambda: mg.ones(2).double() + np.array([1j, 2]), lambda: mg.maximum(mg.ones(2), 1j), lambda: mg.atan2(1j, 1.0),
        lambda: mg.cat([mg.ones(2), np.array([1j])]), lambda: mg.full((2,), "a"), lambda: mg.full((2,), 1j, dtype=mg.float32),
        lambda: mg.ones(2).fill_(1j), lambda: mg.ones(2).fill_("3"), lambda: mg.ones(2).__setitem__(0, "3"),
        lambda: mg.ones(2).__setitem__(slice(None), np.array([1j, 2])), lambda: mg.ones(2).__setitem__(0, None),
    ],
)  # fmt: skip
def test_a_value_that_is_no_number_is_refused_where_it_comes_in(call):
    with pytest.raises(TypeError, match=r"^[\w\[\] =]+: "):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: mg.tensor(300, dtype=mg.uint8), lambda: mg.tensor([1, 300], dtype=mg.uint8), lambda: mg.tensor(-256, dtype=mg.uint8),
        lambda: mg.tensor(300.5, dtype=mg.uint8), lambda: mg.tensor(1e10, dtype=mg.int32), lambda: mg.tensor(float("nan"), dtype=mg.int32),
        lambda: mg.tensor(float("inf"), dtype=mg.int64), lambda: mg.tensor(1e19, dtype=mg.int64), lambda: mg.tensor(np.int64(300), dtype=mg.uint8),
        lambda: mg.tensor([mg.tensor(300)], dtype=mg.uint8), lambda: mg.as_tensor(300, dtype=mg.uint8), lambda: mg.full((2,), 300, dtype=mg.uint8),
        lambda: mg.full_like(mg.zeros(2).to(mg.uint8), 300), lambda: mg.zeros(2).to(mg.uint8).new_full((2,), 300),
        lambda: mg.zeros(2).to(mg.uint8).fill_(300), lambda: mg.zeros(2).to(mg.uint8).__setitem__(0, 300),
        lambda: mg.zeros(2).to(mg.uint8).masked_fill(mg.tensor([True, False]), 300), lambda: mg.zeros(2).long().fill_(float("nan")),
    ],
)  # fmt: skip
def test_a_number_out_of_the_range_of_its_dtype_is_refused(call):
    with pytest.raises(RuntimeError, match=r"^[\w\[\] =]+: \S+ cannot be u?int\d+"):
        call()


def test_what_wraps_round_in_pytorch_wraps_round():
    """A negative integer in an unsigned dtype; arrays and Tensors in any."""
    assert mg.tensor(-1, dtype=mg.uint8).item() == mg.tensor(np.array([-1]), dtype=mg.uint8).item() == 255
    assert mg.tensor(mg.tensor(300), dtype=mg.uint8).item() == 44
    assert mg.tensor([2, 0], dtype=mg.bool).tolist() == [True, False]


# ------------------------------------------------------------------------------------------------- constructors


def test_the_old_constructor():
    assert mg.Tensor([1, 2]).dtype == mg.Tensor(np.array([1, 2])).dtype == mg.Tensor([[True]]).dtype == mg.float32
    assert mg.Tensor(mg.tensor([1, 2])).dtype == mg.int64
    assert (mg.Tensor().shape, mg.Tensor(3).shape, mg.Tensor(2, 3).shape, mg.Tensor(np.int64(3)).shape) == ((0,), (3,), (2, 3), (3,))
    assert mg.Tensor((2, 3)).tolist() == [2.0, 3.0]
    assert mg.Tensor([1], dtype=mg.int8, requires_grad=False).dtype == mg.int8
    for wrong in ((3.0,), (True,), ("a",), (2, 3.0), ([1], 2), (None,)):
        with pytest.raises(TypeError, match=r"^Tensor: "):
            mg.Tensor(*wrong)
    with pytest.raises(mg.ShapeError, match=r"^Tensor: a size cannot be negative"):
        mg.Tensor(-1)


def test_a_tensor_in_a_list_is_a_number():
    assert mg.tensor([mg.tensor([1.0]), mg.tensor([2.0])]).shape == (2,)
    assert mg.tensor([[mg.tensor([1.0])], [mg.tensor(2)]]).tolist() == [[1.0], [2.0]]
    assert mg.tensor([mg.tensor([[1]]), 2.5]).dtype == mg.tensor([mg.tensor(1), mg.tensor(2.5)]).dtype == mg.float32
    assert mg.tensor([mg.tensor(1.0, dtype=mg.float64), 1.0]).dtype == mg.tensor([1.0, np.float64(2)]).dtype == mg.float64
    assert mg.tensor([mg.tensor(1, dtype=mg.int32)]).dtype == mg.int32
    with pytest.raises(ValueError, match=r"^tensor: a Tensor of shape \(2,\) in a list is no number"):
        mg.tensor([mg.tensor([1.0, 2.0]), mg.tensor([2.0, 3.0])])


def test_counting_in_whole_numbers():
    """The ends are cut to whole numbers first, as in PyTorch."""
    assert mg.arange(0.1, -7.9, -4.0, dtype=mg.int64).tolist() == [0, -4]
    assert mg.arange(1.0, 5.000001, 2.0, dtype=mg.int64).tolist() == [1, 3] and mg.arange(3.1, dtype=mg.int64).tolist() == [0, 1, 2]
    assert mg.arange(3.1, dtype=mg.int32).tolist() == mg.arange(3.1, dtype=mg.uint8).tolist() == [0, 1, 2, 3], (
        "PyTorch counts these in float64"
    )
    assert (
        mg.tensor(5, dtype=mg.uint8).sum_to_size(()).dtype == mg.int64 and mg.tensor([5], dtype=mg.uint8).sum_to_size(1).dtype == mg.uint8
    )
    with pytest.raises(ValueError, match=r"^arange: step must not be 0"):
        mg.arange(0, 3, 0.5, dtype=mg.int64)
    assert mg.linspace(4.3, -3, 50, dtype=mg.int64)[1].item() == 3
    assert mg.logspace(0, 1.2, 2, dtype=mg.int64).tolist() == [1, 10]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.relu("a"), "relu: input must be a Tensor, an array or a number, but is 'a'"),
        (lambda: mg.relu([1, 2]), r"relu: input must be a Tensor, an array or a number, but is \[1, 2\]"),
        (lambda: mg.exp({}), "exp: input must be a Tensor, an array or a number, but is {}"),
        (lambda: mg.exp(np.array(["a"])), "exp: input must be a Tensor, an array or a number, but is an array of <U1"),
        (lambda: F.relu(None), "relu: input must be a Tensor, an array or a number, but is None"),
        (lambda: mg.maximum(mg.ones(2), "a"), "maximum: other must be a Tensor, an array or a number, but is 'a'"),
        (lambda: mg.ones(2) + "a", "add: other must be a Tensor, an array or a number, but is 'a'"),
        (lambda: mg.where(mg.ones(2) > 0, "a", 1), "where: input must be a Tensor, an array or a number, but is 'a'"),
    ],
)
def test_what_is_no_number_is_refused_by_every_op(call, message):
    """With a Tensor among the operands and without: what the kernel said of it is not what was wrong."""
    with pytest.raises(TypeError, match=f"^{message}"):
        call()


def test_a_number_that_the_dtype_cannot_hold_is_refused_by_every_op():
    """Also where the op calls a ufunc of numpy, which looks for Python's names where it was called from."""
    u = mg.ones(2, dtype=mg.uint8)
    for call in (lambda: mg.mul(u, -3), lambda: mg.sub(u, u, alpha=-3), lambda: u * 300, lambda: mg.maximum(u, -1)):
        with pytest.raises(OverflowError, match="out of bounds for uint8"):
            call()


def test_a_sum_over_a_broadcast_pair_of_dimensions_has_the_dtype_of_its_operands():
    for dtype in (mg.uint8, mg.int32, mg.float32):
        one, two = mg.ones(1, 1, 1, dtype=dtype), mg.ones(2, 1, 2, dtype=dtype)
        assert mg.tensordot(one, two, dims=([0, 1], [2, 0])).dtype == mg.tensordot(two, one, dims=([2, 0], [0, 1])).dtype == dtype


def test_a_dtype_is_one_object():
    """Ops tell dtypes apart by identity, whatever name they came under."""
    for name in ("float16", "float32", "float64", "int64"):
        for given in (name, np.dtype(name), getattr(np, name), np.dtype(name).newbyteorder(">")):
            made = (
                mg.zeros(2, dtype=given),
                mg.tensor([1, 2], dtype=given),
                mg.ones(2).to(dtype=given),
                mg.arange(2, dtype=given),
                mg.Tensor([1], dtype=given),
            )
            assert all(x.dtype is getattr(mg, name) and x.numpy().dtype is np.dtype(name) for x in made)


def test_blocks_on_a_diagonal_promote_as_in_arithmetic():
    assert mg.block_diag(mg.ones(1, 2), mg.ones(2, 1, dtype=mg.int64)).dtype == mg.float32
    assert mg.block_diag(mg.ones(2, dtype=mg.bool), mg.ones(1, 1, dtype=mg.uint8)).dtype == mg.uint8
    assert mg.block_diag(mg.ones(1, dtype=mg.bool)).dtype == mg.bool and mg.block_diag().dtype == mg.float32


def test_what_is_written_into_a_part_is_converted():
    """As by ``x[i] = v``."""
    src = mg.tensor([1.5, -2.0, 0.0], dtype=mg.float64, requires_grad=True)
    for written in (
        mg.select_scatter(mg.zeros(3, 3), src, 0, 1), mg.slice_scatter(mg.zeros(3, 3), src[None], 0, 1, 2), mg.diagonal_scatter(mg.zeros(3, 3), src)
    ):  # fmt: skip
        assert written.dtype == mg.float32 and written.sum().item() == -0.5
        src.grad = None
        (written * 2).sum().backward()
        assert src.grad.dtype == mg.float64 and src.grad.tolist() == [2, 2, 2]
    assert mg.select_scatter(mg.zeros(2, dtype=mg.int64), mg.tensor(1.7), 0, 1).tolist() == [0, 1]


def test_normal_numbers_have_the_dtype_of_the_mean():
    half, double = mg.ones(3, dtype=mg.float16), mg.ones(3, dtype=mg.float64)
    assert mg.normal(half, double).dtype == mg.float16 and mg.normal(double[0], half).dtype == mg.float64
    assert mg.normal(0.0, double).dtype == mg.float64 and mg.normal(half, 1.0).dtype == mg.float16
