"""Settings of the suite: the same random draws and the same rounding in each run, unless ``--long`` asks for new draws.

``pytest``                 profile ``ci``: derandomized, so that a failure is the same on every machine
``pytest --long``          profile ``long``: many more, random examples (or ``HYPOTHESIS_PROFILE=long``)
``pytest -m smoke``        a few seconds
"""

import gc
import os

# One BLAS thread: sums come out the same, and test processes do not compete. Processes started by the tests (and by
# pytest-xdist) inherit the variables; in this one a plugin may have loaded numpy already, hence threadpoolctl below.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("MPLBACKEND", "agg")

import answers
import hypothesis
import numpy as np
import pytest
import threadpoolctl

from minigrad.kernels import native

threadpoolctl.threadpool_limits(int(os.environ["OPENBLAS_NUM_THREADS"]))

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, database=None, max_examples=20, print_blob=True)
hypothesis.settings.register_profile("long", derandomize=False, deadline=None, max_examples=1000, print_blob=True)


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="hypothesis profile 'long': many random examples")
    parser.addoption("--fuzz", type=int, default=150, metavar="N", help="tests/files: damaged files for each reader (default: %(default)s)")
    parser.addoption("--notebooks", action="store_true", help="tests/examples: all scripts with cells as notebooks, not the shortest")
    parser.addoption("--opinfo", action="store_true", help="tests/pytorch: all samples of PyTorch's own databases, not a few")
    parser.addoption(
        "--onnx-all", action="store_true", help="tests/onnx: all cases of the package onnx, and more examples of the export of each op"
    )

    parser.addoption("--record-answers", action="store_true", help="write PyTorch's answers down in tests/answers, for machines without it")


def pytest_configure(config):
    if config.getoption("--record-answers"):
        if not answers.LIVE or config.getoption("numprocesses", None):
            raise pytest.UsageError("--record-answers needs PyTorch (pip install -e '.[torch]') and one process (without -n)")
        config.recorded_answers = {}
    if not config.getoption("--hypothesis-profile", None):
        hypothesis.settings.load_profile("long" if config.getoption("--long") else os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """While tests are collected nothing is searched for garbage: hundreds of thousands of objects are made, and they all stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_terminal_summary(terminalreporter, config):
    """After ``--long``: what each row of the table of cases was proven on. (Properties come back from the processes of pytest-xdist.)"""
    if not config.getoption("--long"):
        return
    reports = terminalreporter.getreports("passed")
    proofs = sorted((r.nodeid.partition("[")[2].rstrip("]"), value) for r in reports for key, value in r.user_properties if key == "proof")
    if not proofs:
        return
    terminalreporter.section("proofs")
    terminalreporter.write_line(f"{'examples':>9} {'elements':>12} {'at kinks':>9}  row")
    for name, (examples, elements, kinks) in [
        *proofs,
        (f"{len(proofs)} rows", [sum(column) for column in zip(*[v for _, v in proofs], strict=True)]),
    ]:
        terminalreporter.write_line(f"{examples:>9,} {elements:>12,} {kinks:>9,}  {name}")


# ----------------------------------------------------------------------------------------- PyTorch's answers (tests/answers.py)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """What a file of tests asks PyTorch while it is imported is on a tape of its own."""
    if not isinstance(collector, pytest.Module):
        return (yield)
    with answers.on_tape(collector.nodeid, getattr(collector.config, "recorded_answers", None)):
        return (yield)


@pytest.fixture(autouse=True)
def tape(request):
    """The tape of the running test."""
    with answers.on_tape(request.node.nodeid, getattr(request.config, "recorded_answers", None)):
        yield


_states: dict[str, dict] = {}  # of each file's own generator after its import


@pytest.fixture(autouse=True)
def same_numbers(request):
    """The generator ``rng`` or ``_rng`` of a file of tests starts anew for each test, so that no test depends on those before it."""
    module = getattr(request, "module", None)
    for name in ("rng", "_rng"):
        generator = getattr(module, name, None)
        if isinstance(generator, np.random.Generator):
            generator.bit_generator.state = _states.setdefault(module.__name__, generator.bit_generator.state)


@pytest.fixture(autouse=True, scope="module")
def frozen():
    """What other files of tests left behind is not searched by ``gc.collect``, which tests of memory call hundreds of times."""
    gc.collect()
    gc.freeze()


def pytest_report_header():
    return f"native kernels: {native.status()}"


def pytest_collection_modifyitems(config, items):
    """A test that asks PyTorch itself (``live``) or the native kernels (``native``) is not collected where there are none."""
    absent = {"live": not answers.LIVE, "native": native.library() is None}
    left = [item for item in items if any(absent[m.name] for m in item.iter_markers() if m.name in absent)]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


def pytest_sessionfinish(session):
    if recorded := getattr(session.config, "recorded_answers", None):
        answers.save(recorded)
