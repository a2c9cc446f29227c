"""``torch.profiler``."""

# mypy: implicit-reexport

from minigrad.profiler import (
    ProfilerAction, ProfilerActivity, profile, record_function, schedule, supported_activities, tensorboard_trace_handler,
)  # fmt: skip
