"""A differential equation solved by a network (Raissi et al. 2019): its loss is how far its own derivatives are from what the equation says.

    python examples/physics_informed.py

u'' + u = 0 with u(0) = 0 and u'(0) = 1, whose solution is sin. The derivatives by x are forward mode in forward mode, ``func.jvp`` of
``func.jvp``, for all points at once; the gradient by the weights goes through both. Newton-like steps of L-BFGS then fit the weights.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad import func, nn
from minigrad.nn import optim


def derivatives(u, x):
    """u, u' and u'' at the points x, for a function of each point alone."""
    ones = mg.ones_like(x)

    def with_slope(x):
        return func.jvp(u, (x,), (ones,))

    (value, slope), (_, bend) = func.jvp(with_slope, (x,), (ones,))
    return value, slope, bend


def main(steps: int = 40) -> dict:
    mg.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 12), nn.Tanh(), nn.Linear(12, 12), nn.Tanh(), nn.Linear(12, 1)).double()
    x = mg.linspace(0.0, np.pi, 20, dtype=mg.float64).reshape(-1, 1)
    optimizer = optim.LBFGS(net.parameters(), max_iter=5, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        value, slope, bend = derivatives(net, x)
        total = (bend + value).square().mean() + value[0].square().sum() + (slope[0] - 1.0).square().sum()
        total.backward()
        return total

    for step in range(steps):
        residual = float(optimizer.step(loss))
        if step % 10 == 0:
            print(f"step {step}: loss {residual:.2e}")
    points = np.linspace(0.0, np.pi, 101)
    with mg.no_grad():
        found = net(mg.tensor(points[:, None])).numpy()[:, 0]
    error = float(np.abs(found - np.sin(points)).max())
    print(f"the solution differs from sin by at most {error:.1e}")
    return {"error": error, "residual": residual}


if __name__ == "__main__":
    from command import run_alone  # beside this file

    run_alone(main, __doc__)
