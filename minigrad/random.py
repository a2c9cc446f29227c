"""Random numbers: one generator for the process, and generators of one's own.

Everything random in minigrad (``randn``, dropout, initialisers, shuffling) draws from a :class:`Generator`, by default
from the one that :func:`manual_seed` seeds.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class Generator:
    """A source of random numbers with PyTorch's interface over numpy's PCG64: ``torch.Generator``.

    >>> from minigrad.random import Generator
    >>> a, b = Generator().manual_seed(1), Generator().manual_seed(1)
    >>> bool(a.numpy.random() == b.numpy.random())
    True
    """

    def __init__(self, device: str = "cpu") -> None:
        if str(device) != "cpu":
            raise ValueError(f"Generator: minigrad computes on the CPU, there is no device {device!r}")
        self.seed()

    def manual_seed(self, seed: int) -> Generator:
        """Start the sequence that belongs to ``seed``; negative seeds are taken modulo 2**64, as in PyTorch."""
        self._seed = int(seed) % 2**64
        self.numpy = np.random.default_rng(self._seed)
        return self

    def seed(self) -> int:
        """Start an unpredictable sequence and return its seed."""
        self.manual_seed(int(np.random.SeedSequence().generate_state(1, np.uint64)[0]))
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the sequence started from."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """The position in the sequence, as plain data for :meth:`set_state`."""
        return {"seed": self._seed, "bits": self.numpy.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> Generator:
        """Go to the position that :meth:`get_state` returned."""
        self.manual_seed(state["seed"])
        self.numpy.bit_generator.state = state["bits"]
        return self


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the process's generator, so that what follows is reproducible: ``torch.manual_seed``.

    >>> import minigrad as mg
    >>> _ = mg.manual_seed(0)
    >>> a = mg.randn(3)
    >>> _ = mg.manual_seed(0)
    >>> bool((a == mg.randn(3)).all())
    True
    """
    return default_generator.manual_seed(seed)


def initial_seed() -> int:
    """The seed of the process's generator."""
    return default_generator.initial_seed()


def get_rng_state() -> dict[str, Any]:
    """The state of the process's generator, for :func:`set_rng_state`."""
    return default_generator.get_state()


def set_rng_state(state: dict[str, Any]) -> None:
    """Put the process's generator where :func:`get_rng_state` found it."""
    default_generator.set_state(state)


def numpy_generator(generator: Generator | None = None) -> np.random.Generator:
    """The numpy generator of ``generator``, or the process's where it is None."""
    return (default_generator if generator is None else generator).numpy
