"""An ensemble as one network: the weights of its members are stacked, and ``vmap`` runs them all at once.

    python examples/ensemble.py

Members that start from different weights agree where there was data, and disagree elsewhere: the deviation of their answers says how sure they are
(Lakshminarayanan et al. 2017). All are trained together, by the gradient of the sum of their losses; each sees samples of its own choice.
"""

from __future__ import annotations

import time

import numpy as np

import minigrad as mg
from minigrad import func, nn

MEMBERS = 10


def network():
    return nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))


def main(steps: int = 200) -> dict:
    mg.manual_seed(0)
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-3, -1, 60), rng.uniform(1, 3, 60)]).astype(np.float32)[:, None]  # a gap in the middle
    y = (np.sin(2 * x) + 0.1 * rng.standard_normal(x.shape)).astype(np.float32)
    chosen = rng.integers(0, len(x), (MEMBERS, len(x)))  # for each member, with replacement
    xs, ys = mg.tensor(x[chosen]), mg.tensor(y[chosen])

    members = [network() for _ in range(MEMBERS)]
    skeleton = members[0]
    weights, _ = func.stack_module_state(members)  # (members, ...) for each parameter; they require a gradient
    optimizer = nn.optim.Adam(weights.values(), lr=0.02)

    def loss(weights, x, y):
        return (func.functional_call(skeleton, weights, x) - y).square().mean()

    started = time.perf_counter()
    for _ in range(steps):
        optimizer.zero_grad()
        func.vmap(loss)(weights, xs, ys).sum().backward()
        optimizer.step()
    seconds = time.perf_counter() - started

    places = mg.tensor([[-2.0], [0.0], [2.0], [5.0]])
    with mg.no_grad():
        answers = func.vmap(lambda weights: func.functional_call(skeleton, weights, places))(weights)[..., 0]
    mean, deviation = answers.mean(0).numpy(), answers.std(0).numpy()
    for where, m, s in zip(places[:, 0].tolist(), mean, deviation, strict=True):
        print(f"x = {where:4.1f}: {m:6.2f} ± {s:.2f}   (sin 2x = {np.sin(2 * where):5.2f})")
    print(f"{MEMBERS} members, {steps} steps in {seconds:.2f} s")
    return {"mean": mean, "deviation": deviation}


if __name__ == "__main__":
    from command import run_alone  # beside this file

    run_alone(main, __doc__)
