"""Events with the same name added up, as rows of a table."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from minigrad.ops.arguments import check
from minigrad.profiler.recording import PYTHON, Event
from minigrad.tree import bytes_text

SORTS = ("self_cpu_time_total", "cpu_time_total", "cpu_time", "self_cpu_time", "count", "bytes_kept", "flops", "key")


@dataclass
class Average:
    """A row. Times are microseconds, under the names of PyTorch's.

    =======================  ===============================================================================================
    ``key``                  the name
    ``phase``                ``"forward"`` or ``"backward"``
    ``count``                number of calls
    ``self_cpu_time_total``  time without that of other rows: these add up to the time that was measured
    ``cpu_time_total``       time with that of the rows inside
    ``bytes_kept``           what it keeps for backward, with the rows inside
    ``flops``                two for each multiply-add, with the rows inside
    ``input_shapes``         with ``group_by_input_shape``, those of the arrays
    =======================  ===============================================================================================
    """

    key: str
    phase: str
    count: int = 0
    self_cpu_time_total: float = 0.0
    cpu_time_total: float = 0.0
    bytes_kept: int = 0
    flops: int = 0
    input_shapes: Any = None

    @property
    def cpu_time(self) -> float:
        """The mean of a call."""
        return self.cpu_time_total / max(self.count, 1)

    @property
    def self_cpu_time(self) -> float:
        """The mean of a call, without the rows inside."""
        return self.self_cpu_time_total / max(self.count, 1)


class EventList(list[Average]):
    """The rows that ``key_averages`` returns; ``str()`` is the table. ``bytes_kept`` and ``flops`` are those of all events."""

    bytes_kept = flops = 0

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds that were measured: the sum of the rows' own times."""
        return sum(row.self_cpu_time_total for row in self)

    def total_average(self) -> Average:
        """One row for all."""
        total = self.self_cpu_time_total
        return Average("Total", "", sum(row.count for row in self), total, total, self.bytes_kept, self.flops)

    def table(self, sort_by: str | None = None, row_limit: int = 100, max_name_column_width: int = 55, header: str | None = None) -> str:
        """The rows as text.

        Args:
            sort_by: an attribute of a row, the largest first (default: ``"self_cpu_time_total"``).
            row_limit: rows after this many are left out, and said to be; -1 for all.
            max_name_column_width: longer names lose their beginning.
            header: a line above.

        Raises ``ValueError`` for a ``sort_by`` that is no attribute: there is one device, and its times are ``cpu_time``.
        """
        check("table", locals(), "sort_by header", sort_by=SORTS, row_limit=-1, max_name_column_width=4, header=str)
        by = sort_by or "self_cpu_time_total"
        rows = sorted(self, key=lambda row: getattr(row, by), reverse=by != "key")
        shown = rows if row_limit < 0 else rows[:row_limit]
        whole = self.self_cpu_time_total or 1.0
        lines = [("name", "phase", "calls", "self %", "self", "total %", "total", "mean", "kept", "MFLOP")]
        for row in shown:
            name = row.key if row.input_shapes is None else f"{row.key} {row.input_shapes}"
            lines.append(
                (
                    name if len(name) <= max_name_column_width else "..." + name[3 - max_name_column_width :],
                    row.phase,
                    f"{row.count}",
                    f"{100 * row.self_cpu_time_total / whole:.1f}",
                    time_text(row.self_cpu_time_total),
                    f"{100 * row.cpu_time_total / whole:.1f}",
                    time_text(row.cpu_time_total),
                    time_text(row.cpu_time),
                    bytes_text(row.bytes_kept) if row.bytes_kept else "-",
                    f"{row.flops / 1e6:,.3f}" if row.flops else "-",
                )
            )
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        text = ["  ".join(t.ljust(w) if i < 2 else t.rjust(w) for i, (t, w) in enumerate(zip(line, widths, strict=True))) for line in lines]
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        rest = [f"({len(rows) - len(shown)} more rows)"] if len(shown) < len(rows) else []
        return "\n".join(
            [*([header] if header else []), text[0], rule, *text[1:], *rest, rule, f"measured: {time_text(self.self_cpu_time_total)}"]
        )

    def __str__(self) -> str:
        return self.table()


def time_text(microseconds: float) -> str:
    """A time for people.

    >>> from minigrad.profiler.averages import time_text
    >>> time_text(12.3456), time_text(12345.6), time_text(12.3456e6)
    ('12.346us', '12.346ms', '12.346s')
    """
    for size, unit in ((1e6, "s"), (1e3, "ms")):
        if microseconds >= size:
            return f"{microseconds / size:.3f}{unit}"
    return f"{microseconds:.3f}us"


def averages(events: Sequence[Event], by: str, shapes: bool) -> EventList:
    """The rows of ``events``, grouped by ``"op"``, ``"module"`` or ``"line"``."""
    keys = {"op": _by_op, "module": _by_module, "line": _by_line}[by]
    rows: dict[Key, Average] = {}
    calls: dict[Key, set[int]] = {}
    for event in events:
        for i, key in enumerate(dict.fromkeys(keys(event, shapes))):  # a function that calls itself counts once
            row = rows.get(key)
            if row is None:
                row, calls[key] = Average(key[0], key[1], input_shapes=key[2]), set()
                rows[key] = row
            if i == 0:
                row.self_cpu_time_total += event.self_time / 1000
                call = next(event.modules(), event) if by == "module" else event
                if call.kind not in ("module", "profile") or by == "module":
                    calls[key].add(id(call))
            row.cpu_time_total += event.self_time / 1000
            row.bytes_kept += event.bytes_kept
            row.flops += event.flops
    for key, row in rows.items():
        row.count = len(calls[key])
    found = EventList(rows.values())
    found.bytes_kept, found.flops = sum(event.bytes_kept for event in events), sum(event.flops for event in events)
    return found


Key = tuple[str, str, str | None]  # name, phase, shapes


def _by_op(event: Event, shapes: bool) -> Iterator[Key]:
    """The row of an event, then those of the events around it. Python's own time, in modules and outside, has one row."""
    if event.kind in ("module", "profile"):
        yield PYTHON, event.phase, None
    for around in event.chain():
        if around.kind not in ("module", "profile"):
            name = f"{around.name} (gradient)" if around.kind == "formula" else around.name
            yield name, around.phase, f"{around.shapes}" if shapes and around.kind == "op" else None


def _by_module(event: Event, shapes: bool) -> Iterator[Key]:
    found = [(call.name, event.phase, None) for call in event.modules()]
    return iter(found or [(_outside(event, "(outside of modules)"), event.phase, None)])


def _by_line(event: Event, shapes: bool) -> Iterator[Key]:
    lines = event.lines if event.kind not in ("module", "profile", "walk") else ()
    found = [
        (f"{os.path.relpath(file) if os.path.isabs(file) else file}:{number} ({function})", event.phase, None)
        for file, number, function in lines
    ]
    return iter(found or [(_outside(event, PYTHON), event.phase, None)])


def _outside(event: Event, otherwise: str) -> str:
    return next((around.name for around in event.chain() if around.kind in ("part", "walk")), otherwise)
