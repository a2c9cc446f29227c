"""Metrics over batches equal those of all samples at once, computed by plain loops."""

import json

import numpy as np
import pytest
from answers import torch
from numpy.testing import assert_allclose, assert_array_equal

import minigrad as mg
from minigrad import nn
from minigrad.nn.metrics import Accuracy, ConfusionMatrix, Mean, Metric, TopK


def scores(n=57, classes=7, *rest, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4, (n, classes, *rest)).astype(np.float32), rng.integers(0, classes, (n, *rest))  # with many ties


def batches(*arrays, size=10):
    for i in range(0, len(arrays[0]), size):
        yield tuple(mg.tensor(a[i : i + size]) for a in arrays)


def test_mean_weights_batches_by_their_size():
    values = np.random.default_rng(0).random(23)
    mean = Mean()
    for (batch,) in batches(values):
        mean.update(batch.mean(), len(batch))
    assert_allclose(mean.compute(), values.mean())
    mean.reset()
    assert np.isnan(mean.compute())


@pytest.mark.parametrize("rest", [(), (4,), (3, 2)])
def test_accuracy(rest):
    outputs, targets = scores(57, 7, *rest)
    accuracy = Accuracy()
    for x, y in batches(outputs, targets):
        accuracy.update(x, y)
    expected = (outputs.argmax(1) == targets).mean()
    assert_allclose(accuracy.compute(), expected)
    assert accuracy(outputs, targets) == accuracy.compute()
    assert accuracy(outputs[:1], outputs[:1].argmax(1)) == 1 and accuracy.compute() == expected, "a call leaves what was gathered alone"
    ignoring = Accuracy(ignore_index=3)(outputs, targets)
    assert_allclose(ignoring, (outputs.argmax(1) == targets)[targets != 3].mean())
    assert np.isnan(Accuracy().compute())


def test_accuracy_with_a_threshold():
    probabilities, targets = np.array([[0.2, 0.7], [0.5, 0.6]]), np.array([[0, 1], [1, 0]])
    assert Accuracy(threshold=0.5)(probabilities, targets) == 0.5
    assert Accuracy(threshold=0.1)(mg.tensor(probabilities), mg.tensor(targets).bool()) == 0.5
    with pytest.raises(mg.ShapeError, match=r"one shape, not \(2, 2\) and \(2,\)"):
        Accuracy(threshold=0.5)(probabilities, targets[0])


@pytest.mark.parametrize("k", [1, 2, 5, 7, 9])
@pytest.mark.parametrize("rest", [(), (3, 2)])
def test_top_k(k, rest):
    outputs, targets = scores(57, 7, *rest)
    ranked = np.argsort(-outputs, axis=1, kind="stable")[:, :k]
    expected = (ranked == targets[:, None]).any(1).mean()
    metric = TopK(k)
    for x, y in batches(outputs, targets):
        metric.update(x, y)
    assert_allclose(metric.compute(), expected)
    assert metric.name == f"top{k}"
    if k == 1:
        assert metric.compute() == Accuracy()(outputs, targets)


def test_top_k_of_pytorch():
    outputs, targets = np.random.default_rng(0).random((100, 20)), np.random.default_rng(1).integers(0, 20, 100)
    top = torch.tensor(outputs).topk(5, dim=1).indices.numpy()
    assert TopK()(outputs, targets) == (top == targets[:, None]).any(1).mean()


def test_nan_is_never_right():
    assert TopK(2)(np.array([[np.nan, 1.0, 2.0]]), np.array([0])) == 0


@pytest.mark.parametrize("rest", [(), (3, 2)])
def test_confusion_matrix(rest):
    outputs, targets = scores(57, 7, *rest)
    expected = np.zeros((7, 7), int)
    for true, predicted in zip(targets.ravel(), outputs.argmax(1).ravel(), strict=True):
        expected[true, predicted] += 1
    matrix = ConfusionMatrix(7)
    for x, y in batches(outputs, targets):
        matrix.update(x, y)
    assert_array_equal(matrix.compute(), expected)
    assert_array_equal(ConfusionMatrix(7)(outputs.argmax(1), targets), expected)
    assert_allclose(matrix.accuracy(), Accuracy()(outputs, targets))
    hit = expected.diagonal()
    with np.errstate(all="ignore"):
        p, r = hit / expected.sum(0), hit / expected.sum(1)
    assert_allclose(matrix.recall(), r)
    assert_allclose(matrix.precision(), p)
    some = hit > 0
    assert some.sum() > 3
    assert_allclose(matrix.f1()[some], (2 * p * r)[some] / (p + r)[some])
    assert not matrix.f1()[~some].any()
    assert ConfusionMatrix(7, ignore_index=2)(outputs, targets)[2].sum() == 0
    value = matrix.compute()
    value[:] = 0
    assert_array_equal(matrix.compute(), expected, "the value is a copy")


def test_confusion_matrix_without_samples_of_a_class():
    matrix = ConfusionMatrix(3)
    assert np.isnan(matrix.accuracy())
    matrix.update(np.array([0, 1]), np.array([0, 0]))
    assert_array_equal(matrix.recall(), [0.5, np.nan, np.nan])
    assert_array_equal(matrix.precision(), [1, 0, np.nan])


def test_errors():
    for metric in (Accuracy(), TopK(), ConfusionMatrix(3)):
        with pytest.raises(mg.ShapeError, match=rf"^{type(metric).__name__}: outputs are \(N, C, ...\)"):
            metric.update(np.zeros((4, 3)), np.zeros((4, 2), int))
    with pytest.raises(IndexError, match="target 3 is outside the 3 classes"):
        ConfusionMatrix(3).update(np.zeros((1, 3)), np.array([3]))
    with pytest.raises(IndexError, match="prediction -1 is outside"):
        ConfusionMatrix(3).update(np.array([-1]), np.array([1]))
    for make in (lambda: TopK(0), lambda: ConfusionMatrix(0)):
        with pytest.raises(ValueError, match="must be 1 or above, but is 0"):
            make()
    bare = object.__new__(type("Bare", (Metric,), {}))
    for call in (bare.reset, bare.compute, lambda: bare.update(0, 0)):
        with pytest.raises(NotImplementedError, match="Bare must define"):
            call()


@pytest.mark.parametrize("make", [Mean, Accuracy, lambda: TopK(3), lambda: ConfusionMatrix(7)])
def test_what_is_gathered_survives_a_checkpoint(make, tmp_path):
    outputs, targets = scores()
    whole, first, second = make(), make(), make()

    def update(metric, x, y):
        metric.update(x.mean(), len(x)) if isinstance(metric, Mean) else metric.update(x, y)

    for i, (x, y) in enumerate(batches(outputs, targets)):
        update(whole, x, y)
        update(first if i < 3 else second, x, y)
        if i == 2:
            nn.save(first.state_dict(), tmp_path / "metric")
            second.load_state_dict(nn.load(tmp_path / "metric"))
            update(first, x, y)  # leaves the state alone
    assert_array_equal(second.compute(), whole.compute())
    json.dumps(np.asarray(whole.compute()).tolist())
