"""Newton's method without a matrix: conjugate gradients solve ``H step = -gradient`` with products ``H v`` alone.

    python examples/newton_cg.py

Logistic regression on features of very different sizes: gradient descent needs thousands of steps, Newton-CG (Dembo and Steihaug 1983) a dozen,
each with some products. A product costs about as much as two gradients, and no Hessian is stored.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import func


def conjugate_gradients(product, b, tolerance: float, most: int):
    """x with ``product(x) == b`` for a symmetric positive definite product, and the number of products."""
    x, r = mg.zeros_like(b), b
    p, rr = r, r @ r
    for count in range(1, most + 1):
        hp = product(p)
        curvature = p @ hp
        if curvature <= 0:  # not convex here: what there is goes downhill
            return (x if count > 1 else b), count
        x = x + (rr / curvature) * p
        r = r - (rr / curvature) * hp
        before, rr = rr, r @ r
        if rr.sqrt() < tolerance:
            break
        p = r + (rr / before) * p
    return x, count


def newton_cg(f, x, steps: int = 30, tolerance: float = 1e-8):
    """Minimise ``f`` from ``x``. Returns the minimum, and (value, length of the gradient, products) of each step."""
    history = []
    for _ in range(steps):
        gradient, value = func.grad_and_value(f)(x)
        length = float(gradient.norm())
        if length < tolerance:
            break
        _, product = func.linearize(func.grad(f), x)
        step, count = conjugate_gradients(product, -gradient, min(0.5, length**0.5) * length, 50)
        history.append((float(value), length, count))
        size = 1.0
        while f(x + size * step) > value + 1e-4 * size * (gradient @ step):  # shorter until it goes down enough
            size /= 2
        x = x + size * step
    return x, history


def main() -> dict:
    rng = np.random.default_rng(0)
    scales = np.logspace(-2, 1, 12)
    features = mg.tensor(rng.normal(size=(200, 12)) * scales)
    labels = mg.tensor((features.numpy() @ (rng.normal(size=12) / scales) + rng.normal(size=200) > 0).astype(float))

    def loss(w):
        return F.binary_cross_entropy_with_logits(features @ w, labels) + 1e-6 * (w @ w)

    start = mg.zeros(12, dtype=mg.float64)
    found, history = newton_cg(loss, start)
    products = sum(count for *_, count in history)
    print(f"Newton-CG: {len(history)} steps, {products} products: loss {float(loss(found)):.8f}")
    w, gradient = start, func.grad(loss)
    rate = 1.0 / (0.25 * float((features.numpy() ** 2).sum(1).mean()))  # 1 / a bound of the curvature
    for _ in range(500):
        w = w - rate * gradient(w)
    print(f"gradient descent: 500 steps: loss {float(loss(w)):.8f}")
    return {"newton": float(loss(found)), "descent": float(loss(w)), "length": float(gradient(found).norm()), "history": history}


if __name__ == "__main__":
    from command import run_alone  # beside this file

    run_alone(main, __doc__)
