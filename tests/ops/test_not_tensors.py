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


def test_other_mistakes_keep_their_errors():
    x = mg.ones(2, 3)
    with pytest.raises(mg.ShapeError, match="matmul: inner sizes differ"):
        mg.mm(x, x)
    with pytest.raises(TypeError, match="unexpected keyword argument 'alph'"):
        mg.mm(x, x.T, alph=1)
    with pytest.raises(IndexError, match="softmax: dim"):
        mg.softmax(x, dim=7)


def test_equality_with_what_is_no_number_is_that_of_objects():
    x = mg.ones(2)
    assert (x == object()) is False and (x != "a") is True and (x == None) is False  # noqa: E711
    assert (x == [1.0, 2.0]).tolist() == [True, False]
