"""The program that a failure prints runs as it stands, in a process of its own, wherever the op was defined."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.testing import Call, GradcheckError, check_op
from minigrad.testing import strategies as st
from minigrad.testing.program import program

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(mg.__file__).parent.parent), str(HERE)])}


def run(text, cwd):
    return subprocess.run([sys.executable, "-c", text], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def failure(*args, **kwargs):
    with pytest.raises(GradcheckError) as caught:
        check_op(*args, **kwargs)
    return caught.value


FACTOR = 3.0


def helper(x):
    return x * 2.0


@mg.op(x=lambda g, x: g * x)
def at_module_level(x):
    return x * x


def test_an_op_of_a_module(tmp_path):
    error = failure(at_module_level, st.arrays())
    assert "from test_program import at_module_level" in error.code
    assert "GradcheckError: at_module_level" in run(error.code, tmp_path).stderr


def test_an_op_inside_a_function(tmp_path):
    scale = np.float32(0.5)

    @mg.op(x=lambda g, x, k: helper(g) * x * scale * k)
    def inside(x, *, k):
        return FACTOR * x * x * k

    assert "'k': np.inf" in failure(inside, st.call(st.arrays(low=0.5), k=float("inf"))).code
    error = failure(inside, st.call(st.arrays(low=0.5, high=3), k=2.0))
    for line in ("scale = np.float32(0.5)", "from test_program import helper", "FACTOR = 3.0", "@mg.op("):
        assert line in error.code
    assert "GradcheckError: inside: the gradient in argument 'x'" in run(error.code, tmp_path).stderr


def test_a_lambda_and_a_surrogate(tmp_path):
    error = failure(lambda x: mg.round(x), st.arrays(), surrogate=lambda x: x * FACTOR)
    assert "function = lambda x: mg.round(x)" in error.code and "surrogate=surrogate" in error.code
    assert "GradcheckError: <lambda>" in run(error.code, tmp_path).stderr


def test_one_lambda_of_several_on_a_line():
    two, three, nested = lambda x: x.detach() * 2.0, lambda x: x.detach() * 3.0, lambda x: sum([y * 2.0 for y in [x.detach()]])
    for function, text in ((two, "x.detach() * 2.0"), (three, "x.detach() * 3.0"), (nested, "sum([y * 2.0 for y in [x.detach()]])")):
        assert f"function = lambda x: {text}\n" in failure(function, np.ones(1)).code
    factor = 2.0
    assert "factor = 2.0\nfunction = lambda x: x.detach() * factor\n" in failure(lambda x: x.detach() * factor, np.ones(1)).code


def test_an_op_of_the_program_that_runs(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import minigrad as mg\nfrom minigrad.testing import check_op, strategies as st\n\n"
        "@mg.op(x=lambda g, x: g * x)\ndef square(x):\n    return x * x\n\n"
        "if __name__ == '__main__':\n    try:\n        check_op(square, st.arrays())\n    except AssertionError as e:\n        print(e.code)\n"
    )
    done = subprocess.run([sys.executable, "mine.py"], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert "from mine import square" in done.stdout, done.stderr
    assert "GradcheckError: square" in run(done.stdout, tmp_path).stderr


def test_values_that_are_not_written_as_they_print():
    call = Call(
        (
            np.array([np.inf, -np.inf, np.nan]),
            np.array(np.nan),
            float("-inf"),
            np.float32(np.inf),
            slice(0, np.int64(2)),
            float,
            np.dtype("i4"),
        ),
        {"generator": mg.Generator().manual_seed(7), "other": {"a": [float("nan")]}, "t": mg.tensor([1.0, np.inf])},
    )
    again = eval(repr(call), {"np": np, "mg": mg, "Call": Call})
    assert repr(again) == repr(call)
    assert again.kwargs["generator"].initial_seed() == 7
    assert again.args[3] == np.inf and again.args[3].dtype == np.float32


def test_what_cannot_be_written_is_said():
    text = program("check_op", nn.Linear(1, 1), Call((np.ones(1),)), {})
    assert "# Linear: the Linear that was checked, which cannot be written down here" in text
    made: dict = {}
    exec("def nowhere(x):\n    return x", made)
    assert "# nowhere: the function that was checked" in program("check_op", made["nowhere"], Call((np.ones(1),)), {"order": 1})
