"""gradcheck of conv2d against torch.autograd.gradcheck on the same work: input 2x3x7x7, weight 4x3x3x3, float64.

python benchmarks/gradcheck.py

402 elements are checked and there are 200 outputs. Both compare every element with a numerical derivative, PyTorch to 3 digits, we to 8.
"""

from __future__ import annotations

from compare import compare, machine, report  # isort: skip (sets the number of threads before numpy is imported)

import numpy as np
import torch

import minigrad as mg
from minigrad.testing import gradcheck

rng = np.random.default_rng(0)
X, W = rng.normal(size=(2, 3, 7, 7)), rng.normal(size=(4, 3, 3, 3))


def leaves(*arrays: np.ndarray) -> list[torch.Tensor]:
    """Tensors that require a gradient."""
    return [torch.tensor(a, requires_grad=True) for a in arrays]


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    print(machine())
    first = {
        "minigrad": lambda: gradcheck(mg.conv2d, X, W),
        "PyTorch": lambda: torch.autograd.gradcheck(torch.nn.functional.conv2d, leaves(X, W)),
    }
    report("gradcheck of conv2d", compare(first), unit=1e-3, unit_name="ms")
    x, w = X[:1, :, :5, :5], W[:2]
    second = {
        "minigrad": lambda: gradcheck(lambda a, b: mg.sin(mg.conv2d(a, b)), x, w, order=2),
        "PyTorch": lambda: torch.autograd.gradgradcheck(lambda a, b: torch.sin(torch.nn.functional.conv2d(a, b)), leaves(x, w)),
    }
    report("gradcheck of sin(conv2d), both orders (PyTorch: second only), input 1x3x5x5", compare(second), unit=1e-3, unit_name="ms")


if __name__ == "__main__":
    main()
