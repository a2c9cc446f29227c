"""The table, the JSON file and the plot of the measurements."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.libraries import US
from minigrad.files.atomic import whole_file


def ratio(result: dict[str, Any], peer: str, what: str = "values") -> float | None:
    """Our time (or ``"bytes"``) over the peer's in one row: the quotient of the medians."""
    values = result[what]
    if US not in values or peer not in values:
        return None
    return statistics.median(values[US]) / statistics.median(values[peer])


def _time(value: float) -> str:
    for size, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= size:
            return f"{value / size:.3g} {name}"
    return f"{value * 1e9:.3g} ns"


def table(run: dict[str, Any]) -> str:
    """A Markdown table for each number of threads: our median, the limit over it, our ratio to each peer's, peak memory and its ratio to PyTorch's."""
    peers = [*(name for name in run["versions"] if name != US), *(["numpy"] if any("numpy" in r["values"] for r in run["results"]) else [])]
    parts = [f"{run['machine']}; " + ", ".join(f"{name} {version}".strip() for name, version in run["versions"].items())]
    parts += [run["config"]] if run["config"] else []
    if run["absent"]:
        parts.append("Not installed: " + ", ".join(run["absent"]))
    for threads in dict.fromkeys(result["threads"] for result in run["results"]):
        results = [result for result in run["results"] if result["threads"] == threads and US in result["values"]]
        weighed, limited = any(result["bytes"] for result in results), any(result["limit"] for result in results)
        if str(threads) in run["rates"]:
            flops, copied = run["rates"][str(threads)]
            parts.append(
                f"Limits, {threads} thread{'s' if threads > 1 else ''}: {flops / 1e9:.0f} GFLOP/s, {copied / 1e9:.0f} GB/s read and written"
            )
        header = [
            f"{threads} thread{'s' if threads > 1 else ''}",
            US,
            *(["limit / time"] if limited else []),
            *[f"/ {peer}" for peer in peers],
        ]
        header += ["peak memory", "/ PyTorch"] if weighed else []
        lines = [header, ["---"] + ["---:"] * (len(header) - 1)]
        for result in results:
            ratios = [ratio(result, peer) for peer in peers]
            ours = statistics.median(result["values"][US])
            near = [f"{result['limit'] / ours:.0%}" if result["limit"] else ""] if limited else []
            line = [result["title"], _time(ours), *near, *map(_ratio, ratios)]
            if weighed:
                peak = result["bytes"].get(US)
                line += [
                    f"{statistics.median(peak) / 2**20:.0f} MiB" if peak else "",
                    _ratio(ratio(result, "PyTorch", "bytes")) if peak else "",
                ]
            lines.append(line)
        parts.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
    return "\n\n".join(parts)


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def save(run: dict[str, Any], path: Path) -> None:
    """Write ``run`` to ``path``, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write((json.dumps(run, indent=1, ensure_ascii=False) + "\n").encode())


def plot(run: dict[str, Any], path: Path) -> None:
    """Draw the time of every library over ours, a row each; a column of the figure per number of threads."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    columns = list(dict.fromkeys(result["threads"] for result in run["results"]))
    titles = list(dict.fromkeys(result["title"] for result in run["results"]))
    peers = [name for name in run["versions"] if name != US]
    figure, axes = plt.subplots(
        1, len(columns), figsize=(5 + 4 * len(columns), 1.5 + 0.3 * len(titles)), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, threads in zip(axes[0], columns, strict=True):
        for i, peer in enumerate(peers):
            points = [
                (1 / r, titles.index(result["title"]))
                for result in run["results"]
                if result["threads"] == threads and (r := ratio(result, peer)) is not None
            ]
            if points:
                axis.scatter(*zip(*points, strict=True), s=36, marker="osD^v"[i % 5], label=peer, color=f"C{i + 1}", zorder=3)
        axis.axvline(1, color="C0", label=US)
        axis.set(xscale="log", title=f"{threads} thread{'s' if threads > 1 else ''}", xlabel=f"time over {US}'s: right is slower")
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
        axis.xaxis.set_minor_formatter(lambda value, _: "")
        axis.set_yticks(range(len(titles)), titles)
        axis.grid(alpha=0.3)
    axes[0][0].invert_yaxis()
    axes[0][-1].legend()
    with whole_file(path) as file:
        figure.savefig(file, format=path.suffix[1:], dpi=120)
    plt.close(figure)
