"""A quick test of every package, in a few seconds, for the pre-commit hook and for the installed wheel."""

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.nn.data import MNIST
from minigrad.testing import check_op, gradcheck
from minigrad.testing import strategies as st

pytestmark = pytest.mark.smoke


def small_net():
    mg.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 4 * 4, 2)
    )  # fmt: skip


def bars(n=32):
    """Images with a bar, upright (class 0) or lying (class 1), and the classes."""
    rng = np.random.default_rng(0)
    images = 0.3 * rng.standard_normal((n, 1, 8, 8)).astype(np.float32)
    labels = np.arange(n) % 2
    images[labels == 0, :, :, 3:5] += 1
    images[labels == 1, :, 3:5, :] += 1
    return mg.tensor(images), mg.tensor(labels)


def test_a_network_learns():
    model = small_net()
    images, labels = bars()
    optimizer = nn.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 < 0.5 < losses[0]
    model.eval()
    with mg.no_grad():
        assert (model(images).argmax(1) == labels).numpy().all()


def test_gradients_of_a_small_net():
    """First and second derivatives of a chain of layers, against numerical ones."""
    rng = np.random.default_rng(0)
    x, w, v = (mg.tensor(rng.standard_normal(shape), requires_grad=True) for shape in ((2, 2, 5, 4), (3, 2, 3, 3), (3, 2)))

    def net(x, w, v):
        h = F.avg_pool2d(mg.tanh(F.conv2d(x, w, padding=1)), 2)  # N 3 2 2
        return F.log_softmax(h.mean((2, 3)) @ v, 1)[:, 0].sum()

    report = gradcheck(net, x, w, v, order=2)
    assert {(row.argument, row.order) for row in report.rows} == {(name, order) for name in "xwv" for order in (1, 2)}


@pytest.mark.parametrize(("op", "arguments"), [(mg.tanh, [st.arrays()]), (mg.mul, [st.broadcastable(2)])], ids=["tanh", "mul"])
def test_check_op(op, arguments):
    check_op(op, *arguments, examples=10)


def test_a_wrong_formula_is_found():
    @mg.op(x=lambda g, x: 3 * g * x)
    def square(x):
        return x * x

    with pytest.raises(AssertionError, match="square"):
        check_op(square, st.arrays(), examples=10)


def test_state_goes_to_a_file_and_back(tmp_path):
    model, other = small_net(), small_net()
    with mg.no_grad():
        for p in other.parameters():
            p.copy_(mg.zeros_like(p))
    nn.save(model.state_dict(), tmp_path / "model.mg")
    other.load_state_dict(nn.load(tmp_path / "model.mg"))
    images, _ = bars(4)
    assert mg.equal(model.eval()(images), other.eval()(images))


def test_the_sample_of_mnist_is_there():
    image, label = MNIST(train=True)[0]
    assert np.asarray(image).size == 28 * 28
    assert 0 <= int(label) <= 9
