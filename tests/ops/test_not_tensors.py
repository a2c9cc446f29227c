"""What is no tensor is refused where it comes in, by every public function and op, with the name of the parameter."""

import inspect

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F

ROOMS = {"mg": mg, "F": F, "fft": mg.fft, "linalg": mg.linalg, "special": mg.special}
KINDS = {"Tensor", "Operand", "ComplexPair", "Tensor | ComplexPair"}
NO_TENSORS = ("a", ["a"], object(), None)


def functions():
    for room, namespace in ROOMS.items():
        for name in getattr(namespace, "__all__", vars(namespace)):
            function = getattr(namespace, name)
            if inspect.isfunction(function) and not name.startswith("_"):
                yield f"{room}.{name}", function


def parameters(function):
    """The required parameters that a call can give by position, and which of them take a tensor."""
    required = [
        p
        for p in inspect.signature(function).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    op = getattr(function, "op", None)
    return required, [p.name in op.inputs if op else str(p.annotation).removesuffix(" | None") in KINDS for p in required]


CASES = {name: f for name, f in functions() if any(parameters(f)[1])}


def test_nearly_every_function_is_tried():
    assert len(CASES) > 400


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_no_tensor(name):
    function = CASES[name]
    required, takes = parameters(function)
    more = {"upper": True} if "upper" in inspect.signature(function).parameters and name.endswith("solve_triangular") else {}
    for i, parameter in enumerate(required):
        for wrong in NO_TENSORS if takes[i] else ():
            if wrong is None and str(parameter.annotation).endswith("| None"):
                continue
            args = [mg.ones(2, 3)] * len(required)
            args[i] = wrong
            with pytest.raises(TypeError, match=r"\w+: \S+ must be (a|one|True|whole|numbers)"):
                function(*args, **more)


def test_messages_name_the_function_that_was_called():
    x = mg.ones(2)
    for call, text in (
        (lambda: F.mse_loss([1.0], x), "mse_loss: input must be a Tensor or an array, but is [1.0]; mg.tensor makes a Tensor of it"),
        (lambda: F.mse_loss(x, 2.0), "mse_loss: target must be a Tensor or an array, but is 2.0; mg.tensor makes a Tensor of it"),
        (lambda: F.cross_entropy(x, None), "cross_entropy: target must be a Tensor or an array, but is None"),
        (lambda: mg.flatten("a"), "flatten: input must be a Tensor or an array, but is 'a'"),
        (lambda: mg.block_diag(x, "b"), "block_diag: tensors must be a Tensor or an array, but is 'b'"),
        (lambda: mg.view_as_real(x), "view_as_real: input must be a complex pair, but is tensor([1., 1.])"),
        (lambda: mg.mm(np.array(["a"]), x), "mm: input must be a Tensor or an array, but is an array of <U1"),
        (lambda: x * "a", "mul: other must be a Tensor, an array or a number, but is 'a'"),
        (lambda: mg.exp(None), "exp: input must be a Tensor, an array or a number, but is None"),
        (lambda: mg.cumsum("a", x), "cumsum: input must be a Tensor, an array or a number, but is 'a'"),
    ):
        with pytest.raises(TypeError) as caught:
            call()
        assert str(caught.value).splitlines()[0] == text


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: x.view(4, 2), mg.ShapeError, "view: shape (2, 3) with 6 elements does not fit into (4, 2)"),
        (lambda x: x.view_as(mg.ones(2)), mg.ShapeError, "view_as: shape (2, 3) with 6 elements does not fit into (2,)"),
        (lambda x: mg.mm(x, x), mg.ShapeError, "mm: inner sizes differ: (2, 3) @ (2, 3) needs 3 == 2"),
        (lambda x: x.mv(mg.ones(2)), mg.ShapeError, "mv: inner sizes differ: (2, 3) @ (2,) needs 3 == 2"),
        (lambda x: mg.addmm(x, x, x), mg.ShapeError, "addmm: inner sizes differ: (2, 3) @ (2, 3) needs 3 == 2"),
        (lambda x: mg.addmm(x, x, x[0]), mg.ShapeError, "addmm: mat2 must have 2 dimensions, not shape (3,)"),
        (lambda x: mg.vdot(x[0], x[0, :2]), mg.ShapeError, "vdot: inner sizes differ: (3,) @ (2,) needs 3 == 2"),
        (lambda x: x.expand_as(mg.ones(4, 3)), mg.ShapeError, "expand_as: shape (2, 3) does not expand to (4, 3)"),
        (lambda x: mg.hstack([x, x.T]), mg.ShapeError, "hstack: shapes (2, 3) and (3, 2) do not fit: sizes must be equal except in dimension 1"),
        (lambda x: mg.fliplr(x[0]), IndexError, "fliplr: dim 1 is out of range for a tensor of 1 dimensions: it must be in -1..0"),
        (lambda x: x.norm(dim=5), IndexError, "norm: dim 5 is out of range for a tensor of 2 dimensions: it must be in -2..1"),
        (lambda x: mg.var_mean(x, 5), IndexError, "var_mean: dim 5 is out of range for a tensor of 2 dimensions: it must be in -2..1"),
        (lambda x: mg.svd(x[0]), mg.ShapeError, "svd: matrices (..., n, m) are needed, not shape (3,)"),
        (lambda x: x @ x, mg.ShapeError, "matmul: inner sizes differ: (2, 3) @ (2, 3) needs 3 == 2"),
        (lambda x: mg.reshape(x, (4, 2)), mg.ShapeError, "reshape: shape (2, 3) with 6 elements does not fit into (4, 2)"),
        (lambda x: x.item(), RuntimeError, "item: a tensor of shape (2, 3) has 6 elements, not one"),
        (lambda x: float(x), RuntimeError, "float: a tensor of shape (2, 3) has 6 elements, not one"),
        (lambda x: int(x), RuntimeError, "int: a tensor of shape (2, 3) has 6 elements, not one"),
    ],
)  # fmt: skip
def test_what_an_op_within_refuses_is_said_in_the_name_of_the_function_that_was_called(call, error, text):
    with pytest.raises(error) as caught:
        call(mg.ones(2, 3))
    assert str(caught.value).startswith(text)


def test_other_mistakes_keep_their_errors():
    x = mg.ones(2, 3)
    with pytest.raises(mg.ShapeError, match=r"^mm: inner sizes differ"):
        mg.mm(x, x)
    with pytest.raises(TypeError, match="unexpected keyword argument 'alph'"):
        mg.mm(x, x.T, alph=1)
    with pytest.raises(IndexError, match="softmax: dim"):
        mg.softmax(x, dim=7)


def test_equality_with_what_is_no_number_is_that_of_objects():
    x = mg.ones(2)
    assert (x == object()) is False and (x != "a") is True and (x == None) is False  # noqa: E711
    assert (x == [1.0, 2.0]).tolist() == [True, False]
