"""Datasets and functions that tests/data/test_workers.py sends to worker processes, which import this module without pytest."""

import os
import random
import signal
import time

import numpy as np

import minigrad as mg
from minigrad.nn.data import Dataset, IterableDataset, Sampler, get_worker_info


class Noisy(Dataset):
    """Sample i is i with noise of its own, from every generator that a dataset may use."""

    def __init__(self, n=23, python_too=False):
        self.n, self.python_too = n, python_too

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        noise = mg.randn(600).numpy() + i
        return (noise, i, random.random(), np.random.rand()) if self.python_too else (noise, i)


class Slow(Noisy):
    """Even samples take longer than odd ones."""

    def __getitem__(self, i):
        time.sleep(0.02 * (i % 2 == 0))
        return i


class Failing(Noisy):
    def __init__(self, failure, at=7):
        super().__init__()
        self.failure, self.at = failure, at

    def __getitem__(self, i):
        if i == self.at:
            self.failure()
        return i


class Unpicklable(Exception):
    def __init__(self, one, two):
        super().__init__(one)
        self.handle = open(os.devnull)  # noqa: SIM115


def raise_value_error():
    raise ValueError("sample 7 is broken")


def raise_key_error():
    try:
        {}["deep"]
    except KeyError as error:
        raise KeyError("outer") from error


def raise_unpicklable():
    raise Unpicklable("cannot travel", 2)


def raise_stop_iteration():
    next(iter([]))


def kill_myself():
    os.kill(os.getpid(), signal.SIGKILL)


def leave():
    os._exit(3)


def sleep_long():
    time.sleep(60)


class WhoMadeIt(Noisy):
    def __getitem__(self, i):
        info = get_worker_info()
        return [os.getpid(), info.id, info.num_workers, info.seed, mg.initial_seed() if i < 0 else 0, len(info.dataset)]


class Stream(IterableDataset):
    """0 ... n - 1 with noise, each worker its share."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        for i in range(first, self.n, step):
            yield i, mg.randn(500).numpy()


class Shapes(Dataset):
    """Arrays of all kinds, as a collate_fn of one's own may return them."""

    def __len__(self):
        return 3

    def __getitem__(self, i):
        rng = np.random.default_rng(i)
        return {
            "empty": np.zeros((0, 3)),
            "small": rng.random(3),
            "large": rng.random((300, 400)),
            "fortran": np.asfortranarray(rng.random((30, 40))),
            "strided": rng.random((60, 80))[::2, ::3],
            "tensor": mg.tensor(rng.random((40, 40)), dtype=mg.float32),
            "leaf": mg.tensor(rng.random(400), requires_grad=True),
            "ints": mg.arange(i + 500),
            "text": "x" * 5000,
            "many": [np.full(200 + k, k) for k in range(50)],
        }


def first(samples):
    return samples[0]


class Coins(Sampler):
    """Draws while it goes, as samplers may."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __iter__(self):
        for _ in range(self.n):
            yield int(mg.randint(0, 20, (1,)).item())


def set_seed_by_hand(number):
    np.random.seed(number)
    get_worker_info().dataset.n = 100 + number


class BlasThreads(Noisy):
    def __getitem__(self, i):
        import threadpoolctl

        return max(library["num_threads"] for library in threadpoolctl.threadpool_info())


class Uneven(IterableDataset):
    def __iter__(self):
        yield from range([1, 9, 4][get_worker_info().id])


def fail_in_init(number):
    raise ValueError(f"worker {number} does not begin")


class CannotUnpickle(Noisy):
    def __reduce__(self):
        return raise_value_error, ()
