"""Time several functions in turn in one run, and print their ratios: machines are noisy, ratios of neighbours are not."""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # before numpy is imported
    os.environ.setdefault(_name, os.environ.get("BENCH_THREADS", "1"))

import gc
import platform
import statistics
import sys
import time
from collections.abc import Callable


def compare(work: dict[str, Callable[[], object]], rounds: int = 15, repeat: int = 1) -> dict[str, list[float]]:
    """Seconds per call of each function: ``rounds`` rounds, each calling every function ``repeat`` times in turn."""
    for function in work.values():
        function()  # warm up
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for i in range(rounds):
        names = list(work)
        for name in names if i % 2 else reversed(names):
            gc.collect()
            start = time.perf_counter()
            for _ in range(repeat):
                work[name]()
            seconds[name].append((time.perf_counter() - start) / repeat)
    return seconds


def ratios(seconds: dict[str, list[float]], us: str, peer: str) -> list[float]:
    """Our time over the peer's, round by round."""
    return [a / b for a, b in zip(seconds[us], seconds[peer], strict=True)]


def report(title: str, seconds: dict[str, list[float]], us: str = "minigrad", unit: float = 1.0, unit_name: str = "s") -> dict[str, float]:
    """Print a line per function: median time, and the median of our ratio to it. Returns those ratios."""
    found = {}
    print(f"{title}")
    for name, times in seconds.items():
        line = f"  {name:<12} {statistics.median(times) / unit:9.3f} {unit_name}"
        if name != us:
            r = ratios(seconds, us, name)
            found[name] = statistics.median(r)
            line += f"   {us} / {name} = {found[name]:.2f}  (quartiles {_quantile(r, 0.25):.2f} .. {_quantile(r, 0.75):.2f})"
        print(line, flush=True)
    return found


def _quantile(values: list[float], q: float) -> float:
    values = sorted(values)
    return values[round(q * (len(values) - 1))]


def machine() -> str:
    """One line that says what was measured on what."""
    import numpy

    parts = [platform.machine(), f"{os.cpu_count()} cores", f"Python {platform.python_version()}", f"numpy {numpy.__version__}"]
    if "torch" in sys.modules:
        parts.append(f"PyTorch {sys.modules['torch'].__version__}")
    parts.append(f"{os.environ['OMP_NUM_THREADS']} thread(s)")
    return ", ".join(parts)
