"""The native room: ``kernels.c``, compiled where there was a compiler, does in one pass over memory what numpy does in several.

numpy is complete without it. A kernel of numpy (or a formula, which serves Tensors too) names its native twin in one line::

    @native.twin(maps.each("sigmoid"))
    def sigmoid(x): ...

What is called then is the twin if there is a library, and the first argument is a large enough array of float32 (of any size, where numpy calls many
functions: ``times=0``), and the twin can do it; else the function itself. A twin returns ``NotImplemented`` for what it cannot do: another dtype, a
Tensor, a layout.

The library is loaded when a twin is first wanted. ``MINIGRAD_NATIVE=0`` switches it off; another value (``v2``, ``v3``) is the level of
instructions to use in place of the processor's best. Calls go through ctypes: the GIL is free meanwhile.

Rounding errors: sigmoid and silu (above -87) are within 2 and 2.3 units of the last place of float32, numpy's sigmoid within 2.6. gelu is
within 2.5e-7 of the number above 0 and 5e-7 absolutely below, its slope within 3e-7 absolutely; numpy's are within 2e-7, 1e-7 and 2e-7.
logsigmoid is within 2.7 units, numpy's within 2.8; the slope of a cross-entropy of logits within 4 where it is near 0. Running sums are in doubles, rounded once. Means and variances are right to a unit, as
sums between blocks of 512 are doubles. Winograd's convolutions have up to 1.5 times the error of numpy's (:mod:`minigrad.kernels.winograd`),
as they sum over channels or tiles one after another. Matrix products sum 256 terms one after another, and then such sums. The others do what numpy does, but may keep a product unrounded before they add to
it (levels v3 and v4, ARM). So a twin may round otherwise than numpy, and one level otherwise than another; the same level gives the same
bits for any number of threads.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import os
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from minigrad.kernels.threads import helpers, wake

F32 = np.dtype(np.float32)
LEAST = 4096  # elements from which a call through ctypes, some 3 to 8 microseconds, pays where numpy calls two or three functions
SHORTEST = 16  # numbers in a row from which a loop over it pays
PART = 1 << 15  # elements in a part
MOST = 64  # threads that share a call
# Bytes of the largest array above which threads share: what is smaller lies in the cache of one of them, and the other one would take long to get it.
WORTH = 1 << 18

Function = TypeVar("Function", bound=Callable[..., Any])

# Parameters of the functions in kernels.c: p for an array, l for an integer, f for a float. Floats come last.
SIGNATURES = {
    **dict.fromkeys(("relu", "sigmoid", "silu", "gelu", "gelu_tanh", "logsigmoid", "hardswish"), "ppl"),
    **dict.fromkeys(("relu_back", "sigmoid_back", "tanh_back", "silu_back", "gelu_back", "gelu_tanh_back"), "pppl"),
    **dict.fromkeys(("logsigmoid_back", "hardswish_back", "with_logits"), "pppl"),
    "with_logits_slope": "ppplf",
    "softplus": "pplfff",
    "softplus_back": "ppplff",
    "elu": "pplfff",
    "elu_back": "ppplfff",
    "clipped": "pplffff",
    "clipped_back": "ppplfff",
    "huber": "pplff",
    "huber_back": "ppplff",
    "leaky_relu": "ppplf",
    "leaky_relu_back": "ppplf",
    "softmax": "ppll",
    "log_softmax": "pppll",
    **dict.fromkeys(("softmax_back", "log_softmax_back"), "pppll"),
    "cross_entropy": "pppplll",
    "cross_entropy_columns": "ppppp" + "llll",
    "sums": "ppll",
    "one_hot": "pppll",
    "cumsum": "pp" + "llll",
    "top": "pp" + "llll",
    "centered_sums": "pppppll",
    "affine": "pppppll",
    "blend": "pppppppll",
    "normalize": "ppppppllllf",
    "normalize_back": "pppppppppp" + "llll",
    "normalize_columns": "pppppplllf",
    "normalize_columns_back": "pppppppppplll",
    "normalize_images": "ppppppllllf",
    "normalize_images_back": "ppppppppppllll",
    "lstm": "pppppppllll",
    "lstm_back": "ppppppppp" + "llll",
    "gru": "pppppppp" + "llll",
    "gru_back": "pppppppppp" + "llll",
    **dict.fromkeys(("max_pool", "max_pool_back"), "ppplp"),
    **dict.fromkeys(("sum_pool", "spread_pool"), "pplp"),
    "winograd_weights": "ppp" + "l" * 7,
    "winograd": "p" * 9 + "lllp",
    "winograd_outputs": "p" * 9 + "lllllllp",
    "winograd_back": "p" * 7 + "lllp",
    "winograd_back_outputs": "p" * 8 + "llp",
    "winograd_taps": "ppp" + "l" * 5,
    "convolve": "pppppp" + "lp",
    "convolve_back": "ppppp" + "lpp",
    "convolve_weights": "pppp" + "l" * 14 + "pp",
    "convolve_weights_each": "pppp" + "l" * 14 + "p",
    "depthwise": "ppppplp",
    **dict.fromkeys(("depthwise_back", "depthwise_weights"), "pppplp"),
    "outer": "ppplll",
    "product": "ppppp" + "l" * 8 + "p",
    "add_rows": "pppll",
    "adam": "ppppl" + "f" * 6,
    "descend": "pplf",
    "sgd": "pppll" + "fff",
}
_TYPES: dict[str, Any] = {"p": ctypes.c_void_p, "l": ctypes.c_int64, "f": ctypes.c_float}


def _file() -> str:
    from minigrad.kernels.native.build import LIBRARY  # not at the import: `python -m` runs that file

    return os.path.join(os.path.dirname(__file__), LIBRARY)  # pathlib is 4 % of the time of `import minigrad`


class Library:
    """The functions of ``kernels.c`` at one level of instructions, as attributes.

    Raises ``OSError`` if there is no library, or only one of another ``kernels.c``; ``ValueError`` for a level that it does not have.
    """

    def __init__(self, level: str = ""):
        from minigrad.kernels.native.build import digest, levels

        self._library = ctypes.CDLL(_file())
        self.compiler, source, best = [self._text(name) for name in ("compiler", "source", "level")]
        if source != digest():
            raise OSError("it was made from another kernels.c")
        if not best:
            raise OSError("this processor has none of its levels of instructions")
        known = list(levels())
        self.levels = known[: known.index(best) + 1]  #: those that this processor has
        if level and level not in self.levels:
            raise ValueError(f"MINIGRAD_NATIVE: this processor has the levels {', '.join(self.levels)}, not {level!r}")
        self.level = level or best
        #: of each function its address, how many integers and floats it has, and how a Job of kernels.c and its integers lie in memory
        self.entries: dict[str, tuple[int | None, int, int, struct.Struct]] = {}
        for name, signature in SIGNATURES.items():
            function = self._library[f"minigrad_{name}_{self.level}"]
            function.argtypes, function.restype = [_TYPES[letter] for letter in signature], None
            setattr(self, name, function)
            floats = signature.count("f")
            integers = len(signature) - floats
            self.entries[name] = ctypes.cast(function, ctypes.c_void_p).value, integers, floats, struct.Struct(f"10q6f{2 * integers}q")
        self.can_call, self.together, self.attend = [self._library[f"minigrad_{name}"] for name in ("can_call", "together", "attend")]
        self.can_call.argtypes, self.can_call.restype = [ctypes.c_int64] * 2, ctypes.c_int64
        self.together.argtypes, self.together.restype = [ctypes.c_void_p], None
        self.attend.argtypes, self.attend.restype = [ctypes.c_int64] * 2, None
        self.forget = self._library["minigrad_forget"]
        self.awake, self.asked = [ctypes.c_int64.in_dll(self._library, f"minigrad_{name}") for name in ("awake", "asked")]

    def _text(self, name: str) -> str:
        function = self._library[f"minigrad_{name}"]
        function.restype = ctypes.c_char_p
        return function().decode()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"kernels.c has no {name}")


class _State:
    """Which library is in use, and from how many elements, and numbers in a row, on."""

    def __init__(self) -> None:
        self.asked = False
        self.library: Library | None = None
        self.least, self.shortest = LEAST, SHORTEST
        self.lanes = 4  # numbers in a vector
        self.why = ""  # there is none


_state = _State()


def library() -> Library | None:
    """The library in use, loaded if it was not yet; None where numpy does all the work."""
    if not _state.asked:
        wanted = os.environ.get("MINIGRAD_NATIVE", "")
        try:
            if wanted == "0":
                _state.why = "off, MINIGRAD_NATIVE is 0"
            else:
                _state.library = Library("" if wanted == "1" else wanted)
        except (OSError, AttributeError) as error:  # AttributeError: a function is missing
            _state.why = f"not in use, {error}" if os.path.exists(_file()) else "not built; python -m minigrad.kernels.native.build does it"
        _use(_state.library)
    return _state.library


def _use(found: Library | None, least: int = LEAST, shortest: int = SHORTEST) -> None:
    _state.asked, _state.library, _state.shortest = True, found, shortest
    _state.least = least if found is not None else sys.maxsize
    _state.lanes = {"v4": 16, "v3": 8}.get(getattr(found, "level", ""), 4)


def shortest() -> int:
    """Numbers in a row from which a loop over it pays."""
    return _state.shortest


def status() -> str:
    """Whether the native kernels are in use, as a line of :func:`minigrad.show_config`."""
    found = library()
    return f"{found.level}, made by {found.compiler}" if found is not None else _state.why


@contextlib.contextmanager
def force(level: str | None) -> Iterator[None]:
    """Use the kernels of a level, for arrays of any size, or none (None): for tests."""
    before = library(), _state.least, _state.shortest
    _use(Library(level) if level is not None else None, 0, 1)
    try:
        yield
    finally:
        _use(*before)


def twin(fast: Callable[..., Any], times: float = 1) -> Callable[[Function], Function]:
    """Make ``fast`` the native twin of the function that is decorated; both are called with positions. See above.

    ``times``: how many times as large as for other functions an array must be; 0 if numpy takes longer for any size.
    """

    def decorate(plain: Function) -> Function:
        ndarray, f32 = np.ndarray, F32

        def tried(*args: Any) -> Any:
            result = fast(*args) if args[0].size >= times * _state.least and library() is not None else NotImplemented
            return plain(*args) if result is NotImplemented else result

        if plain.__code__.co_argcount == 2 and plain.__defaults__ is None:  # half the time of *args, which counts for small arrays

            def call(a: Any, b: Any) -> Any:
                return tried(a, b) if type(a) is ndarray and a.dtype is f32 else plain(a, b)

        else:

            def call(*args: Any) -> Any:  # type: ignore[misc]
                return tried(*args) if type(args[0]) is ndarray and args[0].dtype is f32 else plain(*args)

        functools.update_wrapper(call, plain)
        call.native = fast  # type: ignore[attr-defined]
        return call  # type: ignore[return-value]

    return decorate


# -------------------------------------------------------------------------------------- what the twins are made of


def lines(*arrays: Any, dtype: np.dtype = F32) -> list[np.ndarray] | None:
    """The arrays, each in one piece; None unless all are ndarrays of ``dtype`` and of one shape."""
    found = []
    shape = getattr(arrays[0], "shape", None)
    for a in arrays:
        if type(a) is not np.ndarray or a.dtype is not dtype or a.shape != shape:
            return None
        flags = a.flags
        found.append(a if flags.c_contiguous and flags.aligned else a.copy(order="C"))
    return found


def address(a: np.ndarray) -> int:
    """Where the first element lies."""
    try:
        return _addressof(_from_buffer(a))  # type: ignore[arg-type]  # in a fifth of the other's time
    except (TypeError, ValueError):  # not writable, or empty
        return a.ctypes.data


def room(count: int) -> np.ndarray:
    """Numbers of any value that begin where a line of the cache does: vectors that lie in two lines take twice the time."""
    whole = np.empty(count + 16, np.float32)
    start = -address(whole) // 4 % 16
    return whole[start : start + count]


def _room_for(count: int) -> tuple[Any, int]:
    """A :func:`room`, and where it begins: up to SPARE numbers one that another call had."""
    if count <= SPARE:
        try:
            return _spare.pop()
        except IndexError:
            count = SPARE
    memory = room(count)
    return memory, address(memory)


def vector() -> int:
    """Numbers in a vector of the level in use."""
    if not _state.asked:
        library()
    return _state.lanes


_SHARES = struct.Struct("4q")  # of kernels.c
SPARE = 1 << 14  # numbers of a room that is kept for the next call
_spare: list[tuple[Any, int]] = []  # such rooms, and where they begin: as many as threads have used at the same time
_addressof, _from_buffer = ctypes.addressof, ctypes.c_char.from_buffer


def _together(name: str, given: list[Any], steps: list[int], counted: int, items: int, part: int, shares: int, seats: int) -> None:
    """Call a function of the library in shares, which so many other threads help with; steps are from one share to the next, of the first arguments."""
    found: Any = library()
    entry, integers, floats, layout = found.entries[name]
    more = [0] * (6 - floats), given[:integers], steps, [0] * (integers - len(steps))
    job = bytearray(
        layout.pack(entry, integers, floats, counted, items, part, shares, seats, 0, 0, *given[integers:], *itertools.chain(*more))
    )
    if found.awake.value < seats:
        wake(seats, found)
    found.together(_addressof(_from_buffer(job)))


def run(name: str, places: Sequence[tuple[np.ndarray, int]], count: int, *rest: Any, part: int = PART, worth: int | None = None) -> None:
    """Call a function of the library with pointers to ``places``, ``count`` and ``rest``; threads share the work in parts.

    A place is an array and the number of its elements for each of the ``count`` items, which do not depend on each other: 0 for an array that
    all parts read. ``part``: items in a part. ``worth``: bytes that the largest array must have for a second thread.
    """
    found: Any = library()
    pointers = [address(a) for a, _ in places]
    seats = helpers(-(-count // part)) if count > part else 0
    if not seats or max([a.nbytes for a, _ in places]) <= (WORTH if worth is None else worth):
        getattr(found, name)(*pointers, count, *rest)
        return
    steps = [a.itemsize * step * part for a, step in places]
    _together(name, [*pointers, count, *rest], steps, len(pointers), count, part, -(-count // part), seats)


def share(name: str, arrays: Sequence[np.ndarray], scratch: int, *rest: int, shares: int, calls: int = MOST) -> None:
    """Call a function of the library, which takes ``shares`` of its work one by one, in so many threads as there are, and ``calls`` at most.

    It gets pointers to ``arrays`` and to ``scratch`` numbers of its own, ``rest`` (numbers and addresses), and Shares of kernels.c, which the
    threads have in common. Shares are cut by shapes alone.
    """
    calls = 1 + helpers(min(shares, calls))
    own = -(-scratch // 16) * 16  # numbers from one room to the next
    count = own * calls + 32  # Shares, and two lines of the cache behind them the rooms
    memory, common = _room_for(count)
    _SHARES.pack_into(memory, 0, 0, 0, 0, shares)
    given = [*[address(a) for a in arrays], common + 128, *rest, common]
    if calls == 1:
        getattr(library(), name)(*given)
    else:
        _together(name, given, [*[0] * len(arrays), 4 * own, *[0] * len(rest), 1], -1, 0, 0, calls, calls - 1)
    if count <= SPARE:
        _spare.append((memory, common))
