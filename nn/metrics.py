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
from collections.abc import Sequence
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.engine import ShapeError
from minigrad.nn import detection
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

    def merge(self, states: Sequence[dict[str, Any]]) -> None:
        """Take over the states of several processes that had a part of the batches each: numbers and arrays add up, lists follow one another.

        A metric whose state is not put together so defines this method.

        >>> from minigrad.nn.metrics import Mean
        >>> a, b, both = Mean(), Mean(), Mean()
        >>> a.update(1.0, 64)
        >>> b.update(4.0, 32)
        >>> both.merge([a.state_dict(), b.state_dict()])
        >>> both.compute()
        2.0
        """
        self.load_state_dict({key: _together(self, key, [state[key] for state in states]) for key in states[0]})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}: {self.compute()})"


def _together(metric: Metric, key: str, values: Sequence[Any]) -> Any:
    if all(isinstance(v, (int, float, np.ndarray, np.generic)) and not isinstance(v, bool) for v in values):
        return sum(values[1:], values[0])
    if all(isinstance(v, list) for v in values):
        return [one for v in values for one in v]
    if all(isinstance(v, dict) for v in values):
        return {k: _together(metric, key, [v[k] for v in values if k in v]) for k in dict.fromkeys(k for v in values for k in v)}
    if all(v == values[0] for v in values):
        return values[0]
    raise TypeError(
        f"{type(metric).__name__}: the states of ranks differ in {key}, {values[0]!r}; define merge(states) to put them together"
    )


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

    def iou(self) -> np.ndarray:
        """For each class, intersection over union of its samples and its predictions; NaN as :meth:`f1`. The mean is the mIoU of segmentation.

        >>> from minigrad.nn.metrics import ConfusionMatrix
        >>> confusion = ConfusionMatrix(2)
        >>> confusion.update([0, 1, 1], [0, 0, 1])
        >>> confusion.iou()
        array([0.5, 0.5])
        """
        both = self.matrix.diagonal()
        return _ratio(both, self.matrix.sum(0) + self.matrix.sum(1) - both)

    def f1(self) -> np.ndarray:
        """For each class, the harmonic mean of precision and recall; NaN for a class that neither occurred nor was predicted."""
        return _ratio(2 * self.matrix.diagonal(), self.matrix.sum(0) + self.matrix.sum(1))


class MeanAveragePrecision(Metric):
    """mAP of a detector: the area below the curve of precision over recall, averaged over classes and thresholds.

    A box found is right if its IoU with a true box of its class in its image, which no better one has taken, is at least the threshold. Boxes
    found are taken from the highest score down; precision at a recall is the highest at that recall or above (PASCAL VOC from 2010 on).

    ``update`` takes for each image a dict: outputs have ``boxes`` (N, 4), ``scores`` (N,) and ``labels`` (N,), targets ``boxes`` and
    ``labels``. Classes without true boxes do not count; without any the value is NaN.

    Args:
        thresholds: of the IoU: 0.5 as in VOC; COCO's are ``numpy.arange(0.5, 1, 0.05)``.

    Raises:
        ShapeError: not as many outputs as targets; boxes, scores and labels that do not go together.
        ValueError: a threshold that is not above 0 and up to 1.

    >>> import minigrad as mg
    >>> from minigrad.nn.metrics import MeanAveragePrecision
    >>> truth = {"boxes": mg.tensor([[0.0, 0.0, 2.0, 2.0], [4.0, 4.0, 6.0, 6.0]]), "labels": mg.tensor([0, 0])}
    >>> found = {"boxes": mg.tensor([[0.0, 0.0, 2.0, 2.0]]), "scores": mg.tensor([0.9]), "labels": mg.tensor([0])}
    >>> MeanAveragePrecision()([found], [truth])  # one of two, and no false one
    0.5
    """

    def __init__(self, thresholds: Any = (0.5,), name: str = "mAP"):
        check("MeanAveragePrecision", locals(), name="a name")
        self._thresholds = np.atleast_1d(np.asarray(thresholds, np.float64))
        if self._thresholds.ndim != 1 or not ((self._thresholds > 0) & (self._thresholds <= 1)).all() or not self._thresholds.size:
            raise ValueError(f"MeanAveragePrecision: thresholds are numbers above 0 and up to 1, but are {thresholds!r}")
        super().__init__(name)

    def reset(self) -> None:
        self.found: list[tuple[int, float, tuple[bool, ...]]] = []
        self.true: dict[int, int] = {}

    def update(self, outputs: Any, targets: Any) -> None:
        if len(outputs) != len(targets):
            raise ShapeError(f"MeanAveragePrecision: {len(outputs)} outputs have as many targets, not {len(targets)}")
        for output, target in zip(outputs, targets, strict=True):
            boxes, scores, labels = (array_of(output[key]) for key in ("boxes", "scores", "labels"))
            truths, classes = array_of(target["boxes"]), array_of(target["labels"])
            for what, given, least in (("outputs", boxes, (scores, labels)), ("targets", truths, (classes,))):
                if given.shape[1:] != (4,) or any(one.shape != given.shape[:1] for one in least):
                    raise ShapeError(
                        f"MeanAveragePrecision: {what} have boxes (N, 4), and scores and labels (N,), not {given.shape} and "
                        f"{', '.join(str(one.shape) for one in least)}"
                    )
            for label in np.union1d(labels, classes):
                own = np.flatnonzero(labels == label)
                self._match(int(label), boxes[own], scores[own], truths[classes == label])

    def _match(self, label: int, boxes: np.ndarray, scores: np.ndarray, truths: np.ndarray) -> None:
        """One class in one image."""
        self.true[label] = self.true.get(label, 0) + len(truths)
        with mg.no_grad():
            overlap = detection.box_iou(mg.tensor(boxes), mg.tensor(truths)).numpy()
        taken = np.zeros((len(self._thresholds), len(truths)), bool)
        for number in np.argsort(-scores, kind="stable"):
            right = []
            for free, threshold in zip(taken, self._thresholds, strict=True):
                values = np.where(free, -1.0, overlap[number])
                best = int(values.argmax()) if len(truths) else -1
                right.append(best >= 0 and bool(values[best] >= threshold))
                if right[-1]:
                    free[best] = True
            self.found.append((label, float(scores[number]), tuple(right)))

    def compute(self) -> float:
        averages = self.average_precisions()
        return float(np.mean([np.mean(values) for values in averages.values()])) if averages else float("nan")

    def average_precisions(self) -> dict[int, np.ndarray]:
        """For each class that has true boxes, the average precision at each threshold."""
        result = {}
        for label, count in sorted(self.true.items()):
            if count:
                own = sorted((one for one in self.found if one[0] == label), key=lambda one: -one[1])
                right = np.array([one[2] for one in own], bool).reshape(len(own), len(self._thresholds))
                precision = right.cumsum(0) / np.arange(1, len(own) + 1)[:, None]
                precision = np.maximum.accumulate(precision[::-1], 0)[::-1]
                result[label] = (precision * right).sum(0) / count
        return result


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
