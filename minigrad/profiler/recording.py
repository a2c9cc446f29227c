"""What a program spends its time on, noted while it runs: an :class:`Event` for each op, formula, module call and named part."""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
import types
import weakref
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter_ns
from typing import Any

import numpy as np

from minigrad.engine import Batched, Leaf, Node, Op, innermost, last_level, observer, put_before_kernels, run_batched, take_away
from minigrad.engine.anomaly import GENERATED
from minigrad.engine.graph import users
from minigrad.nn.module import Module, register_module_forward_hook, register_module_forward_pre_hook
from minigrad.ops.shape_inference import MULTIPLY_ADDS, outline

PYTHON = "(Python)"
Line = tuple[str, int, str]  # file, number, function


class Event:
    """A span of time.

    ================  ==========================================================================================================
    ``name``          of the op (or the op whose formula it is), the module, the part
    ``kind``          ``"op"``, ``"formula"`` (of an op's gradient), ``"module"`` (a call), ``"part"`` (``record_function``),
                      ``"walk"`` (a backward pass), or ``"profile"``, the whole
    ``phase``         ``"forward"``, or ``"backward"`` inside a backward pass
    ``start``         nanoseconds, and so is ``end``
    ``self_time``     nanoseconds without those of the events inside
    ``parent``        the event around it; None for the whole
    ``origin``        in a backward pass, the forward event of the op whose gradient is computed
    ``lines``         (file, number, function) of the line of the user's that called it, and with ``with_stack`` of those that called that
    ``shapes``        of the arrays that an op was called with, if ``record_shapes`` asked for them
    ``node``          the number of the graph's node, None if the op recorded none
    ``bytes_kept``    of the arrays that the op's node keeps for backward, and that no earlier one keeps
    ``flops``         two for each multiply-add, as :func:`minigrad.nn.summary` counts them
    ================  ==========================================================================================================
    """

    # Of these an event has its own where it differs: a call of an op must not take long.
    inside = bytes_kept = flops = end = 0
    op: Op | None = None
    node: int | None = None
    shapes: Any = None
    frames: tuple[Any, ...] = ()  # in turn a code object, and the place in it: the line is found when somebody asks
    called_from: Event | None = None  # of a formula: the event of its op

    def __init__(self, name: str, kind: str, parent: Any):
        self.name, self.kind, self.parent = name, kind, parent
        self.start = perf_counter_ns()

    @property
    def phase(self) -> str:
        """Whether it is inside a backward pass."""
        return "backward" if any(event.kind == "walk" for event in self.chain()) else "forward"

    @property
    def origin(self) -> Event | None:
        """In a formula, the forward event of its op."""
        return next((event.called_from for event in self.chain() if event.kind == "formula"), None)

    @property
    def time(self) -> int:
        """Nanoseconds from start to end."""
        return self.end - self.start

    @property
    def self_time(self) -> int:
        """Nanoseconds without those of the events inside."""
        return self.end - self.start - self.inside

    @property
    def lines(self) -> tuple[Line, ...]:
        """The line of the user's that called it, and with ``with_stack`` those that called that."""
        return tuple([_line(code, place) for code, place in zip(self.frames[::2], self.frames[1::2], strict=True)])

    def chain(self) -> Iterator[Event]:
        """This event and those around it, from the inside out."""
        event: Event | None = self
        while event is not None:
            yield event
            event = event.parent

    def modules(self) -> Iterator[Event]:
        """The calls of modules that it belongs to, the innermost first: in a backward pass those of its origin."""
        return (event for event in (self.origin or self).chain() if event.kind == "module")

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name!r}, {self.phase}, {self.time / 1000:.1f} us>"


class Recording:
    """The events of one thread between :meth:`begin_all` and :meth:`end_all`: an :class:`~minigrad.engine.observed.Observer`."""

    def __init__(self, shapes: bool, stack: bool):
        self.with_shapes, self.with_stack = shapes, stack
        self.whole = self.current = Event(PYTHON, "profile", None)
        self.events = [self.whole]
        self.last: Event | None = None  # the last op that ended: the node that is made next is its
        self.origins: dict[int, Event] = {}  # number of a node -> the event of its op
        self.owners: dict[int, weakref.ref] = {}  # id -> an array whose memory is kept by a node already
        self.paths: dict[int, tuple[Module, str]] = {}  # id of a module -> the module, and its name in rows
        self.roots: dict[str, int] = {}  # class -> how many modules of it were called from outside of all modules
        self.handles: list[Any] = []
        self.frames: tuple[Any, ...] | None = None  # in a formula, those that called its op

    # ------------------------------------------------------------------------------------------------- begin and end

    def begin_all(self) -> None:
        """Begin to listen. Raises ``RuntimeError`` if another recording of this thread does."""
        if observer.get() is not None:
            raise RuntimeError("profile: another profiler runs in this thread")
        self.handles = [
            register_module_forward_pre_hook(self._module_begins),
            register_module_forward_hook(self._module_ends, always_call=True),
        ]
        observer.set(self)
        users.append(self)
        put_before_kernels(_timed)
        self.whole.start = perf_counter_ns()

    def end_all(self) -> None:
        """End all events, and listen no more."""
        end = perf_counter_ns()
        for event in self.current.chain():
            self._close(event, end)
        take_away(_timed)
        users.remove(self)
        observer.set(None)
        for handle in self.handles:
            handle.remove()
        for event in self.events:
            if event.shapes is not None and event.op is not None:
                out, args, kwargs, samples = event.shapes
                count = MULTIPLY_ADDS.get(event.op)
                if count is not None and event.parent.kind != "op":  # a kernel that calls an op is counted itself
                    inputs, statics = event.op.split([_stand_in(a) for a in args], {name: _stand_in(a) for name, a in kwargs.items()})
                    event.flops = 2 * samples * count(_stand_in(out), inputs, statics)
                event.shapes = [a[0] for a in (*args, *kwargs.values()) if type(a) is _Shape] if self.with_shapes else None
        self.origins.clear()
        self.owners.clear()
        self.paths.clear()
        self.last = None

    def begin(self, name: str, kind: str) -> Event:
        """A new event inside the current one."""
        event = self.current = Event(name, kind, self.current)
        self.events.append(event)
        return event

    def end(self, event: Event) -> None:
        """End ``event``, and those in it that an exception has left open."""
        now = perf_counter_ns()
        while self.current is not event:
            self._close(self.current, now)
            self.current = self.current.parent
        event.end = now
        self.current = parent = event.parent
        parent.inside += now - event.start

    @staticmethod
    def _close(event: Event, now: int) -> None:
        event.end = now
        if event.parent is not None:
            event.parent.inside += now - event.start

    # ----------------------------------------------------------------------------------------- what the engine tells

    def made(self, node: Node) -> None:
        """Note what the node of the last op keeps, and that its gradient belongs to this op's event."""
        event, plan = self.last, node.plan
        if event is None or event.op is not plan.op:
            return
        event.node = number = node.number
        self.origins[number] = event
        for i, value in enumerate(node.kept):
            if type(value) is np.ndarray:
                source = plan.kept[i][0]
                if type(source) is int and type(node.parents[source]) is Leaf:  # a parameter is there anyway
                    continue
                owner = value if value.base is None else value.base
                known = self.owners.get(id(owner))
                if known is None or known() is not owner:
                    with contextlib.suppress(TypeError):  # memory of something else than numpy
                        self.owners[id(owner)] = weakref.ref(owner)
                    event.bytes_kept += value.nbytes

    @contextlib.contextmanager
    def walking(self) -> Iterator[None]:
        """The event of a backward pass."""
        event = self.begin("(backward pass)", "walk")
        try:
            yield
        finally:
            self.end(event)

    def formula(self, node: Node, formula: Callable[..., Any], g: Any, args: Iterable[Any]) -> Any:
        """``formula(g, *args)`` with an event."""
        event = self.begin(node.plan.op.name, "formula")
        event.called_from = origin = self.origins.get(node.number)
        outer = self.frames
        self.frames = event.frames = () if origin is None else origin.frames
        try:
            result = formula(g, *args)
        finally:
            self.frames = outer
            self.end(event)
        if type(result) in (tuple, list):  # those of a joint formula that are computed only if they are needed

            def later(r: Any) -> Any:
                return (lambda: self.formula(node, lambda g: r(), g, ())) if type(r) is types.FunctionType else r

            return [later(r) for r in result]
        return result

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """The event of a part with a name."""
        event = self.begin(name, "part")
        event.frames = self.caller()
        try:
            yield
        finally:
            self.end(event)

    # ------------------------------------------------------------------------------------------------ modules and lines

    def _module_begins(self, module: Module, args: Any) -> None:
        if observer.get() is self:  # else it is a module of another thread
            self.begin(self._name(module), "module")

    def _module_ends(self, module: Module, args: Any, output: Any) -> None:
        if observer.get() is self:
            event: Event | None = self.current
            while event is not None and event.kind != "module":
                event = event.parent
            if event is not None:  # None for a module that was called before the profiler began
                self.end(event)

    def _name(self, module: Module) -> str:
        known = self.paths.get(id(module))
        if known is None:
            root = type(module).__name__
            if not any(event.kind == "module" for event in self.current.chain()):
                number = self.roots[root] = self.roots.get(root, 0) + 1
                root += f"#{number}" if number > 1 else ""
                for path, inner in module.named_modules():
                    self.paths.setdefault(id(inner), (inner, f"{root}.{path} ({type(inner).__name__})" if path else root))
            known = self.paths.setdefault(id(module), (module, root))  # one that its owner does not list
        return known[1]

    def caller(self) -> tuple[Any, ...]:
        """``frames`` of the line of the user's that is running, and if asked for of all that called it. The model zoo counts as the user's."""
        frame: Any = sys._getframe(2)
        found: tuple[Any, ...] = ()
        while frame is not None:
            code = frame.f_code
            ours = _is_ours.get(code.co_filename)
            if ours is None:
                name = f"{frame.f_globals.get('__name__')}."
                zoo, generated = name.startswith("minigrad.nn.models."), code.co_filename.startswith(GENERATED)
                _is_ours[code.co_filename] = ours = generated or name == "contextlib." or (name.startswith("minigrad.") and not zoo)
            if not ours:
                found += code, frame.f_lasti
                if not self.with_stack:
                    break
            frame = frame.f_back
        return found


@functools.lru_cache(1 << 16)
def _line(code: types.CodeType, place: int) -> Line:
    number = next(itertools.islice(code.co_positions(), place // 2, None))[0]
    return code.co_filename, number or code.co_firstlineno, code.co_qualname


_is_ours: dict[str, bool] = {}  # file -> whether it is one of minigrad's


class _Shape(tuple):
    """(shape, dtype) in the place of an array."""


def _shaped(value: Any) -> Any:
    return _Shape((value.shape, value.dtype)) if isinstance(value, (np.ndarray, Batched)) else value


def _samples(value: Any) -> int:
    """How many samples of ``vmap`` the shape of a value stands for."""
    return value.level.size * _samples(value.array) if type(value) is Batched else 1


def _stand_in(value: Any) -> Any:
    return outline(*value) if type(value) is _Shape else value


def _timed(op: Op, kernel: Callable) -> Callable:
    """What stands before a kernel while a profiler runs."""
    name, counted = op.name, op in MULTIPLY_ADDS

    def call(*args: Any, **kwargs: Any) -> Any:
        recording: Any = observer.get()
        if recording is None:  # another thread is observed
            return kernel(*args, **kwargs)
        parent = recording.current
        event = recording.current = Event(name, "op", parent)
        recording.events.append(event)
        level = None if innermost.get() is None or op.across_levels else last_level((*args, *kwargs.values()))
        try:
            out = kernel(*args, **kwargs) if level is None else run_batched(op, *op.split(args, kwargs), level)
        except Exception:
            recording.end(event)
            raise
        end = event.end = perf_counter_ns()
        parent.inside += end - event.start
        recording.current = parent
        event.op = op
        event.frames = recording.caller() if recording.frames is None else recording.frames
        if counted or recording.with_shapes:
            result = out[0] if op.has_residual else out
            event.shapes = _shaped(result), [_shaped(a) for a in args], {n: _shaped(a) for n, a in kwargs.items()}, _samples(result)
        recording.last = event
        return out

    return call
