"""The spectrum of a small CNN's Hessian, without the Hessian: Lanczos' method needs its products with vectors only.

    python examples/hessian_spectrum.py

The extreme eigenvalues of the tridiagonal matrix that the method makes are those of the Hessian, after far fewer products than it has rows. A
product is one walk forwards through the recorded gradient (``func.linearize`` of ``func.grad``). Learning is stable while the
learning rate is below 2 / the largest eigenvalue (LeCun et al. 1993); the script shows both sides of that bound.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import func, nn


def lanczos(product, size: int, steps: int, rng) -> tuple[np.ndarray, np.ndarray]:
    """The eigenvalues of the tridiagonal matrix after ``steps`` products, ascending, and the eigenvector of the largest.

    Each vector is made orthogonal to all before it, which rounding would spoil.
    """
    q = rng.normal(size=size)
    vectors, diagonal, beside = [q / np.linalg.norm(q)], [], []
    for _ in range(steps):
        w = product(vectors[-1])
        diagonal.append(w @ vectors[-1])
        for _ in range(2):  # twice is enough
            w = w - np.array(vectors).T @ (np.array(vectors) @ w)
        beside.append(np.linalg.norm(w))
        vectors.append(w / beside[-1])
    values, inside = np.linalg.eigh(np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1))
    return values, np.array(vectors[:-1]).T @ inside[:, -1]


def main(steps: int = 30, learning: int = 60) -> dict:
    rng = np.random.default_rng(0)
    mg.manual_seed(0)
    # Images of bars, upright or lying
    labels = rng.integers(0, 2, 32)
    images = rng.normal(size=(32, 1, 6, 6)) * 0.3
    for image, label, place in zip(images[:, 0], labels, rng.integers(0, 6, 32), strict=True):
        image[(slice(None), place) if label else (place, slice(None))] += 1.0
    x, y = mg.tensor(images), mg.tensor(labels)
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 2)).double()
    shapes = {name: tuple(p.shape) for name, p in net.named_parameters()}
    size = sum(p.numel() for p in net.parameters())

    def loss(vector):
        parts = mg.split(vector, [int(np.prod(shape)) for shape in shapes.values()])
        weights = {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
        return F.cross_entropy(func.functional_call(net, weights, x), y)

    gradient = func.grad(loss)
    weights = nn.utils.parameters_to_vector(net.parameters()).detach()
    for _ in range(learning):
        weights = weights - 0.3 * gradient(weights)

    _, product = func.linearize(gradient, weights)
    found, direction = lanczos(lambda v: product(mg.tensor(v)).numpy(), size, steps, rng)
    print(f"{size} weights, loss {float(loss(weights)):.4f}; after {steps} products the largest eigenvalues are {np.round(found[-4:], 4)}")

    # Along the eigenvector, a step of gradient descent multiplies the distance from the point by 1 - rate * eigenvalue
    distances = {}
    for share in (0.9, 1.1):
        w = weights + 1e-6 * mg.tensor(direction)
        for _ in range(10):
            w = w - share * 2 / found[-1] * (gradient(w) - gradient(weights))  # as if the point were a minimum
        distances[share] = abs(float((w - weights) @ mg.tensor(direction))) / 1e-6
        print(f"rate {share} * 2 / {found[-1]:.3f}: after 10 steps the distance is {distances[share]:.3f} times what it was")
    return {"found": found, "hessian": lambda: func.hessian(loss)(weights).numpy(), "distances": distances}


if __name__ == "__main__":
    from command import run_alone  # beside this file

    run_alone(main, __doc__)
