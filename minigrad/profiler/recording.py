"""What a program spends its time on, noted while it runs: an :class:`Event` for each op, formula, module call and named part."""

from __future__ import annotations

import bisect
import contextlib
import functools
import itertools
import operator
import os
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import get_ident
from time import perf_counter_ns
from typing import Any
from weakref import ref

import numpy as np
from numpy import ndarray

from minigrad.engine import (
    Batched,
    Leaf,
    Node,
    Op,
    Plan,
    innermost,
    last_level,
    levels,
    observer,
    put_before_kernels,
    run_batched,
    take_away,
)
from minigrad.engine.anomaly import GENERATED, PACKAGE, ByFile
from minigrad.engine.graph import listen, listen_no_more
from minigrad.nn.module import Module, put_before_calls
from minigrad.ops.shape_inference import MULTIPLY_ADDS

PYTHON = "(Python)"
LOG = 14_000  # entries of a log, after which another is begun
Line = tuple[str, int, str]  # file, number, function


@dataclass(eq=False, repr=False, slots=True)
class Event:
    """A span of time.

    ================  ==========================================================================================================
    ``name``          of the op (or the op whose formula it is), the module, the part
    ``kind``          ``"op"``, ``"formula"`` (what a backward pass does for an op: the formulas of its gradients, and sums of what they give),
                      ``"module"`` (a call), ``"part"`` (``record_function``, hooks of gradients), ``"walk"`` (a backward pass), or ``"profile"``, the whole
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

    name: str
    kind: str
    start: int
    end: int
    parent: Event | None = None
    frames: tuple[Any, ...] = ()  # in turn a code object, and the place in it: the line is found when somebody asks
    called_from: Event | None = None  # of a formula: the event of its op
    inside: int = 0
    node: int | None = None
    bytes_kept: int = 0
    flops: int = 0
    shapes: Any = None

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
    """What happens in one thread between :meth:`begin_all` and :meth:`end_all`: an :class:`~minigrad.engine.observed.Observer`.

    What happens is only noted when a span ends, and ``events`` are made of the notes when somebody asks: so the program is not much slower for being
    looked at. ``logs`` have in turn ``kind, what, start, end, frames, products, number`` of each span. ``what`` is the op or the name; ``frames`` is
    None for those of the span around it; ``products`` are an op's multiply-adds; ``number`` is that of the node that an op recorded. Spans that began
    no sooner are inside. The lists are flat, because Python's search for cycles comes sooner, and takes longer,
    with each tuple that stays; and there are several, because one that grows is moved in memory, and moved pages are dear.
    ``turns`` are written by backward passes: each node's turn is a span too, until the next one's or the end of the pass.
    """

    def __init__(self, shapes: bool, stack: bool):
        self.with_shapes, self.with_stack = shapes, stack
        self.thread = get_ident()
        self.log: list[Any] = []
        self.logs = [self.log]  # the last is the one that is written
        self.turns: list[Any] = []  # in turn the time, the plan (None for a leaf) and the number of a node
        self.shapes: list[list[tuple[int, ...]]] = []  # of each op in turn, those of its arrays, if asked for
        self.open: list[tuple[Any, ...]] = []  # what has not ended: kind, name, start, frames, and known outside
        self.bytes_kept: list[int] = []  # in turn the number of a node, and the bytes of an array that it is the first to keep
        self.kept: dict[int, ref[ndarray]] = {}  # id -> weak references to these arrays, of which each has one, while they are there
        self.arrays: dict[Plan, list[tuple[int, int | None]]] = {}  # what _places says of plans
        self.paths: dict[int, tuple[Module, str, bool]] = {}  # id of a module -> what _path says of it
        self.roots: dict[str, int] = {}  # class -> how many modules of it were called from outside of all modules
        # An op that is called now has the line of what is around it: of a formula, or of a module without code of the user's.
        self.known = False

    # ------------------------------------------------------------------------------------------------- begin and end

    def begin_all(self) -> None:
        """Begin to listen. Raises ``RuntimeError`` if another recording of this thread does."""
        if observer.get() is not None:
            raise RuntimeError("profile: another profiler runs in this thread")
        self.handle = put_before_calls(self.timed_call)
        observer.set(self)
        listen(self.made)
        put_before_kernels(self.timed)
        self.begin("profile", PYTHON)

    def end_all(self) -> None:
        """End what is open, and listen no more."""
        self.end(0)
        take_away(self.timed)
        listen_no_more(self.made)
        observer.set(None)
        self.handle.remove()
        self.paths.clear()

    def begin(self, kind: str, name: str) -> int:
        """Something begins; how deep it is. A part has the line of its caller."""
        frames = () if kind != "part" else None if self.known else self.caller()
        self.open.append((kind, name, perf_counter_ns(), frames, self.known))
        self.known = kind == "walk"  # a walk calls users' hooks as parts
        return len(self.open) - 1

    def end(self, depth: int) -> None:
        """End what began at ``depth``, and what an exception has left open in it. After :meth:`end_all` nothing is open."""
        now = perf_counter_ns()
        while len(self.open) > depth:
            kind, name, start, frames, self.known = self.open.pop()
            self.log += kind, name, start, now, frames, 0, None
            if kind == "walk":
                self.kept = {key: array for key, array in self.kept.items() if array() is not None}
        if len(self.log) > LOG:
            self.log = []
            self.logs.append(self.log)

    @functools.cached_property
    def events(self) -> list[Event]:
        """What was noted, in the order in which it began; the first is the whole."""
        found: list[Event] = []
        numbers: dict[Event, int] = {}  # formula -> number of its node
        ops: dict[int, Event] = {}  # number of a node -> the event of its op
        roots: list[Event] = []  # those that have no parent yet
        shapes = iter(self.shapes)
        for kind, what, start, end, frames, products, number in sorted(self._spans(), key=lambda span: (span[3], -span[2])):
            event = Event(what if type(what) is str else what.name, kind, start, end, frames=frames, flops=2 * products)
            if kind == "formula":
                numbers[event] = number
            elif kind == "op":
                event.shapes = next(shapes, None)
                if number is not None:
                    event.node, ops[number] = number, event
            while roots and roots[-1].start >= start:
                child = roots.pop()
                child.parent = event
                event.inside += child.end - child.start
                if kind == child.kind == "op":  # a kernel that calls an op is counted itself
                    child.flops = 0
            roots.append(event)
            found.append(event)
        for number, size in zip(self.bytes_kept[::2], self.bytes_kept[1::2], strict=True):
            ops[number].bytes_kept += size
        found = [found[place] for place in sorted(range(len(found)), key=lambda place: (found[place].start, -place))]
        for event in found:
            around = event.parent
            if event.kind == "formula":
                around = event.called_from = ops.get(numbers[event])
            if event.frames is None:
                event.frames = () if around is None else around.frames
        return found

    def _spans(self) -> Iterator[tuple[Any, ...]]:
        """What ``logs`` have, and the turns of each walk, but for those that are of a walk inside: a node's until the next one's."""
        notes, turns = itertools.chain.from_iterable(self.logs), [*zip(*[iter(self.turns)] * 3, strict=True)]
        free: list[tuple[Any, ...]] = []  # turns until now that are of no walk yet
        reached = 0
        for note in zip(*[notes] * 7, strict=True):
            if note[0] == "walk":
                begin, end = note[2:4]
                last = bisect.bisect_left(turns, end, reached, key=operator.itemgetter(0))
                free += turns[reached:last]
                reached = last
                first = bisect.bisect_left(free, begin, key=operator.itemgetter(0))
                ends = [*(time for time, *_ in free[first + 1 :]), end]
                for (start, plan, number), until in zip(free[first:], ends, strict=False):
                    if plan is not None:
                        yield "formula", plan.op, start, until, None, 0, number
                del free[first:]
            yield note

    # ----------------------------------------------------------------------------------------- what the engine tells

    def timed(self, op: Op, kernel: Callable[..., Any]) -> Callable[..., Any]:
        """What stands before a kernel while this recording runs."""
        thread, now, caller = self.thread, perf_counter_ns, self.caller
        count: Any = MULTIPLY_ADDS.get(op)

        def call(*args: Any, **kwargs: Any) -> Any:
            if get_ident() != thread:
                return kernel(*args, **kwargs)
            start = now()
            try:
                if not levels or innermost.get() is None or op.across_levels or (level := last_level((*args, *kwargs.values()))) is None:
                    out = kernel(*args, **kwargs) if kwargs else kernel(*args)
                else:
                    out = run_batched(op, *op.split(args, kwargs), level)
            except BaseException:  # an op that fails is noted too
                self.log += "op", op, start, now(), None if self.known else caller(), 0, None
                raise
            self.log += "op", op, start, now(), None if self.known else caller(), 0 if count is None else products(out, args), None
            return out

        def products(out: Any, args: Any) -> int:
            return count(out, args) * _samples(out) if levels else count(out, args)

        def with_shapes(*args: Any, **kwargs: Any) -> Any:
            try:
                return call(*args, **kwargs)
            finally:
                if get_ident() == thread:
                    self.shapes.append(_shapes(args, kwargs))

        return with_shapes if self.with_shapes else call

    def made(self, node: Node) -> None:
        """Note what the node of the last op keeps, and that its gradient belongs to this op."""
        log, plan = self.log, node.plan
        if get_ident() != self.thread or not log or log[-6] is not plan.op:
            return
        log[-1] = number = node.number
        places = self.arrays.get(plan)
        if places is None:
            places = self.arrays[plan] = _places(node)
        values, parents, kept = node.kept, node.parents, self.kept
        for place, parent in places:
            value = values[place]
            if type(value) is ndarray and (parent is None or type(parents[parent]) is not Leaf):  # a parameter is there anyway
                array = ref(value if (owner := value.base) is None or type(owner) is not ndarray else owner)
                key = id(array)
                if key not in kept:
                    kept[key] = array
                    self.bytes_kept += number, value.nbytes

    # ------------------------------------------------------------------------------------------------ modules and lines

    def timed_call(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """What modules are called by while this recording runs."""
        thread, paths, open_, now = self.thread, self.paths, self.open, perf_counter_ns

        def __call__(module: Module, /, *args: Any, **kwargs: Any) -> Any:
            if get_ident() != thread:
                return call(module, *args, **kwargs)
            _, name, plain = paths.get(id(module)) or self._path(module)
            known, depth = self.known, len(open_)
            frames, start = None if known else self.caller(2), now()
            open_.append(("module", name, start, frames, known))  # as begin does
            self.known = plain and module._hooks is None
            try:
                return call(module, *args, **kwargs) if kwargs else call(module, *args)
            finally:
                if known and len(open_) == depth + 1:  # as end does, without a call
                    self.log += "module", name, start, now(), None, 0, None
                    del open_[depth]
                    self.known = True
                else:
                    self.end(depth)

        return __call__

    def _path(self, module: Module) -> tuple[Module, str, bool]:
        """The module, its name in rows, and whether all that it calls itself is minigrad's, and has no lines of its own then."""

        def entry(inner: Module, name: str) -> tuple[Module, str, bool]:
            return inner, name, not self.with_stack and _is_plain(inner)

        root = type(module).__name__
        if all(kind != "module" for kind, *_ in self.open):
            number = self.roots[root] = self.roots.get(root, 0) + 1
            root += f"#{number}" if number > 1 else ""
            for path, inner in module.named_modules():
                self.paths.setdefault(id(inner), entry(inner, f"{root}.{path} ({type(inner).__name__})" if path else root))
        return self.paths.setdefault(id(module), entry(module, root))  # one that its owner does not list

    def caller(self, depth: int = 3) -> tuple[Any, ...]:
        """``frames`` of the line of the user's that is running, and if asked for of all that called it. The model zoo counts as the user's."""
        frame: Any = sys._getframe(depth)
        while _is_ours[frame.f_code.co_filename] and frame.f_back is not None:
            frame = frame.f_back
        if not self.with_stack:
            return frame.f_code, frame.f_lasti
        found: list[Any] = []
        while frame is not None:
            if not _is_ours[frame.f_code.co_filename]:
                found += frame.f_code, frame.f_lasti
            frame = frame.f_back
        return tuple(found)


def _is_plain(module: Module) -> bool:
    """Whether the class is minigrad's, and none of its attributes is a function that is not. (Modules in it have events of their own.)"""
    values = [v for v in vars(module).values() if callable(v) and not isinstance(v, Module)]
    names = [f"{getattr(v, '__module__', '')}." for v in (type(module), *values)]
    return all(name.startswith("minigrad.") and not name.startswith("minigrad.nn.models.") for name in names)


@functools.lru_cache(1 << 16)
def _line(code: types.CodeType, place: int) -> Line:
    number = next(itertools.islice(code.co_positions(), place // 2, None))[0]
    return code.co_filename, number or code.co_firstlineno, code.co_qualname


_ZOO = os.path.join(PACKAGE, "nn", "models") + os.sep


_is_ours = ByFile(
    lambda file: file.startswith((PACKAGE, GENERATED, contextlib.__file__)) and not file.startswith(_ZOO)
)  # whether it is minigrad's


def _places(node: Node) -> list[tuple[int, int | None]]:
    """Where nodes like this one keep what may be an array: its place, and that of the input that it is. Not the shapes of inputs.

    A static argument that is neither an array nor None, such as a stride, is none in other calls either.
    """
    plan: Plan = node.plan
    found: list[tuple[int, int | None]] = []
    for i, ((source, name), value) in enumerate(zip(plan.kept, node.kept, strict=True)):
        if type(source) is int:
            found.append((i, source))
        elif source is not None or (name in plan.op.statics and (value is None or type(value) is ndarray)):
            found.append((i, None))
    return found


def _shapes(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[int, ...]]:
    """Of the arrays that an op is called with. Not the arrays, which would stay in memory."""
    return [a.shape for a in (*args, *kwargs.values()) if isinstance(a, (np.ndarray, Batched))]


def _samples(value: Any) -> int:
    """How many samples of ``vmap`` the shape of a value, or of the first of several, stands for."""
    if type(value) is tuple:
        value = value[0]
    return value.level.size * _samples(value.array) if type(value) is Batched else 1
