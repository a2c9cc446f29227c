"""Loaders with worker processes, and passes that are resumed: the same batches with any workers, and no process or file left behind."""

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from datasets_for_workers import (
    CannotUnpickle,
    Coins,
    Failing,
    Noisy,
    Shapes,
    Slow,
    Stream,
    Uneven,
    WhoMadeIt,
    fail_in_init,
    first,
    kill_myself,
    leave,
    raise_key_error,
    raise_stop_iteration,
    raise_unpicklable,
    raise_value_error,
    set_seed_by_hand,
    sleep_long,
)
from numpy.testing import assert_array_equal

import minigrad as mg
from minigrad.nn.data import (
    MNIST,
    BatchSampler,
    DataLoader,
    RandomAffine,
    RandomSampler,
    Subset,
    TensorDataset,
    get_worker_info,
    workers,
)

# Python 3.12 and later warn of what the documentation of the workers says about fork; here it is asked for.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def seeded(seed=0):
    return mg.Generator().manual_seed(seed)


def bits(value):
    """A batch with arrays as bytes, so that == compares every bit."""
    if isinstance(value, (list, tuple)):
        return [bits(v) for v in value]
    if isinstance(value, dict):
        return {k: bits(v) for k, v in value.items()}
    if isinstance(value, (mg.Tensor, np.ndarray)):
        array = value.numpy(force=True) if isinstance(value, mg.Tensor) else value
        return type(value).__name__, array.dtype.str, array.shape, array.tobytes()
    return value


def passes(loader, n=2):
    return [[bits(batch) for batch in loader] for _ in range(n)]


def processes():
    """The processes that descend from this one (those that the loaders' server forked are its children), without the helpers."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes()
            (state, parent) = (path / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        found.append((int(path.name), int(parent), state, command))
    children, here = [], {os.getpid()}
    while grown := [p for p in found if p[1] in here and p[0] not in {c[0] for c in children}]:
        children += grown
        here |= {p[0] for p in grown}
    server = {pid for pid, parent, _, command in children if parent == os.getpid() and b"forkserver" in command}
    return {pid for pid, parent, state, command in children if state != "Z" and pid not in server and b"resource_tracker" not in command}


def assert_no_more_than(before):
    for _ in range(100):
        if processes() <= before:
            return
        time.sleep(0.05)
    raise AssertionError(f"left behind: {processes() - before}")


# ------------------------------------------------------------------------------------------------- the same batches


@pytest.mark.parametrize("context", ["forkserver", "fork"])
@POSIX
def test_batches_do_not_depend_on_the_number_of_workers(context):
    results, after = [], []
    for num_workers in (0, 1, 2, 3):
        mg.manual_seed(5)
        options = {"num_workers": num_workers, "multiprocessing_context": context, "prefetch_factor": 3} if num_workers else {}
        loader = DataLoader(Noisy(), 4, shuffle=True, **options)
        results.append(passes(loader))
        after.append(mg.randn(3).tolist())
    assert results.count(results[0]) == 4
    assert after.count(after[0]) == 4, "what the model draws next does not depend on the loader's workers"
    assert len(results[0][0]) == 6
    one, two = results[0]
    assert one != two
    assert len({row for a_pass in (one, two) for (noise, *_) in a_pass for row in noise[3:]}) == 12


def test_spawned_workers_make_the_same_batches():
    expected = passes(DataLoader(Noisy(9), 4, shuffle=True, generator=seeded(3)))
    loader = DataLoader(
        Noisy(9), 4, shuffle=True, generator=seeded(3), num_workers=1, multiprocessing_context="spawn", persistent_workers=True
    )
    assert passes(loader) == expected


def test_batches_of_arrays_do_not_depend_on_the_number_of_workers():
    """The fast way to make a batch, with a transform that draws for the whole batch."""
    results = []
    for num_workers in (0, 2):
        data = Subset(MNIST(transform=RandomAffine(20, (0.1, 0.1))), range(50))
        results.append(passes(DataLoader(data, 16, shuffle=True, drop_last=True, num_workers=num_workers, generator=seeded(1))))
    assert results[0] == results[1]


def test_python_and_numpy_generators_are_seeded_in_workers():
    results = [passes(DataLoader(Noisy(python_too=True), 5, num_workers=n, generator=seeded(1))) for n in (1, 2, 3)]
    assert results.count(results[0]) == 3
    draws = [np.frombuffer(column[3]) for a_pass in results[0] for batch in a_pass for column in batch[2:]]
    assert len(np.unique(np.concatenate(draws))) == 2 * 2 * 23, "no two samples have the same draws"


def test_a_batch_has_random_numbers_of_its_own_in_this_process_too():
    """What is drawn between two batches, or by nobody, changes nothing."""

    def draws(between):
        mg.manual_seed(0)
        out = []
        for batch in DataLoader(Noisy(), 6, shuffle=True):
            out.append(bits(batch))
            mg.randn(between)
        return out

    assert draws(0) == draws(5)


@POSIX
def test_order_is_kept():
    assert [b.tolist() for b in DataLoader(Slow(9), 1, num_workers=2)] == [[i] for i in range(9)]
    assert [b.tolist() for b in DataLoader(Slow(5), batch_size=None, sampler=[4, 1, 0], num_workers=2, collate_fn=np.asarray)] == [4, 1, 0]


def test_workers_without_batches():
    got = list(DataLoader(TensorDataset(np.arange(4.0)), batch_size=None, num_workers=2))
    assert [float(x) for (x,) in got] == [0, 1, 2, 3]
    assert list(DataLoader([], 3, num_workers=2)) == []


@pytest.mark.parametrize("files", [True, False])
def test_every_kind_of_array_travels(files, monkeypatch):
    if not files:
        monkeypatch.setattr(workers, "_memory_file", lambda name: None)
    (expected, *_), *_ = [list(DataLoader(Shapes(), 1, collate_fn=first))]
    arrived = list(DataLoader(Shapes(), 1, collate_fn=first, num_workers=1))
    assert bits(arrived[0]) == bits(expected)
    assert len(arrived) == 3
    batch = arrived[2]
    assert batch["leaf"].requires_grad and batch["leaf"].is_leaf
    batch["large"][:] = 1  # they can be written,
    batch["tensor"].add_(1)
    assert bits(arrived[1]["large"]) == bits(Shapes()[1]["large"]), "and none shares memory with another batch"


@pytest.mark.parametrize("files", [True, False])
def test_batches_larger_than_a_pipe(files, monkeypatch):
    """Both sides send more than a pipe holds, far ahead, and neither waits for the other."""
    if not files:
        monkeypatch.setattr(workers, "_memory_file", lambda name: None)
    data = TensorDataset(np.arange(60_000), np.ones((60_000, 20)))
    order = [np.roll(np.arange(60_000), k).tolist() for k in range(4)]
    loader = DataLoader(data, batch_sampler=order, num_workers=2, prefetch_factor=8)
    for indices, (x, y) in zip(order, loader, strict=True):
        assert_array_equal(x.numpy(), indices)
        assert y.shape == (60_000, 20) and y.numpy().all()


def test_far_ahead():
    loader = DataLoader(range(5000), 1, num_workers=1, prefetch_factor=4000)
    assert [int(b) for b in loader] == list(range(5000))


# ------------------------------------------------------------------------------------------------- what workers know


def test_worker_info_and_init_function():
    assert get_worker_info() is None
    loader = DataLoader(WhoMadeIt(6), 1, num_workers=2, worker_init_fn=set_seed_by_hand, collate_fn=np.asarray)
    rows = np.concatenate(list(loader))
    assert rows[:, 1].tolist() == [0, 1, 0, 1, 0, 1]
    assert set(rows[:, 2]) == {2}
    assert len(set(rows[:, 0])) == 2 and os.getpid() not in rows[:, 0]
    assert rows[1, 3] == rows[0, 3] + 1, "seed = base seed + number"
    assert rows[:, 5].tolist() == [100, 101] * 3, "the copy that worker_init_fn changed is the one that is used"


@LINUX
def test_workers_have_one_blas_thread():
    code = (
        "import os; os.environ.pop('OPENBLAS_NUM_THREADS', None); os.environ.pop('OMP_NUM_THREADS', None)\n"
        "from minigrad.nn.data import DataLoader\nfrom datasets_for_workers import BlasThreads\n"
        "assert [int(n) for n in DataLoader(BlasThreads(2), 1, num_workers=1)] == [1, 1]\n"
        "assert 'OPENBLAS_NUM_THREADS' not in os.environ\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())


def environment():
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])}


# -------------------------------------------------------------------------------------------------------- streams


def test_stream_with_workers():
    def numbers(num_workers, n=23, size=4, **options):
        return [i.tolist() for i, _ in DataLoader(Stream(n), size, num_workers=num_workers, **options)]

    assert numbers(0, 5) == [[0, 1, 2, 3], [4]]
    assert numbers(2, 10, 2) == [[0, 2], [1, 3], [4, 6], [5, 7], [8], [9]]
    assert numbers(3, 7, 1) == [[i] for i in range(7)]
    assert numbers(4, 2, 1) == [[0], [1]], "two workers have nothing to do"
    assert numbers(2, 10, 2, drop_last=True) == [[0, 2], [1, 3], [4, 6], [5, 7]]
    for prefetch in (1, 2, 5):
        assert sorted(i for batch in numbers(3, prefetch_factor=prefetch) for i in batch) == list(range(23))
    first, second = passes(DataLoader(Stream(9), 2, num_workers=2, generator=seeded()))
    assert first != second
    assert passes(DataLoader(Stream(9), 2, num_workers=2, generator=seeded(), prefetch_factor=7)) == [first, second]


def test_streams_of_different_lengths():
    expected = [0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8]
    for prefetch in (1, 2, 6):
        loader = DataLoader(Uneven(), batch_size=None, num_workers=3, prefetch_factor=prefetch, persistent_workers=True)
        assert [list(loader), list(loader)] == [expected, expected]


# --------------------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize("context", ["forkserver", "fork"])
@pytest.mark.parametrize(
    ("failure", "kind", "message"),
    [
        (raise_value_error, ValueError, "sample 7 is broken"),
        (raise_key_error, KeyError, "outer"),
        (raise_unpicklable, RuntimeError, "Unpicklable: cannot travel"),
        (raise_stop_iteration, RuntimeError, "raised StopIteration"),
    ],
)
@POSIX
def test_an_exception_arrives_with_its_traceback(failure, kind, message, context):
    batches = iter(DataLoader(Failing(failure), 2, num_workers=2, multiprocessing_context=context))
    assert [next(batches).tolist() for _ in range(3)] == [[0, 1], [2, 3], [4, 5]], "what came before is handed out"
    with pytest.raises(kind, match=message) as caught:
        next(batches)
    text = str(caught.value.__cause__)
    assert "in worker 1 of the DataLoader" in text
    assert f"in {failure.__name__}" in text and "self.failure()" in text
    assert "Traceback" in text


def test_an_exception_in_this_process():
    loader = DataLoader(Failing(raise_value_error), 2)
    with pytest.raises(ValueError, match="sample 7"):
        list(loader)
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        list(DataLoader(Failing(raise_stop_iteration), 2))


def test_an_exception_at_the_start_of_a_worker():
    with pytest.raises(ValueError, match="worker 0 does not begin"):
        list(DataLoader(Noisy(), 2, num_workers=2, worker_init_fn=fail_in_init))


def test_what_cannot_be_sent():
    with pytest.raises(TypeError, match=r"cannot be pickled \(.*lambda.*multiprocessing_context='fork'"):
        iter(DataLoader(Noisy(), 2, num_workers=1, collate_fn=lambda samples: samples))
    with pytest.raises(ValueError, match="sample 7 is broken") as caught:
        list(DataLoader(CannotUnpickle(), 2, num_workers=1))
    assert "importable" in str(caught.value.__cause__)


@POSIX
def test_a_fork_needs_no_pickle():
    loader = DataLoader(Noisy(4), 2, num_workers=2, collate_fn=lambda samples: [i for _, i in samples], multiprocessing_context="fork")
    assert list(loader) == [[0, 1], [2, 3]]


@pytest.mark.parametrize("context", ["forkserver", "fork"])
@pytest.mark.parametrize(
    ("failure", "message"), [(kill_myself, r"worker 1 \(process \d+\) was killed by SIGKILL; .*memory"), (leave, "ended with exit code 3")]
)
@POSIX
def test_a_worker_that_dies(failure, message, context):
    begun = time.monotonic()
    with pytest.raises(RuntimeError, match=f"^DataLoader: .*{message}"):
        list(DataLoader(Failing(failure), 2, num_workers=2, multiprocessing_context=context))
    assert time.monotonic() - begun < 5


@POSIX
def test_a_worker_that_is_killed_while_it_waits():
    loader = DataLoader(Noisy(40), 2, num_workers=2, persistent_workers=True)
    batches = iter(loader)
    next(batches)
    os.kill(loader._pool.workers[1].process.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match=r"worker 1 .*SIGKILL"):
        list(batches)
    assert len(list(loader)) == 20, "the next pass has new workers"


def test_timeout():
    with pytest.raises(RuntimeError, match=r"worker 0 made no batch within the timeout of 0\.3 seconds"):
        list(DataLoader(Failing(sleep_long, at=0), 2, num_workers=1, timeout=0.3, prefetch_factor=1))
    assert len(list(DataLoader(Noisy(), 2, num_workers=1, timeout=30))) == 12


def test_a_script_without_a_main_part(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from minigrad.nn.data import DataLoader\nprint(list(DataLoader(range(4), 2, num_workers=1)))\n")
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment(), timeout=60, check=False)
    assert run.returncode == 1
    assert 'put the main part under `if __name__ == "__main__":`' in run.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_workers": -1}, "num_workers must be 0 or above, but is -1"),
        ({"num_workers": 1.0}, "num_workers must be a whole number, not 1.0"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": 1}, "timeout needs num_workers"),
        ({"prefetch_factor": 2}, "prefetch_factor needs num_workers"),
        ({"persistent_workers": True}, "persistent_workers needs num_workers"),
        ({"multiprocessing_context": "fork"}, "multiprocessing_context needs num_workers"),
        ({"num_workers": 1, "prefetch_factor": 0}, "prefetch_factor must be 1 or above, but is 0"),
    ],
)
def test_loader_refuses_options_of_workers(options, message):
    with pytest.raises((TypeError, ValueError), match=f"^DataLoader: .*{message}"):
        DataLoader(range(3), **options)


def test_options_without_effect_are_accepted():
    loader = DataLoader(range(3), 1, pin_memory=True, pin_memory_device="cpu", in_order=False)
    assert [int(b) for b in loader] == [0, 1, 2]


# ------------------------------------------------------------------------------------------------- nothing left behind


@pytest.mark.parametrize("context", ["forkserver", "fork"])
@LINUX
def test_no_process_and_no_file_is_left(context):
    loader = DataLoader(Noisy(), 2, num_workers=2, multiprocessing_context=context)
    list(loader)  # the server of forkserver stays, for all loaders
    gc.collect()
    before, files = processes(), len(os.listdir("/proc/self/fd"))
    list(loader)
    assert processes() <= before, "after the pass"
    for _ in loader:
        assert len(processes() - before) == 2
        break
    assert processes() <= before, "after break"
    batches = iter(loader)
    next(batches)
    del batches
    assert processes() <= before, "after the iterator has gone"
    with pytest.raises(ValueError, match="sample 7"):
        list(DataLoader(Failing(raise_value_error), 2, num_workers=2, multiprocessing_context=context))
    assert processes() <= before, "after an exception in a worker"

    def fail():
        for _ in loader:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    gc.collect()
    assert processes() <= before, "after an exception in the loop"
    ring = [iter(loader)]
    ring.append(ring)
    next(ring[0])
    del ring
    gc.collect()
    assert processes() <= before, "after the collection of a cycle"
    assert len(os.listdir("/proc/self/fd")) == files


@LINUX
def test_persistent_workers_go_with_their_loader():
    list(DataLoader(Noisy(), 2, num_workers=1))
    before = processes()
    loader = DataLoader(WhoMadeIt(8), 2, num_workers=2, persistent_workers=True, collate_fn=np.asarray)
    first, second = (np.concatenate(list(loader)) for _ in range(2))
    assert_array_equal(first[:, 0], second[:, 0])
    assert len(processes() - before) == 2
    del loader
    assert_no_more_than(before)


def test_persistent_workers_after_a_pass_was_left():
    options = {"batch_size": 2, "shuffle": True}
    expected, loader = (
        DataLoader(Noisy(), **options, generator=seeded(2), num_workers=n, **more)
        for n, more in ((0, {}), (2, {"persistent_workers": True, "prefetch_factor": 3}))
    )
    for taken in (1, 3, 12, 0, 5, 12):
        got, want = iter(loader), iter(expected)
        for _ in range(taken):
            assert bits(next(got)) == bits(next(want))
    older, newer = iter(loader), iter(loader)
    next(newer)
    with pytest.raises(RuntimeError, match="another pass was begun"):
        next(older)
    assert len(list(newer)) == 11


SLEEPER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it runs in the background ignore it
from minigrad.nn.data import DataLoader
from datasets_for_workers import Failing, sleep_long

if __name__ == "__main__":
    loader = DataLoader(Failing(sleep_long, at=int(sys.argv[2])), 1, num_workers=2, multiprocessing_context=sys.argv[1])
    batches = iter(loader)
    print(next(batches).tolist(), *(w.process.pid for w in batches.pool.workers), flush=True)
    print(list(batches))
"""


def alive(pid):
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("context", ["forkserver", "fork"])
@pytest.mark.parametrize("how", ["interrupt", "kill"])
@LINUX
def test_workers_end_when_the_program_is_stopped(context, how, tmp_path):
    """Ctrl-C reaches the whole group of processes; SIGKILL the loader's alone. One worker is busy for a minute."""
    script = tmp_path / "sleeper.py"
    script.write_text(SLEEPER)
    program = subprocess.Popen(
        [sys.executable, str(script), context, "3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    line = program.stdout.readline().split()
    assert line[0] == "[0]", program.stderr.read()
    pids = [int(pid) for pid in line[1:]]
    time.sleep(0.3)
    if how == "interrupt":
        os.killpg(program.pid, signal.SIGINT)
    else:
        program.kill()
    _, errors = program.communicate(timeout=30)
    if how == "interrupt":
        assert errors.strip().endswith("KeyboardInterrupt")
        assert errors.count("Traceback") == 1, "the workers do not print theirs"
    for _ in range(200):
        if not any(alive(pid) for pid in pids):
            break
        time.sleep(0.05)
    assert not any(alive(pid) for pid in pids)


# ----------------------------------------------------------------------------------------------------------- resuming

LOADERS = {
    "shuffled": lambda n: DataLoader(Noisy(), 4, shuffle=True, num_workers=n),
    "sequential": lambda n: DataLoader(Noisy(), 4, num_workers=n),
    "generator": lambda n: DataLoader(Noisy(), 4, shuffle=True, generator=seeded(8), num_workers=n),
    "sampler": lambda n: DataLoader(Noisy(), 4, sampler=RandomSampler(range(23), True, 50, seeded(9)), num_workers=n),
    "batch sampler": lambda n: DataLoader(
        Noisy(), batch_sampler=BatchSampler(RandomSampler(range(23), num_samples=60, generator=seeded(9)), 5), num_workers=n
    ),
    "lazy sampler": lambda n: DataLoader(Noisy(), 4, sampler=Coins(17), num_workers=n),
    "single samples": lambda n: DataLoader(Noisy(5), batch_size=None, shuffle=True, num_workers=n),
    "stream": lambda n: DataLoader(Stream(19), 4, num_workers=n),
}


@pytest.mark.parametrize(
    ("name", "num_workers"),
    [(name, both) for name in LOADERS for both in ((0, 0), (2, 2), (0, 2)) if name != "stream" or both[0] == both[1]],
)
def test_a_pass_resumes_bit_for_bit(name, num_workers):
    """From every position, into a new loader in a process whose own generator stands somewhere else; then comes the next pass."""
    before, after = num_workers
    mg.manual_seed(1)
    loader = LOADERS[name](before)
    states, batches, draws = [], [], []
    for i, batch in enumerate(loader):
        batches.append(bits(batch))
        draws.append(mg.randn(2).tolist())  # what the model draws
        if i % 2 == 0 or i > 4:
            states.append((i + 1, loader.state_dict(), mg.get_rng_state()))
    following = [bits(b) for b in loader]
    assert len(states) >= 3 and states[-1][0] >= len(batches) - 1
    for position, state, rng in states if after == 0 else states[1:4:2]:
        mg.manual_seed(99)
        again = LOADERS[name](after)
        mg.set_rng_state(rng)
        again.load_state_dict(state)
        got = []
        for i, batch in enumerate(again, position):
            got.append(bits(batch))
            assert mg.randn(2).tolist() == draws[i]
        assert got == batches[position:]
        assert [bits(b) for b in again] == following


def test_a_state_between_passes():
    """After a pass, after one that was left, and before the first: the next pass starts at its beginning."""
    mg.manual_seed(3)
    loader = DataLoader(Noisy(), 4, shuffle=True, generator=seeded(1))
    for stop in (None, 2, 0):
        for i, _ in enumerate(loader, 1):
            if i == stop:
                break
        state = loader.state_dict()
        assert state["seed"] is None and state["position"] == 0
        again = DataLoader(Noisy(), 4, shuffle=True, generator=seeded(77))
        again.load_state_dict(state)
        assert bits(again.state_dict()) == bits(state)
        expected = loader.generator.get_state()
        assert passes(again, 1) == passes(loader, 1)
        assert bits(again.generator.get_state()) == bits(loader.generator.get_state()) != bits(expected)


def test_a_loaded_state_is_handed_on():
    loader = DataLoader(Noisy(), 4, shuffle=True)
    batches = iter(loader)
    next(batches), next(batches)
    state = loader.state_dict()
    again = DataLoader(Noisy(), 4, shuffle=True)
    again.load_state_dict(state)
    assert again.state_dict() == state
    assert len(list(again)) == 4
    assert again.state_dict()["seed"] is None


@pytest.mark.parametrize("state", [None, {}, {"seed": 1, "position": 2}, {"seed": 1, "position": 2, "generators": [seeded().get_state()]}])
def test_load_state_dict_refuses(state):
    with pytest.raises(ValueError, match=r"^DataLoader.load_state_dict: "):
        DataLoader(range(3)).load_state_dict(state)
