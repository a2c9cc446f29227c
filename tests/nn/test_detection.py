"""Boxes, their choice, and features in them: against answers made by hand or by loops; gradients against numerical ones."""

import itertools

import numpy as np
import pytest

import minigrad as mg
from minigrad.nn import detection
from minigrad.nn.metrics import ConfusionMatrix, MeanAveragePrecision
from minigrad.testing import gradcheck

BOXES = [[0.0, 0.0, 4.0, 4.0], [2.0, 0.0, 6.0, 4.0], [1.0, 1.0, 2.0, 3.0], [9.0, 9.0, 10.0, 11.0]]


def boxes(*rows, **options):
    return mg.tensor(list(rows) or BOXES, dtype=mg.float64, **options)


def test_overlap_by_hand():
    iou = detection.box_iou(boxes(), boxes(BOXES[0]))
    np.testing.assert_allclose(iou.numpy()[:, 0], [1, 8 / 24, 2 / 16, 0], rtol=1e-14)
    giou = detection.generalized_box_iou(boxes(), boxes(BOXES[0]))
    np.testing.assert_allclose(giou.numpy()[:, 0], [1, 8 / 24, 2 / 16, -(110 - 18) / 110], rtol=1e-14)
    loss = detection.generalized_box_iou_loss(boxes(), boxes(*[BOXES[0]] * 4), eps=0.0)
    np.testing.assert_allclose(loss.numpy(), 1 - giou.numpy()[:, 0], rtol=1e-14)
    np.testing.assert_allclose(detection.generalized_box_iou_loss(boxes(), boxes(), "sum").numpy(), 0, atol=1e-6)
    np.testing.assert_array_equal(detection.box_area(boxes()).numpy(), [16, 16, 2, 2])
    assert np.isnan(detection.box_iou(boxes([1, 1, 1, 1]), boxes([1, 1, 1, 1])).numpy()).all()
    assert detection.box_iou(boxes()[:0], boxes()).shape == (0, 4)


@pytest.mark.parametrize(("a", "b"), list(itertools.product(["xyxy", "xywh", "cxcywh"], repeat=2)))
def test_every_format_and_back(a, b):
    there = detection.box_convert(boxes(), a, b)
    np.testing.assert_allclose(detection.box_convert(there, b, a).numpy(), BOXES)
    known = {"xyxy": [1, 2, 5, 10], "xywh": [1, 2, 4, 8], "cxcywh": [3, 6, 4, 8]}
    np.testing.assert_array_equal(detection.box_convert(boxes(known[a]), a, b).numpy(), [known[b]])


def test_gradients():
    mg.manual_seed(3)
    corner, size = mg.rand(3, 2, dtype=mg.float64) * 3, mg.rand(3, 2, dtype=mg.float64) * 4 + 1
    a = mg.cat([corner, corner + size], 1).detach().requires_grad_()
    b = boxes(*BOXES[:2], BOXES[3])
    for function in (detection.box_iou, detection.generalized_box_iou, detection.generalized_box_iou_loss):
        gradcheck(lambda x, function=function: function(x, b), a)
    gradcheck(lambda x: detection.box_convert(x, "cxcywh", "xyxy"), a)
    apart = boxes(BOXES[3], requires_grad=True)  # apart: IoU has no slope, the generalised one moves the box up to the left
    detection.generalized_box_iou_loss(apart, boxes(BOXES[0]), "sum").backward()
    by_shift = apart.grad.numpy()[0].reshape(2, 2).sum(0)
    assert (by_shift > 0).all()


def test_non_maximum_suppression():
    scores = mg.tensor([0.5, 0.9, 0.5, 0.1], dtype=mg.float64)
    assert detection.nms(boxes(), scores, 0.3).tolist() == [1, 2, 3]
    assert detection.nms(boxes(), scores, 1 / 3).tolist() == [1, 0, 2, 3]  # as much as the threshold is not too much; equal scores in order
    assert detection.nms(boxes(), scores, 0.1).tolist() == [1, 2, 3]
    assert detection.nms(boxes()[:0], scores[:0], 0.5).shape == (0,)
    assert detection.nms(boxes([1, 1, 1, 1], [1, 1, 1, 1]), scores[:2], 0.5).tolist() == [1, 0]  # no area, no overlap
    groups = mg.tensor([0, 1, 0, 1])
    assert detection.batched_nms(boxes(), scores, groups, 0.1).tolist() == [1, 0, 3]
    assert detection.batched_nms(boxes()[:0], scores[:0], groups[:0], 0.5).shape == (0,)


def test_non_maximum_suppression_of_nan():
    """A box with NaN overlaps none; a group that is NaN is none, and its box was lost without a word."""
    nan, scores = float("nan"), mg.tensor([0.9, 0.8, 0.7])
    alike = mg.tensor([[0.0, 0.0, 2.0, 2.0]] * 3)
    broken = mg.tensor([[0.0, 0.0, 2.0, 2.0], [nan, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0]])
    assert detection.nms(broken, scores, 0.5).tolist() == detection.batched_nms(broken, scores, mg.zeros(3), 0.5).tolist() == [0, 1]
    assert detection.nms(alike, mg.tensor([nan, 0.8, 0.7]), 0.5).tolist() == [1]
    with pytest.raises(ValueError, match="batched_nms: idxs must not be NaN, but 1 of 3 are"):
        detection.batched_nms(alike, scores, mg.tensor([0.0, nan, 1.0]), 0.5)


def sampled(image, y, x):
    """One bilinear sample of an image (H, W), as the paper's code takes it."""
    height, width = image.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    v, u = y - top, x - left
    upper = image[top, left] * (1 - u) + image[top, right] * u
    return upper * (1 - v) + (image[bottom, left] * (1 - u) + image[bottom, right] * u) * v


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [-1, 1, 3])
def test_roi_align_is_the_loop(aligned, ratio):
    rng = np.random.default_rng(5)
    features = rng.standard_normal((2, 2, 5, 6))
    table = np.array([[1, 1.2, 0.4, 9.7, 8.0], [0, -6.0, -3.0, 7.0, 30.0], [1, 3.0, 3.0, 3.4, 3.1], [0, 2.0, 2.0, 8.0, 8.0]])
    found = detection.roi_align(mg.tensor(features), mg.tensor(table), (2, 3), 0.5, ratio, aligned).numpy()
    wanted = np.zeros((4, 2, 2, 3))
    for k, (image, *corners) in enumerate(table):
        left, top, right, bottom = np.array(corners) * 0.5 - 0.5 * aligned
        high, wide = bottom - top, right - left
        if not aligned:
            high, wide = max(high, 1), max(wide, 1)
        rows, columns = (ratio, ratio) if ratio > 0 else (int(np.ceil(high / 2)), int(np.ceil(wide / 3)))
        for c, i, j in np.ndindex(2, 2, 3):
            samples = [
                sampled(features[int(image), c], top + (i + (m + 0.5) / rows) * high / 2, left + (j + (n + 0.5) / columns) * wide / 3)
                for m in range(rows)
                for n in range(columns)
            ]
            wanted[k, c, i, j] = np.mean(samples)
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)
    lists = [mg.tensor(table[table[:, 0] == image, 1:]) for image in (0, 1)]
    again = detection.roi_align(mg.tensor(features), lists, (2, 3), 0.5, ratio, aligned).numpy()
    np.testing.assert_array_equal(again, found[[1, 3, 0, 2]])


def test_roi_align_gradient():
    features = mg.rand(2, 1, 4, 3, dtype=mg.float64, requires_grad=True)
    table = mg.tensor([[1, 0.3, 0.2, 2.6, 3.9], [0, 1.0, 1.0, 2.0, 2.5], [1, 0.0, 0.0, 3.0, 4.0]], dtype=mg.float64)
    gradcheck(lambda x: detection.roi_align(x, table, 2, aligned=True), features)
    none = detection.roi_align(features, [table[:0, 1:]] * 2, 2)
    assert none.shape == (0, 1, 2, 2) and none.dtype == mg.float64


def test_masks_and_borders():
    masks = mg.zeros(2, 5, 6)
    masks[0, 1:3, 2:6] = 1
    masks[1, 4, 0] = 1
    assert detection.masks_to_boxes(masks).tolist() == [[2, 1, 5, 2], [0, 4, 0, 4]]
    assert detection.clip_boxes_to_image(boxes([-3, 1, 5, 99]), (10, 4)).tolist() == [[0, 1, 4, 10]]


def test_mean_average_precision_by_hand():
    """Two true boxes; found: one right, one wrong, the other right, the first again: precision 1, 1/2, 2/3, 2/4 at recall 1/2, 1/2, 1, 1."""
    truth = {"boxes": boxes(BOXES[0], BOXES[3]), "labels": mg.tensor([7, 7])}
    found = {"boxes": boxes(BOXES[0], [20, 20, 30, 30], BOXES[3], BOXES[0]), "scores": mg.tensor([0.9, 0.8, 0.7, 0.6]), "labels": mg.tensor([7] * 4)}  # fmt: skip
    metric = MeanAveragePrecision((0.5, 0.99))
    metric.update([found], [truth])
    np.testing.assert_allclose(metric.compute(), (1 + 2 / 3) / 2)
    empty = {"boxes": boxes()[:0], "scores": mg.zeros(0), "labels": mg.zeros(0, dtype=mg.int64)}
    metric.update([empty], [{"boxes": boxes(BOXES[1]), "labels": mg.tensor([3])}])  # a class that is never found
    np.testing.assert_allclose(metric.compute(), (1 + 2 / 3) / 4)
    shifted = {"boxes": boxes([1, 0, 5, 4]), "scores": mg.ones(1), "labels": mg.tensor([7])}  # IoU 12 / 20
    one = {"boxes": boxes(BOXES[0]), "labels": mg.tensor([7])}
    assert MeanAveragePrecision((0.5, 0.6, 0.7))([shifted], [one]) == pytest.approx(2 / 3)
    assert np.isnan(MeanAveragePrecision().compute())
    assert np.isnan(MeanAveragePrecision()([empty], [empty]))


def test_intersection_over_union_of_classes():
    confusion = ConfusionMatrix(3)
    confusion.update([0, 0, 1, 1, 1], [0, 1, 1, 1, 0])
    np.testing.assert_array_equal(confusion.iou(), [1 / 3, 2 / 4, np.nan])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: detection.box_iou(mg.ones(2, 3), boxes()), r"box_iou: boxes1 are \(..., 4\), not \(2, 3\)"),
        (lambda: detection.box_iou(boxes(), mg.ones(4)), r"box_iou: boxes2 are \(N, 4\), not \(4,\)"),
        (lambda: detection.box_area([[1, 2, 3, 4]]), "box_area: boxes must be a Tensor, not list"),
        (lambda: detection.box_convert(boxes(), "xyxy", "yx"), "box_convert: out_fmt must be one of 'xyxy', 'xywh', 'cxcywh', but is 'yx'"),
        (lambda: detection.nms(boxes(), mg.ones(3), 0.5), r"nms: boxes \(N, 4\) have scores \(N,\), not \(4, 4\) and \(3,\)"),
        (lambda: detection.batched_nms(boxes(), mg.ones(4), mg.ones(2), 0.5), "batched_nms: boxes"),
        (lambda: detection.generalized_box_iou_loss(boxes(), boxes(BOXES[0])), "have one shape"),
        (lambda: detection.generalized_box_iou_loss(boxes(), boxes(), "all"), "reduction must be one of 'none', 'mean', 'sum', but is 'all'"),
        (lambda: detection.roi_align(mg.ones(1, 2, 3), boxes(), 2), r"roi_align: input is \(N, C, H, W\) with pixels, not \(1, 2, 3\)"),
        (lambda: detection.roi_align(mg.ones(1, 1, 3, 3), boxes(), 2), r"roi_align: boxes are \(K, 5\)"),
        (lambda: detection.roi_align(mg.ones(1, 1, 3, 3), [boxes()] * 2, 2), "roi_align: 1 images have 1 Tensors of boxes, not 2"),
        (lambda: detection.roi_align(mg.ones(1, 1, 3, 3), mg.ones(1, 5), 2), "roi_align: there is no image 1 of 1"),
        (lambda: detection.masks_to_boxes(mg.zeros(1, 2, 2)), "masks_to_boxes: mask 0 covers nothing"),
        (lambda: MeanAveragePrecision()([], [1]), "MeanAveragePrecision: 0 outputs have as many targets, not 1"),
    ],
)  # fmt: skip
def test_errors(call, message):
    with pytest.raises((mg.ShapeError, TypeError, ValueError, IndexError), match=message):
        call()
