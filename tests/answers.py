"""PyTorch's results: recorded where PyTorch is installed, and read from files where it is not.

A test that compares with PyTorch says ``from answers import torch`` and uses it like the library. It is a stand-in:

- if PyTorch is installed, each attribute, call and operator goes to the library, and the result is recorded on the *tape* of the
  running test. ``pytest --record-answers`` writes the tapes to ``tests/answers/``, one file for each test file; without the option
  the tape is compared with the stored one, if that was recorded with the same version of PyTorch;
- if it is not, the same steps are read from the tape. A PyTorch tensor is then only an index on the tape, but numbers, arrays and texts,
  which the test reads, are stored completely. A step that is not the next one on the tape is an error.

The values that hypothesis draws are recorded too, see :func:`on_drawn`. A test that needs PyTorch itself is marked ``live``.
Facts about PyTorch itself (names, signatures) go through :func:`noted`.
"""

from __future__ import annotations

import builtins
import copy
import importlib
import importlib.util
import inspect
import json
import lzma
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.testing.strategies import Call

FOLDER = Path(__file__).with_name("answers")
LIVE = importlib.util.find_spec("torch") is not None
AGREE = {"f": (1e-6, 1e-7)}  # how near stored and live answers are: machines sum in different orders


class OutOfStep(AssertionError):
    """The test takes another step than the one on its tape."""


class Tape:
    """What PyTorch was asked and what it answered, in order.

    A step is ``[what, print of the arguments, answer]``. Between a call and its answer stand the callbacks that it made:
    ``["callback", number, arguments]``, their own steps, ``["return", ...]``.
    """

    def __init__(self, name: str, steps: list | None = None):
        self.name = name
        self.recorded = steps  # None: there is no such tape
        self.steps: list = []
        self.place = 0
        self.numbers: dict[int, int] = {}  # id of an object of PyTorch -> its number
        self.objects: list[Any] = []  # kept alive, so that ids stay theirs
        self.stand_ins: dict[int, StandIn] = {}
        self.callbacks: list[Callable] = []

    def step(self, what: str, arguments: Any = None, do: Callable[[], Any] | None = None) -> Any:
        mark = fingerprint(arguments)
        if LIVE:
            entry = [what, mark, None]
            self.steps.append(entry)
            try:
                answer = do()
            except Exception as error:
                self.steps.append(["raised", "", [type(error).__name__, str(error)]])
                raise
            written, given = self.write(answer)
            self.steps.append(["answer", "", written])
            return given
        self.take(what, mark)
        while True:
            what, mark, answer = self.next()
            if what == "answer":
                return self.read(answer)
            if what == "raised":
                raise exception(*answer)
            if what != "callback":
                raise OutOfStep(f"{self.name}: {what!r} stands on the tape where an answer was expected")
            self.callbacks[answer[0]](*self.read(answer[1]), **self.read(answer[2]))
            self.take("return", None)

    def callback(self, function: Callable) -> Callable:
        """``function``, handed to PyTorch: its calls are noted."""
        number = len(self.callbacks)
        self.callbacks.append(function)
        if not LIVE:
            return function

        def called(*args: Any, **kwargs: Any) -> Any:
            (written, given), (named, given_named) = self.write(list(args)), self.write(kwargs)
            self.steps.append(["callback", "", [number, written, named]])
            result = function(*given, **given_named)
            self.steps.append(["return", None, None])
            return unwrapped(result)

        return called

    def ahead(self) -> str | None:
        """What the next step is."""
        return self.next()[0] if self.recorded is None else self.recorded[self.place][0] if self.place < len(self.recorded) else None

    def next(self) -> list:
        if self.recorded is None:
            raise OutOfStep(f"no answers are stored for {self.name}: run it with `pytest --record-answers` where PyTorch is installed")
        if self.place == len(self.recorded):
            raise OutOfStep(f"{self.name} asks more than its tape holds: record it again (pytest --record-answers)")
        self.place += 1
        return self.recorded[self.place - 1]

    def take(self, what: str, mark: Any) -> None:
        found = self.next()
        if found[0] != what or not alike(found[1], mark):
            raise OutOfStep(
                f"{self.name}, step {self.place}: the tape has {found[0]} {found[1]}, the test {what} {mark}: record it again (pytest --record-answers)"
            )

    # ------------------------------------------------------------------------------------------ answers as JSON

    def write(self, value: Any) -> tuple[Any, Any]:
        """A value as it is stored, and as the test gets it: with stand-ins for what belongs to PyTorch."""
        if isinstance(value, StandIn):
            value = value._object
        if value is None or type(value) in (bool, int, float, str):
            return value, value
        if isinstance(value, np.ndarray):
            return {"array": packed(value)}, value
        if isinstance(value, np.generic):
            return {"number": packed(np.asarray(value))}, value
        if isinstance(value, (list, tuple)) and type(value).__name__ != "PackedSequence":  # which has methods of its own
            pairs = [self.write(v) for v in value]
            written, given = [p[0] for p in pairs], [p[1] for p in pairs]
            if isinstance(value, list):
                return {"list": written}, given
            names = field_names(value)
            return ({"named": [names, written]}, Named(names, given)) if names else ({"tuple": written}, tuple(given))
        if isinstance(value, dict):
            pairs = [(self.write(k), self.write(v)) for k, v in value.items()]
            return {"dict": [[k[0], v[0]] for k, v in pairs]}, {k[1]: v[1] for k, v in pairs}
        if isinstance(value, Iterator):
            return self.write(list(value))
        if isinstance(value, slice):
            return {"slice": self.write([value.start, value.stop, value.step])[0]}, value
        if value is Ellipsis:
            return {"ellipsis": None}, value
        if isinstance(value, inspect.Signature):
            pairs = [(p, self.write(p.default) if p.default is not p.empty else None) for p in value.parameters.values()]
            made = [p if d is None else p.replace(default=d[1]) for p, d in pairs]
            return {"signature": [[p.name, int(p.kind), d and [d[0]]] for p, d in pairs]}, inspect.Signature(made)
        if isinstance(value, Call):
            return {"call": self.write([list(value.args), value.kwargs])[0]}, value
        number = self.numbers.get(id(value))
        if number is None:
            number = self.numbers[id(value)] = len(self.objects)
            self.objects.append(value)
            self.stand_ins[number] = StandIn(value)
        return {"object": number}, self.stand_ins[number]

    def read(self, stored: Any) -> Any:
        if not isinstance(stored, dict):
            return stored
        ((kind, value),) = stored.items()
        if kind in ("array", "number"):
            return unpacked(value) if kind == "array" else unpacked(value)[()]
        if kind in ("list", "tuple"):
            return (list if kind == "list" else tuple)(self.read(v) for v in value)
        if kind == "named":
            return Named(value[0], [self.read(v) for v in value[1]])
        if kind == "slice":
            return slice(*self.read(value))
        if kind == "ellipsis":
            return ...
        if kind == "signature":
            kinds = list(inspect._ParameterKind)
            made = [inspect.Parameter(n, kinds[k], **({"default": self.read(d[0])} if d else {})) for n, k, d in value]
            return inspect.Signature(made)
        if kind == "call":
            args, kwargs = self.read(value)
            return Call(tuple(args), kwargs)
        if kind == "dict":
            return {self.read(k): self.read(v) for k, v in value}
        return self.stand_ins.setdefault(value, StandIn(None))


def field_names(value: tuple) -> list[str]:
    """Of a namedtuple, or of what PyTorch has for one."""
    if type(value).__module__ == "torch.return_types":
        return [n for n, member in vars(type(value)).items() if inspect.ismemberdescriptor(member)]
    return list(getattr(value, "_fields", ()))


class Named(tuple):
    """Several results that have names."""

    def __new__(cls, names: list[str], values: Iterable) -> Named:
        made = super().__new__(cls, values)
        made.__dict__.update(zip(names, made, strict=False))
        return made


def exception(kind: str, message: str) -> Exception:
    made = getattr(builtins, kind, RuntimeError)
    return made(message)


def packed(array: np.ndarray) -> list:
    """dtype, shape and bytes: all first bytes, then all second ones, which compresses better.

    Of long arrays 40 bits of the mantissa are kept, 5e-13 of a number: no test looks closer at those.
    """
    plain = np.ascontiguousarray(array)
    if plain.dtype == np.float64 and plain.size > 32:
        plain = (plain.view(np.uint64) + np.uint64(1 << 11) & np.uint64((1 << 64) - (1 << 12))).view(np.float64)
        plain = np.where(np.isfinite(array), plain, array)
    return [str(plain.dtype), list(np.shape(array)), plain.reshape(-1).view(np.uint8).reshape(-1, plain.itemsize).T.tobytes()]


def unpacked(stored: list) -> np.ndarray:
    dtype, shape, data = stored
    size = np.dtype(dtype).itemsize
    return np.frombuffer(data, np.uint8).reshape(size, -1).T.copy().view(dtype).reshape(shape)


def fingerprint(value: Any) -> Any:
    """What is remembered of an argument: enough to notice another one, whatever the last bits of its numbers are."""
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, (float, np.floating)):
        return float(value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        with np.errstate(all="ignore"):
            total = float(np.abs(np.nan_to_num(value.astype(np.float64), posinf=7.0, neginf=9.0)).sum())
        return f"{value.dtype}{list(value.shape)}", total
    if isinstance(value, (list, tuple)):
        return [fingerprint(v) for v in value]
    if isinstance(value, dict):
        return [[str(k), fingerprint(v)] for k, v in value.items()]
    if isinstance(value, StandIn):
        return "*"
    return type(value).__name__


def alike(stored: Any, now: Any) -> bool:
    if isinstance(stored, (list, tuple)) and isinstance(now, (list, tuple)):
        return len(stored) == len(now) and all(alike(a, b) for a, b in zip(stored, now, strict=True))
    if type(stored) is float or type(now) is float:
        return (
            isinstance(stored, (int, float)) and isinstance(now, (int, float)) and bool(np.isclose(stored, now, 1e-4, 1e-6, equal_nan=True))
        )
    return stored == now


# ------------------------------------------------------------------------------------------------------- stand-ins


def unwrapped(value: Any) -> Any:
    if isinstance(value, StandIn):
        return value._object
    if isinstance(value, (list, tuple)) and not isinstance(value, Named):
        return type(value)(unwrapped(v) for v in value)
    if isinstance(value, Named):
        return tuple(unwrapped(v) for v in value)
    if isinstance(value, dict):
        return type(value)((unwrapped(k), unwrapped(v)) for k, v in value.items()) if type(value) is dict else value
    if isinstance(value, slice):
        return slice(unwrapped(value.start), unwrapped(value.stop), unwrapped(value.step))
    return value


READABLE = {"__version__", "__name__", "__module__", "__qualname__", "__doc__", "__all__"}


class StandIn:
    """In place of an object of PyTorch."""

    __slots__ = ("__weakref__", "_object")
    __array_ufunc__ = None  # so that `array * stand_in` is asked of the stand-in

    def __init__(self, value: Any):
        object.__setattr__(self, "_object", value)

    def __getattr__(self, name: str) -> Any:
        if (name.startswith("_") and name not in READABLE) or name == "pytestmark":  # what pytest looks for on whatever a module holds
            raise AttributeError(name)
        return running().step(f".{name}", None, lambda: getattr(self._object, name))

    def __setattr__(self, name: str, value: Any) -> None:
        running().step(f".{name} =", value, lambda: setattr(self._object, name, unwrapped(value)))

    def __delattr__(self, name: str) -> None:
        running().step(f"del .{name}", None, lambda: delattr(self._object, name))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        tape = running()

        def with_callbacks(value: Any) -> Any:
            if inspect.isfunction(value) or inspect.ismethod(value):
                return tape.callback(value)
            if isinstance(value, (list, tuple)) and any(inspect.isfunction(v) for v in value):
                return type(value)(with_callbacks(v) for v in value)
            return value

        args, kwargs = tuple(with_callbacks(a) for a in args), {k: with_callbacks(v) for k, v in kwargs.items()}
        return tape.step("()", [args, kwargs], lambda: self._object(*unwrapped(args), **unwrapped(kwargs)))

    @property
    def __signature__(self) -> inspect.Signature:
        return running().step("signature", None, lambda: inspect.signature(self._object))

    def __dir__(self) -> list[str]:
        return running().step("dir", None, lambda: dir(self._object))

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        array = running().step("array", None, lambda: np.asarray(self._object))
        return array if dtype is None else array.astype(dtype)

    def __iter__(self) -> Iterator:
        return iter(running().step("iter", None, lambda: list(self._object)))

    def __instancecheck__(self, value: Any) -> bool:
        if not isinstance(value, StandIn):
            return False
        return running().step("isinstance", None, lambda: isinstance(value._object, self._object))

    def __exit__(self, *error: Any) -> None:
        running().step("exit", None, lambda: self._object.__exit__(*error) and None)

    def __enter__(self) -> Any:
        return running().step("enter", None, lambda: self._object.__enter__())

    def __deepcopy__(self, memo: dict) -> Any:
        return running().step("deepcopy", None, lambda: copy.deepcopy(self._object))

    def __repr__(self) -> str:
        return running().step("repr", None, lambda: repr(self._object))

    def __str__(self) -> str:
        return running().step("str", None, lambda: str(self._object))

    def __format__(self, how: str) -> str:
        return running().step("format", how, lambda: format(self._object, how))

    def __hash__(self) -> int:
        return id(self)


def asked(name: str, function: Callable, swapped: bool = False) -> Callable:
    def method(self: StandIn, *others: Any) -> Any:
        operands = (*others, self) if swapped else (self, *others)
        return running().step(name, others, lambda: function(*unwrapped(operands)))

    return method


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor", "lshift", "rshift"):
    _function, _dunder = getattr(operator, _name), _name.strip("_")
    setattr(StandIn, f"__{_dunder}__", asked(_dunder, _function))
    setattr(StandIn, f"__r{_dunder}__", asked(f"r{_dunder}", _function, swapped=True))
    if hasattr(operator, f"i{_dunder}"):
        setattr(StandIn, f"__i{_dunder}__", asked(f"i{_dunder}", getattr(operator, f"i{_dunder}")))
for _name in ("eq", "ne", "lt", "le", "gt", "ge", "neg", "pos", "invert", "abs", "getitem", "setitem", "delitem", "contains", "index"):
    setattr(StandIn, f"__{_name}__", asked(_name, getattr(operator, _name)))
for _function in (len, bool, float, int):
    setattr(StandIn, f"__{_function.__name__}__", asked(_function.__name__, _function))


# ------------------------------------------------------------------------------------------------ tapes and their files

_tapes: dict[str, dict] = {}  # of a file of tests: name of a test -> steps
_running: list[Tape] = []


def running() -> Tape:
    if not _running:
        raise OutOfStep("PyTorch was asked outside of a test")
    return _running[-1]


def file_of(name: str) -> Path:
    """``tests/ops/test_conv.py::test_x[1]`` -> ``tests/answers/test_conv.xz``."""
    return FOLDER / f"{Path(name.partition('::')[0]).stem}.xz"


def tapes(name: str) -> dict:
    """``{"torch": its version, "tapes": {test: steps}}`` of a file of tests."""
    file = file_of(name)
    if file.name not in _tapes:
        _tapes[file.name] = load(file)
    return _tapes[file.name]


def load(file: Path) -> dict:
    """A file is JSON, a zero byte, and the bytes of all arrays, to which the JSON points."""
    if not file.exists():
        return {"torch": None, "tapes": {}}
    text, _, data = lzma.decompress(file.read_bytes()).partition(b"\0")
    stored = Stored(text.decode(), data)
    return {"torch": stored.after('{"torch":'), "tapes": stored}


class Stored(Mapping):
    """The tapes of a file. Each is read when its test runs: reading all of them takes a second for some files, in each test process.

    A tape is found by its name as JSON has it, with quotes and colon, which is nowhere else: within texts JSON escapes quotes, and an
    object on a tape has one key, a short word.
    """

    def __init__(self, text: str, data: bytes):
        def place(d: dict) -> Any:
            return data[d["from"] : d["to"]] if "from" in d and d.keys() == {"from", "to"} else d

        self.text, self.decoder = text, json.JSONDecoder(object_hook=place)

    def after(self, mark: str) -> Any:
        """What stands in the text behind ``mark``."""
        start = self.text.find(mark)
        if start < 0:
            raise KeyError(mark)
        return self.decoder.raw_decode(self.text, start + len(mark))[0]

    def __getitem__(self, name: str) -> list:
        return self.after(f"{json.dumps(name)}:")

    def __iter__(self) -> Iterator[str]:
        return iter(self.after('"tapes":'))

    def __len__(self) -> int:
        return len(self.after('"tapes":'))


def key_of(name: str) -> str:
    return name.partition("::")[2] or "module"


class on_tape:
    """Within it, what is asked of ``torch`` belongs to the tape of that name."""

    def __init__(self, name: str, recording: dict | None = None):
        self.name, self.recording = name, recording

    def __enter__(self) -> Tape:
        stored = None if LIVE and not self.is_compared() else tapes(self.name)["tapes"].get(key_of(self.name))
        self.tape = Tape(self.name, stored)
        if LIVE:  # the weights that a layer draws are those that it drew when the tape was recorded
            importlib.import_module("torch").manual_seed(0)
        _running.append(self.tape)
        return self.tape

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        _running.pop()
        if not LIVE or kind is not None or not self.tape.steps:
            return
        if self.recording is not None:
            self.recording.setdefault(file_of(self.name).name, {})[key_of(self.name)] = self.tape.steps
            return
        if self.is_compared():
            compare(self.name, self.tape.recorded, self.tape.steps)

    def is_compared(self) -> bool:
        """Whether live answers must be the stored ones: they are of one version of PyTorch, and are not being recorded."""
        return self.recording is None and tapes(self.name)["torch"] == importlib.import_module("torch").__version__.partition("+")[0]


def compare(name: str, stored: list | None, live: list) -> None:
    """Stored answers are those that PyTorch gives now."""
    assert stored is not None, f"{name} has no stored answers: record them (pytest --record-answers)"
    assert len(stored) == len(live), f"{name}: {len(live)} steps, {len(stored)} are stored: record them again (pytest --record-answers)"
    for i, (a, b) in enumerate(zip(stored, live, strict=True)):
        assert a[0] == b[0] and same(a[2], b[2]), (
            f"{name}, step {i}: {a} is stored, PyTorch says {b}: record again (pytest --record-answers)"
        )


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        if "array" in a or "number" in a:
            x, y = (unpacked(next(iter(v.values()))) for v in (a, b))
            rtol, atol = AGREE.get(x.dtype.kind, (0.0, 0.0))
            return (
                x.dtype == y.dtype
                and x.shape == y.shape
                and bool(np.allclose(x, y, max(rtol, 1e-4 * (x.dtype.itemsize < 8)), atol, equal_nan=True))
            )
        return all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float):
        return bool(np.isclose(a, b, 1e-6, 1e-9, equal_nan=True))
    return a == b


def save(recording: dict[str, dict]) -> None:
    """Write what was recorded; the tapes of other tests stay. (To drop those of tests that are gone, remove the files first.)"""
    version = importlib.import_module("torch").__version__.partition("+")[0]
    FOLDER.mkdir(exist_ok=True)
    for name, made in recording.items():
        file, data = FOLDER / name, bytearray()

        def place(value: bytes, data: bytearray = data) -> dict:
            data += value
            return {"from": len(data) - len(value), "to": len(data)}

        everything = {"torch": version, "tapes": dict(sorted({**load(file)["tapes"], **made}.items()))}
        text = json.dumps(everything, separators=(",", ":"), default=place).encode()
        file.write_bytes(lzma.compress(text + b"\0" + bytes(data), preset=9))


def on_drawn(run: Callable[[Callable], None], test: Callable[[Any], None]) -> None:
    """``run(test)``, where ``run`` draws values and calls ``test`` with each.

    What hypothesis draws depends on its version, and on what is imported. So tapes hold what was drawn when they were recorded; with
    PyTorch, ``test`` gets these and those that are drawn now, without it these only.
    """
    tape = running()

    def noting(value: Any) -> None:
        stored = tape.write(value)[0]
        tape.steps.append(["drawn", "", stored])
        test(tape.read(stored))  # to the bit what a machine without PyTorch will read: a tie must stay one

    if not LIVE:
        while tape.ahead() == "drawn":
            test(tape.read(tape.next()[2]))
        return
    stored = [answer for what, _, answer in tape.recorded or () if what == "drawn"]
    if not stored:
        run(noting)
        return
    _running.append(Tape(tape.name))  # what is drawn now is compared with PyTorch as it is, and what was drawn then with the tape
    try:
        run(test)
    finally:
        _running.pop()
    for value in stored:
        noting(tape.read(value))


def noted(compute: Callable[[Any], Any]) -> Any:
    """Plain data that ``compute(torch)`` reads off PyTorch itself."""
    return running().step("noted", None, lambda: compute(torch._object))


torch = StandIn(importlib.import_module("torch") if LIVE else None)
