"""Metrics of a model's outputs, accumulated over batches. For :func:`minigrad.nn.fit` and :func:`minigrad.nn.evaluate`, or alone.

``update(outputs, targets)`` takes a batch, ``compute()`` returns the value for all batches since ``reset()``. They take Tensors or arrays,
and no gradient flows.

>>> import minigrad as mg
>>> from minigrad.nn.metrics import Accuracy
>>> accuracy = Accuracy()
>>> accuracy.update(mg.tensor([[0.1, 0.9], [0.8, 0.2]]), mg.tensor([1, 1]))
>>> accuracy.update(mg.tensor([[0.3, 0.7]]), mg.tensor([1]))
>>> accuracy.compute()
0.6666666666666666
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from minigrad.engine import ShapeError
from minigrad.ops.arguments import check
from minigrad.tree import array_of


class Metric:
    """Base of metrics. A subclass defines ``reset``, ``update`` and ``compute``; its public attributes hold the accumulated state.

    Args:
        name: the metric's column in a log.
    """

    def __init__(self, name: str):
        check(type(self).__name__, locals(), name="a name")
        self.name = name
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        raise NotImplementedError(f"{type(self).__name__} must define reset()")

    def update(self, outputs: Any, targets: Any) -> None:
        """Take a batch into account."""
        raise NotImplementedError(f"{type(self).__name__} must define update(outputs, targets)")

    def compute(self) -> Any:
        """The value for all batches since ``reset()``."""
        raise NotImplementedError(f"{type(self).__name__} must define compute()")

    def __call__(self, outputs: Any, targets: Any) -> Any:
        """The value for one batch alone; the accumulated state does not change."""
        alone = copy.copy(self)
        alone.reset()
        alone.update(outputs, targets)
        return alone.compute()

    def state_dict(self) -> dict[str, Any]:
        """The accumulated state, for a checkpoint."""
        return {key: copy.copy(value) for key, value in vars(self).items() if not key.startswith("_") and key != "name"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state that :meth:`state_dict` returned."""
        for key, value in state_dict.items():
            setattr(self, key, copy.copy(value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}: {self.compute()})"


class Mean(Metric):
    """The weighted mean of values, for example of batch losses weighted by batch size. NaN before the first value.

    >>> from minigrad.nn.metrics import Mean
    >>> mean = Mean()
    >>> mean.update(1.0, 64)
    >>> mean.update(4.0, 32)  # the last batch is smaller
    >>> mean.compute()
    2.0
    """

    def __init__(self, name: str = "mean"):
        super().__init__(name)

    def reset(self) -> None:
        self.total, self.weight = 0.0, 0.0

    def update(self, value: Any, weight: float = 1.0) -> None:
        """Add a value with its weight."""
        self.total += float(array_of(value)) * weight
        self.weight += weight

    def compute(self) -> float:
        return self.total / self.weight if self.weight else float("nan")


class Accuracy(Metric):
    """The fraction of correct predictions.

    Args:
        threshold: None: outputs (N, C, ...) with a score for each class, targets (N, ...) with class indices. A number: outputs and targets
            have the same shape, and an output above it predicts class 1 (0 for logits, 0.5 for probabilities).
        ignore_index: targets that are ignored, as in :func:`minigrad.nn.functional.cross_entropy`.

    Raises:
        ShapeError: outputs and targets that do not go together.

    >>> import minigrad as mg
    >>> from minigrad.nn.metrics import Accuracy
    >>> Accuracy()(mg.tensor([[2.0, 1.0], [0.0, 1.0]]), mg.tensor([0, 0]))
    0.5
    >>> Accuracy(threshold=0.0)(mg.tensor([-1.0, 2.0, 3.0]), mg.tensor([0, 1, 0]))
    0.6666666666666666
    """

    def __init__(self, name: str = "accuracy", *, threshold: float | None = None, ignore_index: int | None = None):
        check(type(self).__name__, locals(), "threshold ignore_index", threshold="not NaN", ignore_index="a whole number")
        self._threshold, self._ignore_index = threshold, ignore_index
        super().__init__(name)

    def reset(self) -> None:
        self.right, self.count = 0, 0

    def update(self, outputs: Any, targets: Any) -> None:
        if self._threshold is None:
            scores, targets = _classes(type(self).__name__, outputs, targets)
            right = self._right(scores, targets)
        else:
            values, targets = array_of(outputs), array_of(targets)
            if values.shape != targets.shape:
                raise ShapeError(f"Accuracy: with a threshold outputs and targets have one shape, not {values.shape} and {targets.shape}")
            right = (values > self._threshold) == (targets > 0.5)
        counts = np.ones(targets.shape, bool) if self._ignore_index is None else targets != self._ignore_index
        self.right += int(np.count_nonzero(right & counts))
        self.count += int(np.count_nonzero(counts))

    def _right(self, scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return scores.argmax(1) == targets

    def compute(self) -> float:
        return self.right / self.count if self.count else float("nan")


class TopK(Accuracy):
    """The fraction of targets among the ``k`` classes with the highest scores; among equal scores, lower classes come first.

    Outputs are (N, C, ...), targets (N, ...).

    >>> import minigrad as mg
    >>> from minigrad.nn.metrics import TopK
    >>> TopK(2)(mg.tensor([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), mg.tensor([1, 2]))
    0.5
    """

    def __init__(self, k: int = 5, name: str | None = None, *, ignore_index: int | None = None):
        check("TopK", locals(), k=1)
        self._k = k
        super().__init__(f"top{k}" if name is None else name, ignore_index=ignore_index)

    def _right(self, scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
        known = (targets >= 0) & (targets < scores.shape[1])
        label = np.where(known, targets, 0)[:, None]
        own = np.take_along_axis(scores, label, 1)
        classes = np.arange(scores.shape[1]).reshape(-1, *[1] * (scores.ndim - 2))
        above = ((scores > own) | ((scores == own) & (classes < label))).sum(1)
        return known & (above < self._k) & ~np.isnan(own[:, 0])


class ConfusionMatrix(Metric):
    """How often class ``row`` was predicted as class ``column``: an int64 array (classes, classes).

    Args:
        num_classes: outputs are (N, num_classes, ...) with scores, or (N, ...) with predicted classes; targets (N, ...).
        ignore_index: targets that are ignored.

    Raises:
        IndexError: a class outside ``0 ... num_classes - 1``.
        ShapeError: outputs and targets that do not go together.

    >>> import minigrad as mg
    >>> from minigrad.nn.metrics import ConfusionMatrix
    >>> confusion = ConfusionMatrix(2)
    >>> confusion.update(mg.tensor([0, 1, 1]), mg.tensor([0, 0, 1]))
    >>> confusion.compute()
    array([[1, 1],
           [0, 1]])
    >>> confusion.recall(), confusion.precision()
    (array([0.5, 1. ]), array([1. , 0.5]))
    """

    def __init__(self, num_classes: int, name: str = "confusion", *, ignore_index: int | None = None):
        check("ConfusionMatrix", locals(), "ignore_index", num_classes=1, ignore_index="a whole number")
        self._num_classes, self._ignore_index = num_classes, ignore_index
        super().__init__(name)

    def reset(self) -> None:
        self.matrix = np.zeros((self._num_classes, self._num_classes), np.int64)

    def update(self, outputs: Any, targets: Any) -> None:
        predicted, targets = array_of(outputs), array_of(targets)
        if predicted.shape != targets.shape:
            scores, targets = _classes("ConfusionMatrix", predicted, targets)
            predicted = scores.argmax(1)
        if self._ignore_index is not None:
            predicted, targets = predicted[targets != self._ignore_index], targets[targets != self._ignore_index]
        for what, values in (("target", targets), ("prediction", predicted)):
            wrong = values[(values < 0) | (values >= self._num_classes)]
            if wrong.size:
                raise IndexError(f"ConfusionMatrix: {what} {wrong.flat[0]} is outside the {self._num_classes} classes")
        n = self._num_classes
        cells = targets.ravel().astype(np.int64) * n + predicted.ravel().astype(np.int64)
        self.matrix += np.bincount(cells, minlength=n * n).reshape(n, n)

    def compute(self) -> np.ndarray:
        return self.matrix.copy()

    def accuracy(self) -> float:
        """The fraction on the diagonal."""
        total = self.matrix.sum()
        return float(self.matrix.trace() / total) if total else float("nan")

    def recall(self) -> np.ndarray:
        """For each class, the fraction of its samples that were found; NaN for a class without samples."""
        return _ratio(self.matrix.diagonal(), self.matrix.sum(1))

    def precision(self) -> np.ndarray:
        """For each class, the fraction of its predictions that were right; NaN for a class that was never predicted."""
        return _ratio(self.matrix.diagonal(), self.matrix.sum(0))

    def f1(self) -> np.ndarray:
        """For each class, the harmonic mean of precision and recall; NaN for a class that neither occurred nor was predicted."""
        return _ratio(2 * self.matrix.diagonal(), self.matrix.sum(0) + self.matrix.sum(1))


def named(name: str) -> Metric:
    """The metric for a name in :func:`minigrad.nn.fit`: ``"accuracy"``, or ``"top5"`` with any number.

    Raises:
        ValueError: another name.

    >>> from minigrad.nn.metrics import named
    >>> named("accuracy"), named("top3")
    (Accuracy('accuracy': nan), TopK('top3': nan))
    """
    check("metrics", locals(), name="a name")
    if name == "accuracy":
        return Accuracy()
    if name.startswith("top") and name[3:].isdecimal():
        return TopK(int(name[3:]))
    raise ValueError(
        f'metrics: there is none called {name!r}; names are "accuracy" and "top5" (with any number); others are made, as ConfusionMatrix(10)'
    )


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.full(len(a), np.nan), where=b > 0)


def _classes(name: str, outputs: Any, targets: Any) -> tuple[np.ndarray, np.ndarray]:
    scores, targets = array_of(outputs), array_of(targets)
    if scores.ndim < 2 or scores.shape[:1] + scores.shape[2:] != targets.shape or scores.shape[1] == 0:
        raise ShapeError(f"{name}: outputs are (N, C, ...) and targets (N, ...), not {scores.shape} and {targets.shape}")
    return scores, targets
