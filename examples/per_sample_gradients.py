"""A gradient for each sample, by ``vmap`` of ``grad``: which samples matter, and learning that hides each of them.

    python examples/per_sample_gradients.py

* **Norms.** One label in twenty is wrong. In a network that learned from all of them, the samples with the largest gradients are mostly these.
* **Influence** (Koh and Liang 2017; here with the identity for the Hessian, as in TracIn, Pruthi et al. 2020): the product of the gradients of a
  training sample and of a test sample says how much a step on the first changes the loss of the second.
* **DP-SGD** (Abadi et al. 2016): each sample's gradient is clipped to a length, and noise is added to the sum. So no sample can be told from
  the weights, and the network still learns.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import func, nn

CLASSES, WRONG = 3, 0.05


def points(n: int, rng: np.random.Generator):
    """Points of three overlapping clouds in the plane, and the number of the cloud of each."""
    labels = rng.integers(0, CLASSES, n)
    centres = np.stack([np.cos(2 * np.pi * labels / CLASSES), np.sin(2 * np.pi * labels / CLASSES)], 1)
    return mg.tensor((2 * centres + 0.5 * rng.standard_normal((n, 2))).astype(np.float32)), labels


def network():
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, CLASSES))


def gradients_of(net):
    """The function ``(weights, x, y)`` to a dict of gradients, each with the samples as its first dimension; samples are (n, 2) and (n,)."""

    def loss(weights, x, y):
        return F.cross_entropy(func.functional_call(net, weights, x), y)

    return func.vmap(func.grad(loss), in_dims=(None, 0, 0))


def rows(gradients) -> mg.Tensor:
    """The gradients of each sample as one row."""
    return mg.cat([g.flatten(1) for g in gradients.values()], 1)


def weights_of(net) -> dict:
    return {name: p.detach() for name, p in net.named_parameters()}


def learn(net, x, y, steps: int) -> None:
    optimizer = nn.optim.Adam(net.parameters(), lr=0.03)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()


def private(net, x, y, steps: int, longest: float = 1.0, noise: float = 1.0, batch: int = 100, rate: float = 0.5) -> None:
    """DP-SGD: ``noise`` is the deviation of the noise in the sum, in units of ``longest``, the length that gradients are clipped to."""
    gradients, weights = gradients_of(net), weights_of(net)
    for _ in range(steps):
        chosen = mg.randperm(len(x))[:batch]
        each = gradients(weights, x[chosen], y[chosen])
        share = (longest / rows(each).norm(dim=1)).clamp(max=1.0)
        for name, g in each.items():
            total = mg.tensordot(share, g, dims=1)
            weights[name] = weights[name] - rate / batch * (total + noise * longest * mg.randn_like(total))
    net.load_state_dict(weights)


def accuracy(net, x, labels) -> float:
    with mg.no_grad():
        return float((net(x).argmax(1).numpy() == labels).mean())


def main(n: int = 400, steps: int = 60) -> dict:
    mg.manual_seed(0)
    rng = np.random.default_rng(0)
    x, labels = points(n, rng)
    wrong = rng.random(n) < WRONG
    given = mg.tensor(np.where(wrong, (labels + 1) % CLASSES, labels))
    test, answers = points(200, rng)

    net = network()
    learn(net, x, given, steps)
    each = rows(gradients_of(net)(weights_of(net), x, given))
    largest = np.argsort(-each.norm(dim=1).numpy())[: wrong.sum()]
    print(f"{wrong.sum()} of {n} labels are wrong; among the samples with the largest gradients {wrong[largest].mean():.0%} are")

    of_tests = rows(gradients_of(net)(weights_of(net), test, mg.tensor(answers)))
    influence = (each @ of_tests.T).sum(1).numpy()  # above 0: a step on this sample lowers the loss of the tests
    print(f"mean influence on the tests: {influence[~wrong].mean():.3f} with a right label, {influence[wrong].mean():.3f} with a wrong one")

    secret = network()
    private(secret, x, given, 2 * steps)
    plain, hidden = accuracy(net, test, answers), accuracy(secret, test, answers)
    print(f"accuracy on tests: {plain:.1%}, with clipped and noisy gradients {hidden:.1%}")
    return {
        "found": wrong[largest].mean(),
        "right": influence[~wrong].mean(),
        "wrong": influence[wrong].mean(),
        "plain": plain,
        "private": hidden,
    }


if __name__ == "__main__":
    from command import run_alone  # beside this file

    run_alone(main, __doc__)
