"""Learning to learn sinusoids (MAML, Finn et al. 2017): weights from which one step on five points of a new curve is enough.

    python examples/maml.py --steps 3000

The loss after the step is differentiated by the weights before it, through the gradient in the step: ``func.grad`` inside ``func.grad``.
"""

from __future__ import annotations

import argparse

import numpy as np
from command import count, parsed, run  # beside this file

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import func, nn
from minigrad.nn import optim


def sinusoids(rng, tasks: int, points: int = 10) -> tuple[mg.Tensor, mg.Tensor]:
    """Points of curves of random amplitude and phase: x and y, tasks x points x 1."""
    amplitude, phase = rng.uniform(0.1, 5.0, (tasks, 1, 1)), rng.uniform(0.0, np.pi, (tasks, 1, 1))
    x = rng.uniform(-5.0, 5.0, (tasks, points, 1))
    return mg.tensor(x, dtype=mg.float32), mg.tensor(amplitude * np.sin(x + phase), dtype=mg.float32)


def main(steps: int, tasks: int = 4, rate: float = 0.05) -> dict:
    rng = np.random.default_rng(0)
    mg.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))

    def loss(weights, x, y):
        return F.mse_loss(func.functional_call(net, weights, x), y)

    def adapted(weights, x, y):
        gradients = func.grad(loss)(weights, x, y)
        return {name: w - rate * gradients[name] for name, w in weights.items()}

    def after_one_step(weights, x, y):
        return loss(adapted(weights, x[:5], y[:5]), x[5:], y[5:])

    optimizer = optim.Adam(net.parameters(), lr=1e-3)
    for step in range(steps):
        weights = {name: p.detach() for name, p in net.named_parameters()}
        optimizer.zero_grad()
        total = 0.0
        for x, y in zip(*sinusoids(rng, tasks), strict=True):
            gradients, value = func.grad_and_value(after_one_step)(weights, x, y)
            total += float(value) / tasks
            for name, p in net.named_parameters():
                p.grad = gradients[name] / tasks if p.grad is None else p.grad + gradients[name] / tasks
        optimizer.step()
        if step % 500 == 0:
            print(f"step {step}: loss after one step of learning {total:.3f}")

    weights = {name: p.detach() for name, p in net.named_parameters()}
    tests = list(zip(*sinusoids(np.random.default_rng(1), 50), strict=True))
    before = float(np.mean([float(loss(weights, x[5:], y[5:])) for x, y in tests]))
    after = float(np.mean([float(after_one_step(weights, x, y)) for x, y in tests]))
    print(f"50 new curves: loss {before:.3f}, after one step on five points {after:.3f}")
    return {"before": before, "after": after}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=count, default=3000, help="steps of the outer optimiser (default: 3000)")
    run(lambda: main(parsed(parser).steps) and None)
