"""How training scales with ranks: measured with two on this machine, predicted for more.

    python -m benchmarks.scaling            # needs the extra `mpi`; prints the tables of docs/scaling.md
    python -m benchmarks.scaling --rounds 30

In each round a step is taken by rank 0 alone while rank 1 sleeps, by both ranks that only wait for each other at its end, and by both with
``DistributedDataParallel``. Each rank has one core and one BLAS thread. A figure is the fastest of the rounds: what the machine
does when nothing else runs on it. (The slower rank decides when a step ends, so that medians of a busy machine show its load.) The parts of a
step that the prediction starts from are seconds of the core, which other programs do not lengthen.

The model: a sum of n bytes over p ranks that pass parts around a ring takes 2 (p - 1) messages, each of n / p bytes:
``2 (p - 1) (latency + n / p / bandwidth)``; with recursive halving and doubling the latency counts 2 log2(p) times only. A bucket is
ready when backward has come to its last parameter, which is measured, and begins when the one before has ended. What is not hidden behind backward is added
to the step (:func:`step_time`).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks import models

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
NETWORKS = {"10 Gbit/s Ethernet": (30e-6, 1.25e9), "100 Gbit/s InfiniBand": (2e-6, 12.5e9)}  # latency of a message in s, bandwidth in B/s
CAPS = (0.05, 0.25, 1.0, 25.0)  # MiB of a bucket
SIZES = (8, 2**10, 2**14, 2**17, 2**20, 2**24)  # bytes of a sum
RANKS = (2, 8, 32, 128, 512, 1024)
NETS: dict[str, tuple[str, tuple[int, ...], int, float]] = {  # the network, an image, images for each rank, how many times as many rounds
    "LeNet-5": ("lenet5", (1, 28, 28), 64, 5),
    "ResNet-20": ("resnet20", (3, 32, 32), 32, 1),
    "AlexNet": ("alexnet", (3, 224, 224), 8, 0.25),
}


# ------------------------------------------------------------------------------------------------------------ the model


def ring(ranks: int, size: float, latency: float, bandwidth: float) -> float:
    """Seconds of a sum of ``size`` bytes over ``ranks`` in a ring."""
    return 2 * (ranks - 1) * (latency + size / ranks / bandwidth)


def halving(ranks: int, size: float, latency: float, bandwidth: float) -> float:
    """Seconds of a sum by recursive halving and doubling: as many bytes as in a ring, in fewer messages."""
    return 2 * math.log2(ranks) * latency + 2 * (ranks - 1) / ranks * size / bandwidth


def step_time(forward: float, backward: float, rest: float, buckets: list[tuple[int, float]], time_of_sum: Callable[[int], float]) -> float:
    """Seconds of a step; ``buckets`` are (bytes, seconds after the begin of backward at which all its gradients are there), in their order.

    >>> from benchmarks.scaling import step_time
    >>> step_time(1.0, 2.0, 0.5, [(100, 1.0), (100, 2.0)], lambda size: 0.25)  # only the last sum is not hidden
    3.75
    >>> step_time(1.0, 2.0, 0.5, [(100, 1.0), (100, 2.0)], lambda size: 3.0)  # the second waits for the first
    8.5
    """
    free = 0.0
    for size, ready in buckets:
        free = max(free, ready) + time_of_sum(size)
    return forward + max(backward, free) + rest


def predicted(step: dict[str, Any], cap: float, latency: float, bandwidth: float, ranks: int) -> float:
    """Efficiency of weak scaling: the time of a step without communication, divided by that with it."""
    buckets = step["buckets"][str(cap)]

    def time_of_sum(size: int) -> float:
        return min(f(ranks, size, latency, bandwidth) for f in (ring, halving))

    parts = step["forward"], step["backward"], step["rest"]
    return sum(parts) / step_time(*parts, buckets, time_of_sum)


# ------------------------------------------------------------------------------------------------------ what a rank does


def measure(rounds: int, tiny: bool) -> dict[str, Any]:
    """What each of the two ranks runs; rank 0 returns the figures."""
    import minigrad as mg
    import minigrad.distributed as dist
    import minigrad.nn.functional as F
    from minigrad import nn

    dist.init_process_group()
    rank = dist.get_rank()
    if hasattr(os, "sched_setaffinity") and len(cores := sorted(os.sched_getaffinity(0))) > 1:
        os.sched_setaffinity(0, {cores[rank % len(cores)]})
    mg.set_num_threads(1)
    found: dict[str, Any] = {"sums": {}, "steps": {}}
    for size in SIZES[:2] if tiny else SIZES:
        x = mg.ones(size // 4)
        times = [timed(lambda x=x: dist.all_reduce(x), dist.barrier) for _ in range(rounds * 5)]
        found["sums"][size] = fastest(times)
    for title, (name, shape, batch, times_as_many) in list(NETS.items())[: 1 if tiny else None]:
        batch = 2 if tiny else batch
        x, y = mg.randn(batch, *shape), mg.arange(batch) % 10
        plain = getattr(models, name)(nn)
        shared = {str(cap): nn.parallel.DistributedDataParallel(plain, bucket_cap_mb=cap) for cap in CAPS}
        optimizer = nn.optim.SGD(plain.parameters(), lr=1e-3, momentum=0.9)
        parts: dict[str, list[float]] = {"forward": [], "backward": [], "rest": []}
        arrivals: dict[str, list[float]] = {name: [] for name, _ in plain.named_parameters()}
        for name, p in plain.named_parameters():
            p.register_post_accumulate_grad_hook(lambda _, times=arrivals[name]: times.append(time.process_time()))
        step = partial(take_step, F.cross_entropy, optimizer, x, y, arrivals)
        kinds: dict[str, list[float]] = {"alone": [], "waiting": [], **{cap: [] for cap in shared}}
        for _ in range(max(1, int(rounds * times_as_many)) + 1):
            if rank == 0:
                kinds["alone"].append(timed(partial(step, plain, parts)))
                dist.send(mg.ones(1), 1)
            else:
                dist.recv(mg.ones(1), 0)
            kinds["waiting"].append(timed(partial(step, plain, then=dist.barrier), dist.barrier))
            for cap, model in shared.items():
                kinds[cap].append(timed(partial(step, model), dist.barrier))
        if rank == 0:
            found["steps"][title] = {
                **{kind: fastest(times) for kind, times in [*kinds.items(), *parts.items()]},
                "buckets": {
                    cap: [(size, max(fastest(arrivals[n]) for n in names)) for size, names in model.buckets()]
                    for cap, model in shared.items()
                },
                "batch": batch,
            }
    dist.destroy_process_group()
    return found


def take_step(
    loss_of: Any, optimizer: Any, x: Any, y: Any, arrivals: dict[str, list[float]], model: Any, parts: Any = None, then: Any = lambda: None
) -> None:
    """A step of training; ``parts`` gets the seconds of the core in its three parts, ``then`` is called at its end.

    The last of each of ``arrivals`` is the time when the gradient of a parameter came; only with ``parts`` it is kept, as seconds of backward.
    """
    times = [time.process_time()]
    loss = loss_of(model(x), y)
    times.append(time.process_time())
    loss.backward()
    times.append(time.process_time())
    optimizer.step()
    optimizer.zero_grad()
    times.append(time.process_time())
    for name, (begin, end) in zip(parts or (), pairwise(times), strict=False):
        parts[name].append(end - begin)
    for came in arrivals.values():
        came[-1:] = [came[-1] - times[1]] if parts else []
    then()


def fastest(times: list[float]) -> float:
    """The least, without the first."""
    return min(times[1:])


def timed(work: Callable[[], Any], before: Callable[[], Any] = lambda: None) -> float:
    """Seconds of ``work()``."""
    before()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


# ------------------------------------------------------------------------------------------------------------ the tables


def report(found: dict[str, Any]) -> str:
    """The figures as tables in Markdown."""
    lines = ["### Sums of two ranks on this machine", "", "| bytes | time | bytes per second |", "|---|---|---|"]
    for size, seconds in found["sums"].items():
        lines.append(f"| {int(size):,} | {seconds * 1e6:,.0f} µs | {int(size) / seconds / 1e6:,.0f} MB/s |")
    lines += ["", "### A step of each rank, in ms", "", "| network | batch of a rank | gradients | rank 0 alone | two that wait |"]
    lines[-1] += "".join(f" shared, buckets of {cap:g} MiB |" for cap in CAPS) + " efficiency | share of communication |"
    lines.append("|---" * (7 + len(CAPS)) + "|")
    for title, step in found["steps"].items():
        best = min(step[str(cap)] for cap in CAPS)
        numbers = [step["alone"], step["waiting"], *(step[str(cap)] for cap in CAPS)]
        lines.append(
            f"| {title} | {step['batch']} | {sum(size for size, _ in step['buckets'][str(CAPS[0])]) / 2**20:.2f} MiB | "
            + "".join(f"{1e3 * n:.1f} | " for n in numbers)
            + f"{step['alone'] / best:.0%} | {max(0.0, 1 - step['waiting'] / best):.0%} |"
        )
    for network, (latency, bandwidth) in NETWORKS.items():
        lines += ["", f"### Predicted efficiency, {network}: {latency * 1e6:.0f} µs, {bandwidth / 1e9:g} GB/s", ""]
        lines += ["| network | buckets |" + "".join(f" {p:,} ranks |" for p in RANKS), "|---" * (2 + len(RANKS)) + "|"]
        for title, step in found["steps"].items():
            distinct = {len(step["buckets"][str(cap)]): cap for cap in reversed(CAPS)}  # the least size for each number of buckets
            for cap in reversed(distinct.values()):
                numbers = [predicted(step, cap, latency, bandwidth, p) for p in RANKS]
                lines.append(f"| {title} | {len(step['buckets'][str(cap)])} of {cap:g} MiB |" + "".join(f" {n:.0%} |" for n in numbers))
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Start two ranks, and print what they measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="steps of each kind (default: %(default)s)")
    parser.add_argument("--tiny", action="store_true", help="batches of 2, to try whether it runs")
    parser.add_argument("--rank", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.rank:
        found = measure(args.rounds, args.tiny)
        if found["steps"]:
            print(json.dumps(found))
        return found
    mpiexec = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
    if mpiexec is None:
        parser.error("there is no mpiexec: pip install 'minigrad-nn[mpi]'")
    command = [
        mpiexec,
        "-n",
        "2",
        sys.executable,
        "-m",
        "benchmarks.scaling",
        "--rank",
        "--rounds",
        str(args.rounds),
        *["--tiny"] * args.tiny,
    ]
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")}
    run = subprocess.run(command, env=environment, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(run.stdout)
    print(report(found))
    return found


if __name__ == "__main__":
    main()
