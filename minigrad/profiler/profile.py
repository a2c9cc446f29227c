"""The profiler that users call, under the names of ``torch.profiler``."""

from __future__ import annotations

import enum
import os
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

from minigrad import absent
from minigrad.ops.arguments import check
from minigrad.profiler.averages import EventList, averages
from minigrad.profiler.files import write_flame_graph, write_stacks, write_trace
from minigrad.profiler.recording import Event, Recording


class ProfilerActivity(enum.Enum):
    """What can be profiled: here the CPU, whatever a script asks for."""

    CPU = 0
    CUDA = 1
    XPU = 2


class ProfilerAction(enum.Enum):
    """What a profiler does in a step, as a schedule says."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    """The CPU."""
    return {ProfilerActivity.CPU}


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """A schedule for :class:`profile`: in turn ``wait`` and ``warmup`` steps without, and ``active`` steps with a recording.

    Args:
        repeat: how many such turns; 0 for no end.
        skip_first: steps before the first turn.
        skip_first_wait: not 0: the first turn has no ``wait``.

    Raises ``ShapeError`` for a negative number, or ``active`` below 1.

    >>> from minigrad import profiler
    >>> when = profiler.schedule(wait=1, warmup=1, active=2, repeat=1)
    >>> [when(step).name for step in range(5)]
    ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE', 'NONE']
    """
    check("schedule", locals(), wait=0, warmup=0, active=1, repeat=0, skip_first=0, skip_first_wait=0)

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        if step < 0:
            return ProfilerAction.NONE
        if skip_first_wait:
            step += wait
        turn, step = divmod(step, wait + warmup + active)
        if (repeat and turn >= repeat) or step < wait:
            return ProfilerAction.NONE
        if step < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD_AND_SAVE if step == wait + warmup + active - 1 else ProfilerAction.RECORD

    return action


def tensorboard_trace_handler(dir_name: str, worker_name: str | None = None, use_gzip: bool = False) -> Callable[[profile], None]:
    """For ``on_trace_ready``: each recording becomes a trace ``*.pt.trace.json`` in the folder ``dir_name``, which is made if need be.

    Args:
        worker_name: beginning of the files' names (default: this machine's name and the process's number).
        use_gzip: compress them.
    """
    check("tensorboard_trace_handler", locals(), "worker_name", worker_name="a name")

    def write(profiler: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker}.{time.time_ns()}.pt.trace.json{'.gz' if use_gzip else ''}"
        profiler.export_chrome_trace(os.path.join(dir_name, name))

    return write


def _always(step: int) -> ProfilerAction:
    return ProfilerAction.RECORD


@absent.answers_as("torch.profiler.profile")
class profile:
    """Context manager: where the time of this thread goes, by op, module and line: ``torch.profiler.profile``.

    It records each op, what a backward pass does for it, each call of a module, steps of optimizers, batches of a ``DataLoader``, and parts under
    :class:`record_function`; with the bytes that ops keep for the backward pass, and FLOPs. Ops of other threads are not recorded.

    Args:
        activities: accepted; what runs here runs on the CPU.
        schedule: step -> :class:`ProfilerAction`, see :func:`schedule`; then :meth:`step` is called after each step of the training, and only
            steps that the schedule names are recorded. Without one, everything in the block is.
        on_trace_ready: called with the profiler when a recording is complete.
        record_shapes: note the shapes of the arrays that ops are called with.
        with_stack: note not only the line that called an op but all of its callers; takes longer.
        profile_memory, with_flops, with_modules, acc_events: accepted; memory, FLOPs and modules are always recorded.

    In a recording the own times of all rows (``self_cpu_time_total``) add up to the time from its begin to its end; the time between ops is in
    the row ``(Python)``. While no profiler runs, ops take no longer than if there were none.

    Raises ``RuntimeError`` (at the begin) inside another profiler.

    >>> import minigrad as mg
    >>> from minigrad import nn, profiler
    >>> model, x = nn.Sequential(nn.Linear(4, 3), nn.ReLU()), mg.ones(2, 4)
    >>> with profiler.profile() as p:
    ...     model(x).sum().backward()
    >>> sorted(row.key for row in p.key_averages() if row.phase == "forward")
    ['(Python)', 'linear', 'relu', 'sum']
    >>> [(row.key, row.phase, row.flops) for row in p.key_averages(by="module") if row.key.startswith("Sequential.0")]
    [('Sequential.0 (Linear)', 'forward', 48), ('Sequential.0 (Linear)', 'backward', 48)]
    >>> print(p.key_averages().table(sort_by="count", row_limit=3))  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        activities: Iterable[Any] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        acc_events: bool = False,
    ):
        check("profile", locals(), "schedule on_trace_ready", schedule="a function", on_trace_ready="a function")
        self.schedule, self.on_trace_ready = schedule or _always, on_trace_ready
        self.record_shapes, self.with_stack = record_shapes, with_stack
        self.step_num = 0
        self.current_action = ProfilerAction.NONE
        self._stepping = schedule is not None
        self._recording: Recording | None = None  # the one that is running
        self._done: Recording | None = None
        self._part: tuple[Recording, int] | None = None  # a step that is running, and how deep it is

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin, as the ``with`` block does."""
        self.step_num = 0
        self._turn(self.schedule(0))

    def stop(self) -> None:
        """End, as the ``with`` block does. A recording that is running is complete then."""
        self._turn(ProfilerAction.NONE, ready=True)

    def step(self) -> None:
        """A step of the training has ended, and the next begins: the schedule is asked for it."""
        self._stepping = True
        self.step_num += 1
        self._turn(self.schedule(self.step_num))

    def _turn(self, action: ProfilerAction, ready: bool = False) -> None:
        if self._part is not None:
            recording, depth = self._part
            recording.end(depth)
            self._part = None
        records = action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
        ready = ready or self.current_action is ProfilerAction.RECORD_AND_SAVE
        if self._recording is not None and (ready or not records):
            self._done, self._recording = self._recording, None
            self._done.end_all()
            if ready and self.on_trace_ready is not None:
                self.on_trace_ready(self)
        if records and self._recording is None:
            recording = Recording(self.record_shapes, self.with_stack)
            recording.begin_all()
            self._recording = recording
        if self._recording is not None and self._stepping and records:
            self._part = self._recording, self._recording.begin("part", f"ProfilerStep#{self.step_num}")
        self.current_action = action

    def events(self) -> list[Event]:
        """The events of the last recording, in the order in which they began; the first is the whole.

        Raises ``RuntimeError`` before there is one.
        """
        if self._done is None:
            raise RuntimeError("profile: there is no complete recording yet; read the results after the block, or in on_trace_ready")
        return self._done.events

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, by: str = "op") -> EventList:
        """The last recording as rows, each for the forward or the backward phase; ``print`` shows the table.

        Args:
            group_by_input_shape: a row for each set of shapes that an op was called with; needs ``record_shapes``.
            group_by_stack_n: not 0: as ``by="line"``.
            by: ``"op"``; ``"module"``: by the module that was being called, in the backward phase the one whose ops' gradients are
                computed; ``"line"``: by the line of your program (or of :mod:`minigrad.nn.models`) that called the op.
        """
        check("key_averages", locals(), group_by_stack_n=0, by=("op", "module", "line"))
        if group_by_input_shape and not self.record_shapes:
            raise ValueError("key_averages: group_by_input_shape needs profile(record_shapes=True)")
        return averages(self.events(), "line" if group_by_stack_n else by, group_by_input_shape)

    def export_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write the last recording as a trace that ``chrome://tracing`` and https://ui.perfetto.dev show; compressed for ``*.gz``."""
        write_trace(self.events(), path)

    def export_stacks(self, path: str | os.PathLike[str], metric: str = "self_cpu_time_total") -> None:
        """Write the last recording as collapsed stacks: a line ``outer;inner microseconds`` for each, for flamegraph.pl or speedscope."""
        check("export_stacks", locals(), metric=("self_cpu_time_total",))
        write_stacks(self.events(), path, self.with_stack)

    def export_flame_graph(self, path: str | os.PathLike[str]) -> None:
        """Write the last recording as a flame graph, an SVG that browsers show; a bar's title has its time."""
        write_flame_graph(self.events(), path, self.with_stack)
