"""``python -m minigrad gradcheck`` and the pytest plugin, run as a user runs them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import minigrad

ROOT = Path(minigrad.__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}

OPS = """
import numpy as np
import minigrad as mg
from minigrad.testing import domain

@mg.op(x=lambda g, x: g * (x > 0))
def relu(x):
    return np.maximum(x, 0)

@mg.op(x=lambda g, x: g / x)
def log(x):
    return np.log(x)

@domain(x=(0.1, 4.0), k=[1, 2, 3])
@mg.op(x=lambda g, x, k: g * k * x ** (k - 1))
def power(x, *, k):
    return x ** k

@domain(lambda st: st.matmul_operands(batch=False, min_side=1).filter(lambda c: c.args[0].ndim == c.args[1].ndim == 2))
@mg.op(a=lambda g, b: g @ b.swapaxes(0, 1), b=lambda g, a: a.swapaxes(0, 1) @ g)
def product(a, b):
    return a @ b

@domain(x=(-1, 1))
def gelu_like(x):
    return mg.tanh(x) * x
"""

WRONG = """
@mg.op(x=lambda g, x: g * x)
def square(x):
    return x * x
"""

UNKNOWN = """
@mg.op(x=lambda g, scale: g * scale)
def scaled(x, *, scale):
    return x * scale
"""


def run(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "minigrad", "gradcheck", *arguments], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


def test_a_file_of_right_ops(tmp_path):
    (tmp_path / "my_ops.py").write_text(OPS)
    done = run("my_ops.py", "--examples", "10", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["op", "argument", "order", "examples", "worst", "error", "kinks", "verdict"]
    assert [line.split()[0] for line in lines[1:] if line and line[0] != " "][:5] == ["relu", "log", "power", "product", "gelu_like"]
    assert "5 passed, 0 failed" in done.stdout
    assert "log: checked on values from 0.1 to 3" in done.stdout


def test_a_wrong_op_fails(tmp_path):
    (tmp_path / "my_ops.py").write_text(OPS + WRONG)
    done = run("my_ops.py::relu", "my_ops.py::square", "--examples", "10", cwd=tmp_path)
    assert done.returncode == 1
    assert "FAILED: constant factor" in done.stdout and "1 passed, 1 failed" in done.stdout
    assert "from my_ops import square" in done.stdout
    program = "\n".join(line.strip() for line in done.stdout.partition("To reproduce:")[2].splitlines() if line.startswith("    "))
    again = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert "GradcheckError: square" in again.stderr


def test_an_op_whose_arguments_are_unknown(tmp_path):
    (tmp_path / "my_ops.py").write_text(OPS + UNKNOWN)
    done = run("my_ops.py::scaled", cwd=tmp_path)
    assert done.returncode == 2
    assert "there is no telling what 'scale' may be" in done.stdout and "@domain" in done.stdout


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("nothing.py", "there is no file nothing.py"),
        ("minigrad.ops.nothing", "no file and no module minigrad.ops.nothing"),
        ("empty.py", "no @op in empty.py"),
        ("my_ops.py::cube", "no op 'cube' in my_ops.py; there are relu, log"),
        (".", "is a folder"),
    ],
)
def test_clear_words_for_a_target_that_is_not_there(tmp_path, target, words):
    (tmp_path / "my_ops.py").write_text(OPS)
    (tmp_path / "empty.py").write_text("x = 1\n")
    done = run(target, cwd=tmp_path)
    assert done.returncode == 2 and not done.stdout
    assert words in done.stderr and "Traceback" not in done.stderr


def test_a_module_by_its_name(tmp_path):
    done = run("minigrad.ops.elementwise::exp", "--examples", "5", "--order", "1", cwd=tmp_path)
    assert done.returncode == 0
    assert "1 passed, 0 failed" in done.stdout


PLUGIN_TESTS = """
import numpy as np, minigrad as mg
from minigrad.testing import GradcheckError, strategies as st
import pytest

@mg.op(x=lambda g, x: g * x)
def square(x):
    return x * x

def test_right(gradcheck, check_op):
    gradcheck(mg.exp, np.ones(3), order=2)
    check_op(mg.sin, st.arrays(), examples=5)

def test_raises(check_op):
    with pytest.raises(GradcheckError):
        check_op(square, st.arrays())

def test_wrong(check_op):
    check_op(square, st.arrays())
"""


def test_the_plugin(tmp_path):
    (tmp_path / "test_ops.py").write_text(PLUGIN_TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "minigrad.testing.plugin", "-p", "no:cacheprovider", "test_ops.py"],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "2 passed" in done.stdout and "1 failed" in done.stdout, done.stdout
    assert "square: the gradient in argument 'x' is wrong" in done.stdout
    assert "check_op(square, np.array(" in done.stdout
    assert "checking.py" not in done.stdout and "proofs.py" not in done.stdout  # frames of the kit are hidden


def test_the_kit_is_loaded_when_it_is_used():
    """The plugin is imported by every pytest run: hypothesis is not."""
    code = (
        "import sys, minigrad.testing.plugin, minigrad.testing\n"
        "assert 'hypothesis' not in sys.modules\n"
        "minigrad.testing.gradcheck\n"
        "assert 'hypothesis' not in sys.modules\n"
        "minigrad.testing.check_op\n"
        "assert 'hypothesis' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, check=True)


FUNCTIONS = """
class Square(mg.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]

@domain(x=(0.1, 4.0), k=[2, 3])
class Power(mg.Function):
    @staticmethod
    def forward(x, k):
        return x**k

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])
        ctx.k = inputs[1]

    @staticmethod
    def backward(ctx, g):
        return g * ctx.k * ctx.saved_tensors[0] ** (ctx.k - 1), None
"""


def test_functions_are_checked_too(tmp_path):
    (tmp_path / "my_ops.py").write_text(OPS + FUNCTIONS)
    done = run("my_ops.py", "--examples", "5", cwd=tmp_path)
    assert done.returncode == 1
    assert "Square: the gradient in argument 'x' is wrong" in done.stdout and "check_op(Square.apply, np.array(" in done.stdout
    assert "6 passed, 1 failed" in done.stdout
    assert run("my_ops.py::Power", "--examples", "5", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("option", ["--examples", "--order"])
def test_a_number_of_none(tmp_path, option):
    (tmp_path / "my_ops.py").write_text(OPS)
    done = run("my_ops.py", option, "0", cwd=tmp_path)
    assert done.returncode == 2 and f"argument {option}: a whole number, 1 or above, not '0'" in done.stderr
    assert "Traceback" not in done.stderr
