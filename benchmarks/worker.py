"""One library in its own process, with its threads: answers requests, one JSON object per line."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
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


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise ``Unable`` in the block when so many seconds have passed, where the system has such an alarm."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: Any) -> None:
        raise Unable(f"it took longer than {seconds:g} s to prepare")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def use_cores(cores: list[int]) -> None:
    """Limit this process to some cores, where the system can: what limits a library that has no option for threads."""
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setaffinity(0, cores)


def main() -> None:
    """Answer until the input ends."""
    name, threads = sys.argv[1], int(sys.argv[2])
    every = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    cores = every[:threads]
    use_cores(cores)
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
                with at_most(question.get("patience", LIBRARIES[name].patience)):
                    use_cores(every if LIBRARIES[name].compiles else cores)
                    function = work(library, question["prepare"], question["tiny"])
                use_cores(cores)
                row, least = ROWS[question["prepare"]], None
                if name == US and row.limited:
                    rate = rate or rates(threads)
                    least = limit(needs(function), rate) / row.unit
                say(seconds=seconds(function, 1), limit=least, rates=rate)
            elif "memory" in question:
                with at_most(question.get("patience", LIBRARIES[name].patience)):
                    say(bytes=peak_bytes(library, question["memory"], question["tiny"]))
            else:
                seconds(
                    function, question["repeat"]
                )  # as many calls as are timed: after the pause caches are cold, cores slow and threads asleep
                say(seconds=seconds(function, question["repeat"]))
        except Exception as error:  # a row that a peer cannot do is left out of its column; minigrad can do every row
            if LIBRARIES[name].package == US and not isinstance(error, Unable):
                raise
            say(unable=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
