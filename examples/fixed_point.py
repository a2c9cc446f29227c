"""The derivative of a fixed point without the iteration that found it: the implicit function theorem.

    python examples/fixed_point.py

z* = tanh(W z* + x), found by iterating, is the output of a layer (a deep equilibrium model, Bai et al. 2019). Differentiating through the iteration
keeps every step in memory. At the fixed point itself dz* = (I - J)^-1 df, J the derivative of one step by z, so the backward pass solves
one more fixed-point equation, with products ``v J`` of ``func.vjp``.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad import func


def fixed_point(step, z, tolerance: float = 1e-13, most: int = 500):
    """z with ``step(z) == z``, and how many steps that took."""
    for count in range(1, most + 1):
        before, z = z, step(z)
        if float((z - before).abs().max()) < tolerance:
            return z, count
    raise RuntimeError(f"fixed_point: no fixed point after {most} steps")


def implicit(step, z, *parameters):
    """The fixed point of ``z -> step(z, *parameters)``, differentiable by the parameters; the graph holds a single step."""
    with mg.no_grad():
        z, count = fixed_point(lambda z: step(z, *parameters), z)

    class Solved(mg.Function):
        """z itself; backward multiplies g by (I - J)^-1."""

        @staticmethod
        def forward(ctx, z):
            return z.clone()

        @staticmethod
        def backward(ctx, g):
            with mg.no_grad():
                _, products = func.vjp(lambda z: step(z, *parameters), z)
                v, _ = fixed_point(lambda v: g + products(v)[0], g)
            return v

    return Solved.apply(step(z, *parameters)), count


def main() -> dict:
    rng = np.random.default_rng(0)
    size = 20
    w = mg.tensor(rng.normal(size=(size, size)) * 0.5 / size**0.5, requires_grad=True)
    x = mg.tensor(rng.normal(size=size), requires_grad=True)
    goal = mg.tensor(rng.normal(size=size) * 0.3)
    start = mg.zeros(size, dtype=mg.float64)

    def step(z, w, x):
        return mg.tanh(w @ z + x)

    z, count = implicit(step, start, w, x)
    found = mg.grad((z - goal).square().sum(), [w, x])

    unrolled = start
    for _ in range(count):
        unrolled = step(unrolled, w, x)
    wanted = mg.grad((unrolled - goal).square().sum(), [w, x])
    error = max(float((a - b).abs().max()) for a, b in zip(found, wanted, strict=True))
    print(f"fixed point after {count} steps; gradient through one step and through all {count} differ by {error:.1e}")

    losses = []
    for _ in range(60):
        z, _ = implicit(step, start, w, x)
        loss = (z - goal).square().sum()
        losses.append(float(loss))
        for parameter, gradient in zip((w, x), mg.grad(loss, [w, x]), strict=True):
            parameter.data -= 0.02 * gradient
    print(f"loss of the equilibrium: {losses[0]:.3f}, after 60 steps {losses[-1]:.1e}")
    return {"error": error, "losses": losses, "count": count}


if __name__ == "__main__":
    from command import run_alone  # beside this file

    run_alone(main, __doc__)
