"""Time minigrad and its peers in turn in one run, and print the ratios.

    python -m benchmarks                                   # every row, every library that is installed, at 1 and 2 threads
    python -m benchmarks --rows lenet,conv-64 --threads 1  # some rows
    python -m benchmarks --libraries minigrad,PyTorch --out runs/benchmarks

Each library runs in its own process, with as many cores as threads. The processes take turns: in each round every library does the same
work once, so that other load on the machine slows all of them alike. A table shows medians and ratios of medians, and how near our time is to
the limit that benchmarks/limits.py computes; --out FOLDER also gets benchmarks.json and benchmarks.png.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.libraries import LIBRARIES, US
from benchmarks.report import plot, save, table
from benchmarks.rows import ROWS, Row

LEAST = 0.04  # seconds: shorter work is repeated until the clock is precise enough
IDLE = 0.3  # seconds before a library's turn: OpenMP's threads of the one before turn in circles for a fifth of a second before they sleep
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class Worker:
    """A process with one library."""

    def __init__(self, name: str, threads: int):
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads)), **LIBRARIES[name].variables}
        command = [sys.executable, "-m", "benchmarks.worker", name, str(threads)]
        self.name = name
        self._process = subprocess.Popen(
            command, env=environment, cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        hello = self._read()
        self.version: str | None = hello.get("version")
        self.config: str = hello.get("config", "")

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise RuntimeError(f"benchmarks: the process of {self.name} ended with code {self._process.wait()}; see above")
        return json.loads(line)

    def ask(self, **question: Any) -> dict[str, Any]:
        """A question and its answer."""
        print(json.dumps(question), file=self._process.stdin, flush=True)
        return self._read()

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.stdout.close()  # type: ignore[union-attr]
        self._process.wait()


def _patience(options: argparse.Namespace) -> dict[str, float]:
    return {} if options.patience is None else {"patience": options.patience}


def time_row(name: str, workers: list[Worker], options: argparse.Namespace) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Seconds of every round for each library that can do the row; our answer to the question for it, with the row's limit."""
    able, repeats, rounds, ours = [], {}, {}, {}
    for worker in workers:
        answer = worker.ask(prepare=name, tiny=options.tiny, **_patience(options))
        if "unable" in answer:
            if options.verbose:
                print(f"    {worker.name} cannot: {answer['unable']}", file=sys.stderr)
        else:
            able.append(worker)
            once = answer["seconds"]
            ours = answer if worker.name == US else ours
            repeats[worker.name] = 1 if options.tiny else max(1, round(LEAST / max(once, 1e-9)))
            rounds[worker.name] = max(3, min(options.rounds, int(options.seconds / max(once, LEAST)))) if not options.tiny else 1
    times: dict[str, list[float]] = {worker.name: [] for worker in able}
    for i in range(max(rounds.values(), default=0)):
        for worker in able if i % 2 else reversed(able):
            if i < rounds[worker.name]:
                time.sleep(0 if options.tiny else IDLE)
                times[worker.name].append(worker.ask(repeat=repeats[worker.name])["seconds"] / ROWS[name].unit)
    return times, ours


def memory(name: str, libraries: list[str], threads: int, options: argparse.Namespace) -> dict[str, list[float]]:
    """Peak memory of a row in bytes, each time in a new process."""
    peaks: dict[str, list[float]] = {}
    for _ in range(1 if options.tiny else 2):
        for library in libraries:
            worker = Worker(library, threads)
            answer = worker.ask(memory=name, tiny=options.tiny, **_patience(options))
            worker.close()
            if "bytes" in answer:
                peaks.setdefault(library, []).append(answer["bytes"])
    return peaks


def imports(libraries: list[str], options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of importing each library, and numpy alone, each time in a new process."""
    packages = {"numpy": "numpy"}
    for name in libraries:
        if LIBRARIES[name].package not in packages.values():
            packages[name] = LIBRARIES[name].package
    times: dict[str, list[float]] = {name: [] for name in packages}
    # the first import writes byte code, as the installation of a package does, and is not counted
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for i in range(-1, 1 if options.tiny else options.rounds):
        for name in packages if i % 2 else reversed(list(packages)):
            before = "import numpy as np; np.int = int; " if name == "DeZero" else ""
            code = f"import time; start = time.perf_counter(); {before}import {packages[name]}; print(time.perf_counter() - start)"
            command = [sys.executable, "-c", code]
            done = subprocess.run(command, env=environment, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True, check=True)
            if i >= 0:
                times[name].append(float(done.stdout.split()[-1]))
    return times


def machine() -> str:
    """A text about the machine of the measurement."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        cpu = platform.processor() or platform.machine()
    import numpy

    return f"{cpu}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, numpy {numpy.__version__}"


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The measurements that the options select, as plain data."""
    run: dict[str, Any] = {"machine": machine(), "config": "", "versions": {}, "absent": [], "rates": {}, "results": []}

    def note(name: str, threads: int, values: dict[str, list[float]], peaks: dict[str, list[float]], least: float | None = None) -> None:
        row: Row = ROWS[name]
        run["results"].append({"row": name, "title": row.title, "threads": threads, "values": values, "bytes": peaks, "limit": least})
        if options.verbose:
            middle = {library: statistics.median(v) for library, v in values.items()}
            shown = ", ".join(f"{library} {value:.3g} ({middle.get(US, 0) / value:.2f})" for library, value in middle.items())
            print(f"  {row.title}, {threads} thread(s): {shown} s", file=sys.stderr, flush=True)

    for threads in options.threads:
        workers = [Worker(name, threads) for name in options.libraries]
        run["absent"] = [w.name for w in workers if w.version is None]
        for w in workers:
            if w.version is None:
                w.close()
        workers = [w for w in workers if w.version is not None]
        run["versions"] = {w.name: w.version for w in workers}
        run["config"] = next((w.config for w in workers if w.config), "")
        first = threads == options.threads[0]  # memory and imports do not depend on the threads
        try:
            for name in options.rows:
                if name == "import":
                    continue
                times, ours = time_row(name, workers, options)
                if ours.get("rates"):
                    run["rates"][str(threads)] = ours["rates"]
                peaks = memory(name, list(times), threads, options) if first and ROWS[name].weighed else {}
                note(name, threads, times, peaks, ours.get("limit"))
        finally:
            for worker in workers:
                worker.close()
        if first and "import" in options.rows:
            note("import", threads, imports(list(run["versions"]), options), {})
    return run


def _choice(known: dict[str, Any]) -> Any:
    def several(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(known)}")
        return names

    return several


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--rows", type=_choice(ROWS), default=list(ROWS), metavar="A,B", help=f"of {', '.join(ROWS)} (default: all)")
    add("--libraries", type=_choice(LIBRARIES), default=list(LIBRARIES), metavar="A,B", help=f"of {', '.join(LIBRARIES)} (default: all)")
    add("--threads", type=lambda text: [int(n) for n in text.split(",")], default=[1, 2], metavar="1,2", help="numbers of threads")
    add("--rounds", type=int, default=15, metavar="N", help="how often the libraries take turns (default: %(default)s)")
    add(
        "--seconds", type=float, default=8.0, metavar="S", help="fewer rounds, at least 3, if a library needs longer (default: %(default)s)"
    )
    patience = "seconds that a library may take to prepare a row (default: its own in benchmarks/libraries; 600 for torch.compile)"
    add("--patience", type=float, metavar="S", help=patience)
    add("--out", type=Path, metavar="FOLDER", help="where benchmarks.json and benchmarks.png go")
    add("--tiny", action="store_true", help="tiny sizes, to test that everything runs; their times mean nothing")
    add("--verbose", action="store_true", help="print each row when it is done")
    options = parser.parse_args(argv)
    run = measure(options)
    print(table(run))
    if options.out:
        save(run, options.out / "benchmarks.json")
        plot(run, options.out / "benchmarks.png")
    return run


if __name__ == "__main__":
    main()
