"""One library in its own process, with its threads: answers requests, one JSON object per line."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.libraries import LIBRARIES, US, Unable
from benchmarks.limits import limit, needs, rates
from benchmarks.rows import ROWS


def work(library: Any, name: str, tiny: bool) -> Callable[[], Any]:
    """The function that row ``name`` times, after one call without the clock."""
    row = ROWS[name]
    function = getattr(library, row.kind)(**{**row.sizes, **(row.tiny if tiny else {})})
    function()
    gc.collect()
    gc.freeze()  # keeps the garbage collector away from objects of the imports
    return function


def seconds(function: Callable[[], Any], repeat: int) -> float:
    """Seconds of a call, the mean of ``repeat``."""
    start = time.perf_counter()
    for _ in range(repeat):
        function()
    return (time.perf_counter() - start) / repeat


def _status(key: str) -> int:
    """A field in kilobytes of the status that Linux gives for this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))


def peak_bytes(library: Any, name: str, tiny: bool) -> int:
    """How much three training steps raise this process's memory above that of library, model and data.

    The record of the process's peak memory is reset first, which only Linux allows. On other systems the result is too small
    if loading the library took more.
    """
    row = ROWS[name]
    function = getattr(library, row.kind)(**{**row.sizes, **(row.tiny if tiny else {})})
    gc.collect()
    try:
        Path("/proc/self/clear_refs").write_text("5")
        before, peak = _status("VmRSS"), lambda: _status("VmHWM")
    except OSError:
        before, peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        function()
    return max(peak() - before, 1) * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Answer until the input ends."""
    name, threads = sys.argv[1], int(sys.argv[2])
    with contextlib.suppress(AttributeError, OSError):  # limits the cores of a library that has no option for threads
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    out, sys.stdout = sys.stdout, sys.stderr  # a library may print

    def say(**answer: Any) -> None:
        print(json.dumps(answer), file=out, flush=True)

    try:
        module = importlib.import_module(f"benchmarks.libraries.{LIBRARIES[name].adapter}")
    except ImportError as error:
        say(absent=str(error))
        return
    library = module.Library(threads)
    say(version=module.VERSION, config=getattr(module, "CONFIG", ""))
    function: Callable[[], Any] | None = None
    rate: tuple[float, float] | None = None
    for line in sys.stdin:
        question = json.loads(line)
        try:
            if "prepare" in question:
                function = None  # frees the last row's arrays first
                function = work(library, question["prepare"], question["tiny"])
                row, least = ROWS[question["prepare"]], None
                if name == US and row.limited:
                    rate = rate or rates(threads)
                    least = limit(needs(function), rate) / row.unit
                say(seconds=seconds(function, 1), limit=least, rates=rate)
            elif "memory" in question:
                say(bytes=peak_bytes(library, question["memory"], question["tiny"]))
            else:
                function()  # untimed: during the pause before a turn the caches were filled by others, and the core slowed down
                say(seconds=seconds(function, question["repeat"]))
        except Exception as error:  # a row that a peer cannot do is left out of its column; minigrad can do every row
            if LIBRARIES[name].package == US and not isinstance(error, Unable):
                raise
            say(unable=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
