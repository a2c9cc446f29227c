"""Random numbers: one generator for the process, and further generators that the user makes.

Everything random in minigrad (``randn``, dropout, initialisers, shuffling) draws from a :class:`Generator`, by default
from the one that :func:`manual_seed` seeds.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minigrad import absent
from minigrad.devices import check_device, device
from minigrad.engine import Batched, TensorBase, innermost, wrap
from minigrad.ops.arguments import check, shown, whole
from minigrad.tree import array_of
from minigrad.types import Tensor

_making = threading.Lock()
_BYTES = (8, 16, 16, 1, 4)  # of a state: the seed, and PCG64's state, increment, whether half a draw is left over, and that half


@absent.answers_as("torch.Generator")
class Generator:
    """A source of random numbers with PyTorch's interface over numpy's PCG64: ``torch.Generator``.

    >>> from minigrad.random import Generator
    >>> a, b = Generator().manual_seed(1), Generator().manual_seed(1)
    >>> bool(a.numpy.random() == b.numpy.random())
    True
    """

    def __init__(self, device: str = "cpu") -> None:
        check_device(device)
        self.seed()

    def manual_seed(self, seed: int) -> Generator:
        """Start the sequence of ``seed``, and return the generator. Negative seeds are taken modulo 2**64, as in PyTorch."""
        self._seed = whole("manual_seed", "seed", seed) % 2**64
        self._numpy: np.random.Generator | None = None
        return self

    @property
    def numpy(self) -> np.random.Generator:
        """numpy's generator, made at the first access: importing numpy.random takes a third of the time of importing numpy."""
        if self._numpy is None:
            with _making:
                if self._numpy is None:
                    self._numpy = np.random.default_rng(self._seed)
        return self._numpy

    def seed(self) -> int:
        """Start an unpredictable sequence and return its seed."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the sequence started from."""
        return self._seed

    def get_state(self) -> Tensor:
        """The position in the sequence, for :meth:`set_state`: a Tensor of bytes, of another length than PyTorch's.

        >>> from minigrad.random import Generator
        >>> g = Generator().manual_seed(1)
        >>> state, first = g.get_state(), g.numpy.random()
        >>> state.dtype, bool(g.set_state(state).numpy.random() == first)
        (torch.uint8, True)
        """
        bits = self.numpy.bit_generator.state
        values = self._seed, bits["state"]["state"], bits["state"]["inc"], bits["has_uint32"], bits["uinteger"]
        return wrap(np.frombuffer(b"".join(v.to_bytes(n, "little") for v, n in zip(values, _BYTES, strict=True)), np.uint8).copy())

    def set_state(self, new_state: Tensor) -> Generator:
        """Restore the position that :meth:`get_state` returned, and return the generator.

        Raises ``TypeError`` for anything but a Tensor or an array of bytes, and ``RuntimeError`` for one that is no state of this generator.
        """
        if isinstance(new_state, dict) and new_state.keys() >= {"seed", "bits"}:  # in checkpoints from before states were tensors
            self.manual_seed(new_state["seed"])
            self.numpy.bit_generator.state = new_state["bits"]
            return self
        if not isinstance(new_state, (TensorBase, np.ndarray)) or new_state.dtype != np.uint8:
            raise TypeError(f"set_rng_state: new_state must be a uint8 Tensor, as get_rng_state returns it, but is {shown(new_state)}")
        data = np.asarray(array_of(new_state)).tobytes()
        if len(data) != sum(_BYTES):
            told = "; PyTorch's generator computes other numbers, and manual_seed starts this one" if len(data) == 5056 else ""
            raise RuntimeError(f"set_rng_state: a state has {sum(_BYTES)} bytes, and new_state has {len(data)}{told}")
        ends = list(itertools.accumulate(_BYTES))
        seed, state, inc, has_uint32, uinteger = (int.from_bytes(data[e - n : e], "little") for n, e in zip(_BYTES, ends, strict=True))
        if not inc % 2 or has_uint32 > 1:  # PCG64 adds an odd number
            raise RuntimeError("set_rng_state: new_state is not what get_rng_state returned")
        self.manual_seed(seed)
        self.numpy.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": state, "inc": inc},
            "has_uint32": has_uint32,
            "uinteger": uinteger,
        }
        return self

    def clone_state(self) -> Generator:
        """Another generator at the same position."""
        return Generator().set_state(self.get_state())

    @property
    def device(self) -> device:
        """The CPU."""
        return device("cpu")


default_generator = Generator()


class _ThisThread(threading.local):
    generator: Generator | None = None  # replaces the process's generator, see drawing_from


_this_thread = _ThisThread()


class drawing_from:
    """Context manager: this thread draws from ``generator`` wherever it would draw from the process's generator.

    The random numbers in the block then depend on ``generator`` only, and the state of the process's generator does not change.
    :func:`manual_seed`, :func:`get_rng_state` and :func:`set_rng_state` use ``generator`` too. A loader makes each batch in such a block.

    >>> import minigrad as mg
    >>> from minigrad.random import Generator, drawing_from
    >>> def draw(seed):
    ...     with drawing_from(Generator().manual_seed(seed)):
    ...         return mg.randn(3).tolist()
    >>> _ = mg.manual_seed(1)
    >>> before = mg.get_rng_state()
    >>> draw(5) == draw(5), mg.equal(mg.get_rng_state(), before)
    (True, True)
    """

    def __init__(self, generator: Generator):
        check("drawing_from", locals(), generator=Generator)
        self.generator = generator

    def __enter__(self) -> Generator:
        self.outer = _this_thread.generator
        _this_thread.generator = self.generator
        return self.generator

    def __exit__(self, *_: Any) -> None:
        _this_thread.generator = self.outer


def _current() -> Generator:
    return _this_thread.generator or default_generator


def manual_seed(seed: int) -> Generator:
    """Seed the process's generator, so that later random numbers are reproducible, and return it: ``torch.manual_seed``.

    >>> import minigrad as mg
    >>> _ = mg.manual_seed(0)
    >>> a = mg.randn(3)
    >>> _ = mg.manual_seed(0)
    >>> bool((a == mg.randn(3)).all())
    True
    """
    return _current().manual_seed(seed)


def initial_seed() -> int:
    """The seed of the process's generator."""
    return _current().initial_seed()


def seed() -> int:
    """Start an unpredictable sequence of the process's generator, and return its seed: ``torch.seed``."""
    return _current().seed()


@contextlib.contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, device_type: str = "cpu") -> Iterator[None]:
    """A block after which the process's generator is where it was before: ``torch.random.fork_rng``. There is one, whatever the devices.

    >>> import minigrad as mg
    >>> from minigrad.random import fork_rng
    >>> before = mg.get_rng_state()
    >>> with fork_rng():
    ...     _ = mg.randn(3)
    >>> mg.equal(mg.get_rng_state(), before)
    True
    """
    check("fork_rng", locals(), device_type=("cpu", "cuda", "mps", "xpu"))
    before = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(before)


def get_rng_state() -> Tensor:
    """The state of the process's generator, for :func:`set_rng_state`: a Tensor of bytes, as ``torch.get_rng_state`` returns one.

    >>> import minigrad as mg
    >>> state = mg.get_rng_state()
    >>> first = mg.randn(3)
    >>> mg.set_rng_state(state)
    >>> mg.equal(mg.randn(3), first)
    True
    """
    return _current().get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Restore the state of the process's generator that :func:`get_rng_state` returned. Raises what :meth:`Generator.set_state` does."""
    _current().set_state(new_state)


def drawn(draw: Callable[[np.random.Generator, tuple[int, ...]], Any], shape: tuple[int, ...], generator: Generator | None = None) -> Any:
    """``draw(numpy's generator, shape)``: random numbers. All of them come this way, so that ``vmap`` gives each sample its own if it shall.

    >>> from minigrad.random import drawn
    >>> drawn(lambda random, shape: random.random(shape), (2, 3)).shape
    (2, 3)
    """
    level = innermost.get()
    if level is None:
        return draw(numpy_generator(generator), shape)
    wraps = []
    while level is not None:
        level.refuse_random()
        if level.randomness == "different":
            wraps.append(level)
            shape = (level.size, *shape)
        level = level.outer
    numbers = draw(numpy_generator(generator), shape)
    for level in reversed(wraps):
        numbers = Batched(numbers, level)
    return numbers


def numpy_generator(generator: Generator | None = None) -> np.random.Generator:
    """The numpy generator of ``generator``, or that of the process's generator if it is None."""
    if generator is None:
        generator = _current()
    elif not isinstance(generator, Generator):
        raise TypeError(f"generator must be a Generator, as mg.Generator().manual_seed(0), but is {shown(generator)}")
    return generator.numpy
