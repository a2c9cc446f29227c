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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from threading import RLock, current_thread, get_ident
from time import perf_counter_ns
from typing import Any
from weakref import ref

from numpy import ndarray

from minigrad.engine import (
    Batched,
    Leaf,
    Node,
    Op,
    Plan,
    observe,
    observe_no_more,
    observer,
)
from minigrad.engine.anomaly import GENERATED, PACKAGE, ByFile
from minigrad.engine.observed import PENDING
from minigrad.nn.module import Module, add_path, plain_call, put_before_calls
from minigrad.ops import shape_inference as shape_inference  # it knows the multiply-adds of ops

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

    What happens is only noted when a span ends, and as little of it as can be: between two kernels, which have put the interpreter's code out of the
    caches, whatever it does is dear. What can wait is done for many notes at once (:meth:`settle`), and ``events`` are made when somebody asks.

    ``log`` has in turn ``what, start, end, frames, more, node`` of each span. ``what`` is an op, or the name of something else; ``more`` is an op's
    multiply-adds, or of what kind that is; ``frames`` is None for those of the span around it; ``node`` is the one that an op recorded. ``logs``
    have the settled notes, with the node's number in place of the node. Spans that began no sooner are inside. The lists are flat, because Python's
    search for cycles comes sooner, and takes longer, with each tuple that stays; and there are several, because one that grows is moved in memory,
    and moved pages are dear. ``turns`` are written by backward passes: each node's turn is a span too, until the next one's or the end of the pass.
    """

    def __init__(self, shapes: bool, stack: bool):
        self.with_shapes, self.with_stack = shapes, stack
        self.thread, self.owner = get_ident(), current_thread()
        self.log: list[Any] = []
        self.logs: list[list[Any]] = [[]]  # the last is the one that is written
        self.turns: list[Any] = []  # in turn the time, the plan (None for a leaf) and the number of a node
        self.shapes: list[list[tuple[int, ...]]] = []  # of each op in turn, those of its arrays, if asked for
        self.open: list[tuple[Any, ...]] = []  # what has not ended, but for modules: kind, name, start, frames, and known outside
        self.bytes_kept: list[int] = []  # in turn the number of a node, and the bytes of an array that it is the first to keep
        self.kept: dict[int, ref[ndarray]] = {}  # id -> weak references to these arrays, of which each has one, while they are there
        self.many = 100  # when there are so many of these, they are looked through for arrays that are gone
        self.places: dict[Plan, list[tuple[int, int | None]]] = {}  # what _places says of plans
        self.paths: dict[int, tuple[Module, str, bool]] = {}  # id of a module -> what _path says of it
        self.roots: dict[str, int] = {}  # class -> how many modules of it were called from outside of all modules
        self.yes = 0 if shapes else True  # with shapes, ops call `details` all the same
        # `yes` where an op has the line of what is around it: of a formula, or of a module without code of the user's; else None.
        self.known: int | None = None
        self.depth = 0  # length of `open`
        self.settling, self.idle = RLock(), True  # it may be ended by another thread

    # ------------------------------------------------------------------------------------------------- begin and end

    def begin_all(self) -> None:
        """Begin to listen. Raises ``RuntimeError`` if another recording of this thread does."""
        other = observer()
        if isinstance(other, Recording) and other.owner is current_thread():  # else its thread has ended, and given its number to this one
            raise RuntimeError("profile: another profiler runs in this thread")
        self.handle = put_before_calls(self.timed_call)
        observe(self)
        self.begin("profile", PYTHON)

    def end_all(self) -> None:
        """End what is open, and listen no more."""
        now = perf_counter_ns()
        for call in self._calls():  # what they note at their ends is not read
            self.log += call["name"], call["start"], now, call["frames"], "module", None
        self.end(0, now)
        self.settle()
        self.log = _Nowhere()
        observe_no_more(self.thread)
        self.handle.remove()
        self.paths.clear()

    def begin(self, kind: str, name: str) -> int:
        """Something begins; how deep it is. A part has the line of its caller."""
        if kind == "walk":  # it frees what nodes keep
            self.settle()
        frames = () if kind != "part" else self.line(3) if self.known is None else None
        self.open.append((kind, name, perf_counter_ns(), frames, self.known))
        self.known = self.yes if kind == "walk" else None  # it calls users' hooks as parts
        depth, self.depth = self.depth, len(self.open)
        return depth

    def end(self, depth: int, now: int | None = None) -> None:
        """End what began at ``depth``, and what an exception has left open in it. After :meth:`end_all` nothing is open."""
        now = now or perf_counter_ns()
        while len(self.open) > depth:
            kind, name, start, frames, self.known = self.open.pop()
            self.log += name, start, now, frames, kind, None
        self.depth = len(self.open)

    def settle(self) -> None:
        """Move what ``log`` has to ``logs``: measure what the nodes keep, and let go of them."""
        with self.settling:
            if self.idle:  # what finalizers and signal handlers run meanwhile waits for the next time
                self.idle = False
                try:
                    self._settle()
                finally:
                    self.idle = True

    def _settle(self) -> None:
        log, kept, places_of = [*self.log], self.kept, self.places
        del self.log[: len(log)]  # what a finalizer adds meanwhile stays
        nodes = log[5::6]
        for index in itertools.compress(itertools.count(), nodes):
            node = nodes[index]
            plan, number, values, parents = node.plan, node.number, node.kept, node.parents
            if plan.op is not log[6 * index]:
                log[6 * index + 5] = None
                continue
            log[6 * index + 5] = number
            if type(values) is not tuple or parents is None:  # another thread's backward pass has freed them
                continue
            places = places_of.get(plan)
            if places is None:
                places = places_of[plan] = _places(node)
            for place, parent in places:
                value = values[place]
                if type(value) is ndarray and (parent is None or type(parents[parent]) is not Leaf):  # a parameter is there anyway
                    array = ref(value if (owner := value.base) is None or type(owner) is not ndarray else owner)
                    key = id(array)
                    if key not in kept:
                        kept[key] = array
                        self.bytes_kept += number, value.nbytes
        if len(self.logs[-1]) > LOG:
            self.logs.append([])
        self.logs[-1] += log
        if len(kept) > self.many:
            self.kept = {key: array for key, array in kept.items() if array() is not None}
            self.many = 2 * len(self.kept) + 100

    @functools.cached_property
    def events(self) -> list[Event]:
        """What was noted, in the order in which it began; the first is the whole."""
        found: list[Event] = []
        numbers: dict[Event, int] = {}  # formula -> number of its node
        ops: dict[int, Event] = {}  # number of a node -> the event of its op
        roots: list[Event] = []  # those that have no parent yet
        shapes = iter(self.shapes)
        for what, start, end, frames, more, number in sorted(_nested(self._spans()), key=lambda span: (span[2], -span[1])):
            if isinstance(what, Op):
                event = Event(what.name, "op", start, end, frames=frames, flops=2 * more, shapes=next(shapes, None))
                if number is not None:
                    event.node, ops[number] = number, event
            else:
                event = Event(what, more, start, end, frames=frames)
                if more == "formula":
                    numbers[event] = number
            while roots and roots[-1].start >= start:
                child = roots.pop()
                child.parent = event
                event.inside += child.end - child.start
                if event.kind == child.kind == "op":  # a kernel that calls an op is counted itself
                    child.flops = 0
            roots.append(event)
            found.append(event)
        for number, size in zip(self.bytes_kept[::2], self.bytes_kept[1::2], strict=True):
            if number in ops:  # else an interrupt came while its log was settled
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
        for note in zip(*[notes] * 6, strict=True):
            if note[4] == "walk":
                begin, end = note[1:3]
                last = bisect.bisect_left(turns, end, reached, key=operator.itemgetter(0))
                free += turns[reached:last]
                reached = last
                first = bisect.bisect_left(free, begin, key=operator.itemgetter(0))
                ends = [*(time for time, *_ in free[first + 1 :]), end]
                for (start, plan, number), until in zip(free[first:], ends, strict=False):
                    if plan is not None:
                        yield plan.op.name, start, until, None, "formula", number
                del free[first:]
            yield note

    # ----------------------------------------------------------------------------------------- what the engine tells

    def details(self, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """``frames`` of an op that has just run."""
        if len(self.log) > PENDING:  # here, because ops without nodes do not ask
            self.settle()
        if self.with_shapes:
            self.shapes.append([a.shape for a in args if isinstance(a, (ndarray, Batched))])  # not the arrays, which would stay in memory
        return self.line(3) if self.known is None else None

    def ran(self, op: Op, start: int, args: tuple[Any, ...], out: Any = None) -> None:
        """Note an op that raised, or ran for all samples of ``vmap``."""
        now = perf_counter_ns()
        products = 0 if out is None or op.multiply_adds is None else op.multiply_adds(out, args) * _samples(out)
        self.log += op, start, now, None if self.known else self.details(args), products, None

    # ------------------------------------------------------------------------------------------------ modules and lines

    def timed_call(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """What modules are called by while this recording runs."""
        thread, paths, now, log, yes, alone = self.thread, self.paths, perf_counter_ns, self.log, self.yes, call is plain_call

        def __call__(module: Module, /, *args: Any, **kwargs: Any) -> Any:
            if get_ident() != thread:
                return call(module, *args, **kwargs)
            _, name, plain = paths.get(id(module)) or self._path(module)
            known, depth = self.known, self.depth
            frames = self.line(2) if known is None else None
            hooks = module._hooks
            self.known = yes if plain and hooks is None else None
            start = now()
            try:  # as `call` does, which takes longer
                return module.forward(*args, **kwargs) if alone and hooks is None else call(module, *args, **kwargs)
            except Exception as error:
                add_path(module, error)
                raise
            finally:
                if self.depth != depth:
                    self.end(depth)
                log.extend((name, start, now(), frames, "module", None))
                self.known = known
                if known is None and len(log) > PENDING:
                    self.settle()

        self.code = __call__.__code__
        return __call__

    def _calls(self) -> Iterator[dict[str, Any]]:
        """The variables of the calls of modules that are running, the innermost first."""
        frame: Any = sys._getframe(1)
        while frame is not None:
            if frame.f_code is self.code and frame.f_locals["self"] is self:
                yield frame.f_locals
            frame = frame.f_back

    def _path(self, module: Module) -> tuple[Module, str, bool]:
        """The module, its name in rows, and whether all that it calls itself is minigrad's, and has no lines of its own then."""

        def entry(inner: Module, name: str) -> tuple[Module, str, bool]:
            return inner, name, not self.with_stack and _is_plain(inner)

        root = type(module).__name__
        if len([*self._calls()]) == 1:
            number = self.roots[root] = self.roots.get(root, 0) + 1
            root += f"#{number}" if number > 1 else ""
            for path, inner in module.named_modules():
                self.paths.setdefault(id(inner), entry(inner, f"{root}.{path} ({type(inner).__name__})" if path else root))
        return self.paths.setdefault(id(module), entry(module, root))  # one that its owner does not list

    def line(self, depth: int) -> tuple[Any, ...]:
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


def _nested(spans: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """The spans, but where one began inside another and ended after it, as a module in which a step ended, it ends with the other."""
    ends: list[int] = []  # of those around the next
    for what, start, end, *more in sorted(spans, key=lambda span: (span[1], -span[2])):
        while ends and ends[-1] <= start:
            ends.pop()
        ends.append(min(end, ends[-1]) if ends else end)
        yield what, start, ends[-1], *more


class _Nowhere(list[Any]):
    """The log of a recording that has ended: an op that still runs adds itself to it, and nothing stays."""

    def __iadd__(self, more: Any) -> Any:  # type: ignore[misc]
        return self


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


def _samples(value: Any) -> int:
    """How many samples of ``vmap`` the shape of a value, or of the first of several, stands for."""
    if type(value) is tuple:
        value = value[0]
    return value.level.size * _samples(value.array) if type(value) is Batched else 1
