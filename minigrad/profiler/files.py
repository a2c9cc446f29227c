"""Events as files: a trace for chrome://tracing and Perfetto, collapsed stacks, and a flame graph."""

from __future__ import annotations

import gzip
import html
import json
import os
from collections.abc import Sequence
from typing import Any

from minigrad.files.atomic import whole_file
from minigrad.profiler.averages import time_text
from minigrad.profiler.recording import Event


def write_trace(events: Sequence[Event], path: str | os.PathLike[str]) -> None:
    """Write the events in Chrome's trace format, compressed if ``path`` ends in ``.gz``. Arrows go from an op to what a backward pass does for it."""
    whole = events[0]
    found: list[dict[str, Any]] = []
    common = {"pid": os.getpid(), "tid": 1}

    def moment(nanoseconds: int) -> float:
        return (nanoseconds - whole.start) / 1000

    for event in events:
        told: dict[str, Any] = {"phase": event.phase, "module": next((m.name for m in event.modules()), "")}
        told["line"] = [f"{file}:{number} ({function})" for file, number, function in event.lines]
        told |= {name: getattr(event, name) for name in ("flops", "bytes_kept", "shapes") if getattr(event, name)}
        name = f"{event.name} (gradient)" if event.kind == "formula" else event.name
        found.append(
            {"ph": "X", "name": name, "cat": event.kind, "ts": moment(event.start), "dur": event.time / 1000, "args": told} | common
        )
        origin = event.origin
        if event.kind == "formula" and origin is not None:
            arrow = {"cat": "fwdbwd", "name": "fwdbwd", "id": origin.node} | common
            found.append({"ph": "s", "ts": moment(origin.start)} | arrow)
            found.append({"ph": "f", "bp": "e", "ts": moment(event.start)} | arrow)
    text = json.dumps({"traceEvents": found, "displayTimeUnit": "ms"}).encode()
    with whole_file(path) as file:
        file.write(gzip.compress(text) if os.fspath(path).endswith(".gz") else text)


def stacks(events: Sequence[Event], functions: bool) -> dict[tuple[str, ...], float]:
    """Frames from the outside in -> microseconds that were spent there and not further in.

    The frames are the phase, modules, events in modules, and with ``functions`` those of the user's that called them (for events ``with_stack``). In
    a backward pass modules and functions are those of the ops whose gradients are computed.
    """
    found: dict[tuple[str, ...], float] = {}
    for event in events:
        inside: list[str] = []
        for around in event.chain():
            if around.kind == "module" or around.kind == "profile" or around.kind == "walk":
                break
            inside.append(f"{around.name} (gradient)" if around.kind == "formula" else around.name)
        outer: list[str] = []
        deep = 0
        for call in dict.fromkeys([*reversed(list(event.modules())), event]):  # a module's own event is one of its modules
            called_by = call.lines[::-1] if functions else ()
            outer += [f"{os.path.basename(file)}:{function}" for file, _, function in called_by[deep:]]
            deep = max(deep, len(called_by))
            if call.kind == "module":
                outer.append(call.name)
        frames = (event.phase, *outer, *reversed(inside))
        found[frames] = found.get(frames, 0.0) + event.self_time / 1000
    return found


def write_stacks(events: Sequence[Event], path: str | os.PathLike[str], functions: bool) -> None:
    """Write a line ``frame;frame;frame microseconds`` for each stack, as flamegraph.pl, speedscope and inferno read it."""
    lines = [f"{';'.join(frame.replace(';', ',') for frame in frames)} {time:.0f}\n" for frames, time in stacks(events, functions).items()]
    with whole_file(path) as file:
        file.write("".join(lines).encode())


def write_flame_graph(events: Sequence[Event], path: str | os.PathLike[str], functions: bool) -> None:
    """Write the stacks as an SVG: a bar for each frame, as wide as its time, below the frame that called it. Bars bear their numbers as titles."""
    times: dict[tuple[str, ...], float] = {}
    for frames, time in stacks(events, functions).items():
        for depth in range(len(frames) + 1):
            times[frames[:depth]] = times.get(frames[:depth], 0.0) + time
    whole, width, height = max(times[()], 1e-9), 1200, 18
    begins: dict[tuple[str, ...], float] = {(): 0.0}
    ends: dict[tuple[str, ...], float] = {(): 0.0}  # where the next bar inside begins
    bars = []
    for frames in sorted(times, key=lambda frames: (len(frames), -times[frames])):
        if frames:
            begins[frames] = ends[frames] = ends[frames[:-1]]
            ends[frames[:-1]] += times[frames]
        x, w = width * begins[frames] / whole, width * times[frames] / whole
        if w < 0.3:
            continue
        name = html.escape(frames[-1] if frames else "all")
        hue = 215 if frames[:1] == ("backward",) else 30
        shade = 62 + sum(map(ord, name)) % 20
        y, share = height * len(frames), f"{time_text(times[frames])}, {100 * times[frames] / whole:.1f} %"
        bars.append(
            f'<svg x="{x:.2f}" y="{y}" width="{w:.2f}" height="{height - 1}"><title>{name}: {share}</title>'
            f'<rect width="100%" height="100%" rx="2" fill="hsl({hue},70%,{shade}%)"/><text x="3" y="13">{name if w > 25 else ""}</text></svg>'
        )
    deepest = height * (1 + max(map(len, times)))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {deepest}" font-family="sans-serif" font-size="11">'
    with whole_file(path) as file:
        file.write("\n".join([head, *bars, "</svg>\n"]).encode())
