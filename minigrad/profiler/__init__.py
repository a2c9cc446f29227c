"""Where the time goes: :class:`profile`, its table by op, module and line, and traces and flame graphs of it.

While it runs, ops call their kernels through a clock (:func:`minigrad.engine.put_before_kernels`), so are modules called, and a backward pass
notes when it comes to each node; while it does not, none of this is there.
"""

# mypy: implicit-reexport

# ruff: noqa: I001 (sorted, but several on a line)

from minigrad.engine import record_function
from minigrad.profiler.averages import Average, EventList
from minigrad.profiler.profile import (
    ProfilerAction, ProfilerActivity, profile, schedule, supported_activities, tensorboard_trace_handler,
)  # fmt: skip
from minigrad.profiler.recording import Event
