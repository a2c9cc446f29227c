"""What an op costs when there is nothing to compute: 900 chained ops on 8 float64 numbers, forward and backward.

python benchmarks/overhead.py
"""

from __future__ import annotations

from compare import compare, machine, report  # isort: skip (sets the number of threads before numpy is imported)

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg

OPS = 900


def chain(x: Any, scale: Any) -> Any:
    """300 times multiply, add and tanh."""
    y = x
    for _ in range(OPS // 3):
        y = y * scale
        y = y + x
        y = y.tanh()
    return y


def workload(make: Callable[[np.ndarray, bool], Any]) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The forward pass, and forward and backward."""
    values, ones = np.linspace(0.1, 0.2, 8), np.ones(8)

    def forward() -> Any:
        return chain(make(values, True), make(ones, False))

    def both() -> None:
        forward().backward(make(ones, False))

    return forward, both


def main() -> None:
    """Print the table."""
    forward, both = {}, {}
    forward["minigrad"], both["minigrad"] = workload(lambda a, grad: mg.tensor(a, requires_grad=grad))
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: no peer to compare with (pip install torch)")
    else:
        torch.set_num_threads(1)
        forward["torch"], both["torch"] = workload(lambda a, grad: torch.tensor(a, requires_grad=grad))
    print(machine())
    unit = OPS * 1e-6
    report("forward, microseconds per op", compare(forward, rounds=41), unit=unit, unit_name="us")
    report("forward and backward, microseconds per op", compare(both, rounds=41), unit=unit, unit_name="us")


if __name__ == "__main__":
    main()
