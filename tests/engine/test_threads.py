"""Threads: bit-for-bit equal results for any number of them, errors that reach the caller, and no lost or leaked threads."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.kernels import conv, maps, norm, products, sums, threads
from minigrad.ops import recurrent

rng = np.random.default_rng(0)


@pytest.fixture
def count():
    """Puts the number of threads back."""
    before = mg.get_num_threads()
    yield
    mg.set_num_threads(before)


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def _conv(n, c, o, size, kernel=3, stride=1, groups=1):
    x, w = normal(n, c, size, size), normal(o, c // groups, kernel, kernel)
    window = conv.Window((stride, stride), ((1, 1), (1, 1)), (1, 1))
    out = (size + 2 - kernel) // stride + 1
    y = normal(n, o, out, out)
    return lambda: (
        conv.convolve(x, w, normal_bias[:o], (out, out), window),
        conv.input_gradient(y, w, x.shape, window),
        conv.weight_gradient(x, y, w.shape, window),
    )


normal_bias = normal(512)


def _gradients(function, g, *arrays):
    tensors = [mg.tensor(a, requires_grad=True) for a in arrays]
    y = function(*tensors)
    return y.detach().numpy(), *[t.numpy() for t in mg.grad(y, tensors, mg.tensor(g))]


def _batch_norm(x, weight, bias):
    return F.batch_norm(x, None, None, weight, bias, True)


def _lstm(x, of_input, of_state, bias):
    return recurrent.lstm(F.linear(x, of_input, bias), of_state, mg.zeros(32, 128), mg.zeros(32, 128))[0]


LARGE = {
    "few channels": _conv(32, 16, 16, 32),
    "winograd": _conv(8, 64, 64, 32),
    "deep": _conv(16, 256, 256, 4),
    "stride": _conv(16, 16, 32, 32, stride=2),
    "depthwise": _conv(16, 32, 32, 28, groups=32),
    "one tile": _conv(1, 64, 128, 56, stride=2),
    "one tile, deep": _conv(4, 256, 256, 7, stride=2),
    "one tile, deep, stride 1": _conv(1, 512, 512, 7),
    "one image": _conv(1, 3, 64, 224, kernel=7, stride=2),
    "tall product": partial(products.matmul, normal(4096, 256), normal(256, 64)),
    "wide product": partial(products.matmul, normal(8, 2048), normal(2048, 2048)),
    "many products": partial(products.matmul, normal(32, 64, 128), normal(32, 128, 64)),
    "a vector": partial(products.matmul, normal(2048, 2048), normal(2048)),
    "sums": partial(sums.add_reduce, normal(64, 32, 28, 28), (0, 2, 3)),
    "sums of rows": partial(sums.add_rows, normal(2048, 784)),
    "moments": partial(norm.moments, normal(64, 32, 28, 28), (0, 2, 3)),
    "batch norm": partial(_gradients, _batch_norm, normal(64, 32, 14, 14), normal(64, 32, 14, 14), normal_bias[:32], normal_bias[:32]),
    "max pool": partial(_gradients, partial(F.max_pool2d, kernel_size=2), normal(32, 16, 16, 16), normal(32, 16, 32, 32)),
    "average pool": partial(_gradients, partial(F.avg_pool2d, kernel_size=2), normal(32, 16, 16, 16), normal(32, 16, 32, 32)),
    "relu": partial(_gradients, F.relu, normal(32, 16, 33, 33), normal(32, 16, 33, 33)),
    "linear": partial(_gradients, F.linear, normal(64, 1000), normal(64, 1024), normal(1000, 1024)),
    "lstm": partial(_gradients, _lstm, normal(64, 32, 128), normal(64, 32, 128), normal(512, 128), normal(512, 128), normal_bias),
    "solve": partial(_gradients, mg.linalg.solve, normal(200, 200), normal(200, 200), normal(200, 200)),
    "norm": partial(_gradients, mg.linalg.norm, np.ones((), np.float32), normal(300_001)),
}  # fmt: skip


def _bits(result):
    return [a.tobytes() for a in (result if isinstance(result, tuple) else (result,))]


@pytest.mark.parametrize("name", LARGE)
def test_results_do_not_depend_on_the_number_of_threads(count, name):
    found = []
    for n in (1, 2, 5):
        mg.set_num_threads(n)
        found.append(_bits(LARGE[name]()))
    assert found[0] == found[1] == found[2]


def test_a_training_step_is_the_same_with_any_number(count):
    def trained(n):
        mg.set_num_threads(n)
        mg.manual_seed(0)
        model = mg.nn.Sequential(
            mg.nn.Conv2d(3, 16, 3, padding=1), mg.nn.BatchNorm2d(16), mg.nn.ReLU(), mg.nn.MaxPool2d(2),
            mg.nn.Conv2d(16, 32, 3), mg.nn.ReLU(), mg.nn.Flatten(), mg.nn.Linear(32 * 14 * 14, 10),
        )  # fmt: skip
        optimizer = mg.nn.optim.Adam(model.parameters(), lr=1e-3)
        x, y = mg.randn(64, 3, 32, 32), mg.arange(64) % 10
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        return [p.detach().numpy().tobytes() for p in model.parameters()]

    assert trained(1) == trained(2) == trained(3)


def test_the_parts_of_a_function_of_each_element():
    for size in (0, 1, maps.LINE - 1, maps.LINE, maps.PART, 3 * maps.PART + 4097):
        x = normal(size)
        np.testing.assert_array_equal(maps.positive(x), np.maximum(x, 0))
        mask = x > 0.5
        for kept in (True, False):
            np.testing.assert_array_equal(maps.masked(x, mask, kept, np.dtype(np.int32)), np.where(mask == kept, x, 0))
    odd = np.array([np.nan, -np.nan, -np.inf, np.inf, -0.0] * maps.LINE, np.float32)
    np.testing.assert_array_equal(maps.positive(odd), np.maximum(odd, 0))
    turned = normal(300, 400).T
    np.testing.assert_array_equal(maps.positive(turned), np.maximum(turned, 0))


def test_every_part_is_done_once_and_in_several_threads(count):
    mg.set_num_threads(3)
    meeting = threading.Barrier(3, timeout=30)  # passes only if three threads come
    done = []

    def work(i):
        if i < 3:
            meeting.wait()
        done.append(i)

    threads.parallel(work, range(20))
    assert sorted(done) == list(range(20))
    threads.parallel(work, [])


def test_the_first_error_arrives_and_the_pool_goes_on(count):
    mg.set_num_threads(2)

    def work(i):
        if i == 7:
            raise KeyError("seven")

    for _ in range(3):
        with pytest.raises(KeyError, match="seven"):
            threads.parallel(work, range(20))
    done = []
    threads.parallel(done.append, range(5))
    assert sorted(done) == list(range(5))


@pytest.mark.parametrize("n", [1, 2])
def test_a_part_may_share_work_itself_and_numpy_is_quiet_in_it(count, n):
    mg.set_num_threads(n)
    rows = np.zeros((8, 4))

    def work(i):
        threads.parallel(lambda j: rows.__setitem__((i, j), np.array(1.0) / 0.0), range(4))

    with np.errstate(all="raise"):
        threads.parallel(work, range(8))
        assert np.geterr()["divide"] == "raise"
    assert np.isinf(rows).all()


def test_several_threads_of_the_user_at_once(count):
    mg.set_num_threads(2)
    x, w = normal(16, 16, 32, 32), normal(16, 16, 3, 3)
    window = conv.Window((1, 1), ((1, 1), (1, 1)), (1, 1))
    expected = conv.convolve(x, w, None, (32, 32), window)
    wrong = []

    def user():
        for _ in range(5):
            if not np.array_equal(conv.convolve(x, w, None, (32, 32), window), expected):
                wrong.append(1)

    users = [threading.Thread(target=user) for _ in range(4)]
    for t in users:
        t.start()
    for t in users:
        t.join(60)
    assert not wrong and not any(t.is_alive() for t in users)


def test_blas_gets_its_threads_back(count):
    info = pytest.importorskip("threadpoolctl").threadpool_info
    assert threads.one_blas_thread.functions is not None or not any(i["user_api"] == "blas" for i in info())

    def now():
        return [i["num_threads"] for i in info() if i["user_api"] == "blas"]

    before, within = now(), []
    threads.parallel(lambda i: within.append(now()), [0])
    assert now() == before
    assert within == [[1] * len(before)]
    with pytest.raises(KeyError):
        threads.parallel(lambda i: {}[i], [0])
    assert now() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own(count):
    mg.set_num_threads(2)
    LARGE["few channels"]()  # the pool is there
    child = multiprocessing.get_context("fork").Process(target=LARGE["few channels"])
    child.start()
    child.join(60)
    assert child.exitcode == 0


@pytest.mark.parametrize(
    ("wanted", "error", "message"),
    [(0, ValueError, "num_threads must be 1 or above, but is 0"), (-1, ValueError, "but is -1"), (1.5, TypeError, "whole number, not 1.5"), (True, TypeError, "whole number, not True")],
)  # fmt: skip
def test_what_is_no_number_of_threads(count, wanted, error, message):
    before = mg.get_num_threads()
    with pytest.raises(error, match=message):
        mg.set_num_threads(wanted)
    assert mg.get_num_threads() == before


@pytest.mark.parametrize(("variable", "expected"), [("3", "3"), ("2,1", "2"), ("", None), ("many", None)])
def test_the_number_at_the_start(variable, expected):
    environment = {**os.environ, "OMP_NUM_THREADS": variable}
    code = "import minigrad as mg; print(mg.get_num_threads())"
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout.strip()
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert found == (expected or str(available))


@pytest.mark.skipif(sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="needs two processors, on Linux")
def test_a_thread_leaves_a_processor():
    def leave():  # in a thread of its own, for it may not come back
        places = []
        for _ in range(20):
            places.append(threads.processor())
            threads.leave(places[-1])
            assert threads.processor() != places[-1] and len(os.sched_getaffinity(0)) == len(os.sched_getaffinity(os.getpid())) - 1
        before = os.sched_getaffinity(0)
        threads.leave(places[-1])  # it is not there
        threads.leave(-1)
        return before == os.sched_getaffinity(0)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(leave).result() and threads.processor() in os.sched_getaffinity(0)
