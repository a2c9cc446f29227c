"""Boxes: their overlap, the choice among those that overlap, and features inside them; names and arguments are those of ``torchvision.ops``.

Boxes are Tensors (N, 4) of corners: left, top, right, bottom, in pixels, where a pixel is a square with sides of 1 (a box from 0 to 2 covers
two pixels). All functions but :func:`nms` and :func:`batched_nms`, which return indices, are differentiable, :func:`roi_align` by its features.

>>> import minigrad as mg
>>> from minigrad.nn import detection
>>> boxes = mg.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.0], [5.0, 5.0, 6.0, 6.0]])
>>> detection.nms(boxes, mg.tensor([0.9, 0.8, 0.7]), 0.4).tolist()
[0, 2]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.engine import ShapeError
from minigrad.ops.arguments import check
from minigrad.ops.precision import in_float32
from minigrad.ops.window_sizes import per_axis
from minigrad.tree import array_of

__all__ = [
    "batched_nms", "box_area", "box_convert", "box_iou", "clip_boxes_to_image", "generalized_box_iou", "generalized_box_iou_loss",
    "masks_to_boxes", "nms", "roi_align",
]  # fmt: skip

_FORMATS = ("xyxy", "xywh", "cxcywh")


def _four(name: str, boxes: Any, what: str = "boxes") -> mg.Tensor:
    if not isinstance(boxes, mg.Tensor):
        raise TypeError(f"{name}: {what} must be a Tensor, not {type(boxes).__name__}")
    if boxes.ndim == 0 or boxes.shape[-1] != 4:
        raise ShapeError(f"{name}: {what} are (..., 4), not {tuple(boxes.shape)}")
    return boxes


def _rows(name: str, boxes: Any, what: str = "boxes") -> mg.Tensor:
    if _four(name, boxes, what).ndim != 2:
        raise ShapeError(f"{name}: {what} are (N, 4), not {tuple(boxes.shape)}")
    return boxes


def box_convert(boxes: mg.Tensor, in_fmt: str, out_fmt: str) -> mg.Tensor:
    """Boxes (..., 4) written in another way.

    Args:
        in_fmt, out_fmt: ``"xyxy"`` (left, top, right, bottom), ``"xywh"`` (left, top, width, height) or ``"cxcywh"`` (centre, width, height).

    Raises:
        ValueError: another format.
        ShapeError: a last dimension that is not 4.

    >>> import minigrad as mg
    >>> from minigrad.nn.detection import box_convert
    >>> box_convert(mg.tensor([[1.0, 2.0, 5.0, 4.0]]), "xyxy", "cxcywh").tolist()
    [[3.0, 3.0, 4.0, 2.0]]
    """
    _four("box_convert", boxes)
    check("box_convert", locals(), in_fmt=_FORMATS, out_fmt=_FORMATS)
    if in_fmt == out_fmt:
        return boxes
    first, second = boxes[..., :2], boxes[..., 2:]
    if in_fmt == "cxcywh":
        first, second = first - second / 2, first + second / 2
    elif in_fmt == "xywh":
        second = first + second
    if out_fmt == "cxcywh":
        first, second = (first + second) / 2, second - first
    elif out_fmt == "xywh":
        second = second - first
    return mg.cat([first, second], -1)


def box_area(boxes: mg.Tensor) -> mg.Tensor:
    """Width times height of boxes (N, 4), (N,).

    >>> import minigrad as mg
    >>> mg.nn.detection.box_area(mg.tensor([[0.0, 0.0, 2.0, 3.0]])).tolist()
    [6.0]
    """
    return _area(_rows("box_area", boxes))


def _area(boxes: mg.Tensor) -> mg.Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _common_and_union(a: mg.Tensor, b: mg.Tensor) -> tuple[mg.Tensor, mg.Tensor]:
    """Areas of intersections and unions of boxes (..., 4) that broadcast."""
    sides = (mg.minimum(a[..., 2:], b[..., 2:]) - mg.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    common = sides[..., 0] * sides[..., 1]
    return common, _area(a) + _area(b) - common


@in_float32
def box_iou(boxes1: mg.Tensor, boxes2: mg.Tensor) -> mg.Tensor:
    """Intersection over union of each of ``boxes1`` (N, 4) with each of ``boxes2`` (M, 4), (N, M): from 0 (apart) to 1 (equal).

    Two boxes without area give NaN.

    >>> import minigrad as mg
    >>> mg.nn.detection.box_iou(mg.tensor([[0.0, 0.0, 2.0, 2.0]]), mg.tensor([[1.0, 0.0, 3.0, 2.0], [2.0, 2.0, 3.0, 3.0]])).tolist()
    [[0.3333333432674408, 0.0]]
    """
    common, union = _common_and_union(_rows("box_iou", boxes1, "boxes1").unsqueeze(1), _rows("box_iou", boxes2, "boxes2"))
    return common / union


def _giou(a: mg.Tensor, b: mg.Tensor, eps: float = 0.0) -> mg.Tensor:
    common, union = _common_and_union(a, b)
    sides = mg.maximum(a[..., 2:], b[..., 2:]) - mg.minimum(a[..., :2], b[..., :2])
    around = sides[..., 0] * sides[..., 1]
    return common / (union + eps) - (around - union) / (around + eps)


@in_float32
def generalized_box_iou(boxes1: mg.Tensor, boxes2: mg.Tensor) -> mg.Tensor:
    """IoU less the part of the smallest box around both that neither covers, (N, M), from -1 to 1: Rezatofighi et al. 2019.

    Its gradient draws boxes together that do not overlap, where IoU is 0.

    >>> import minigrad as mg
    >>> mg.nn.detection.generalized_box_iou(mg.tensor([[0.0, 0.0, 1.0, 1.0]]), mg.tensor([[3.0, 0.0, 4.0, 1.0]])).tolist()
    [[-0.5]]
    """
    name = "generalized_box_iou"
    return _giou(_rows(name, boxes1, "boxes1").unsqueeze(1), _rows(name, boxes2, "boxes2"))


@in_float32
def generalized_box_iou_loss(boxes1: mg.Tensor, boxes2: mg.Tensor, reduction: str = "none", eps: float = 1e-7) -> mg.Tensor:
    """``1 - GIoU`` of the boxes that stand at the same place, both (..., 4).

    Args:
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        eps: added to areas that are divided by.

    Raises:
        ShapeError: two shapes.
        ValueError: another reduction.

    >>> import minigrad as mg
    >>> box = mg.tensor([[0.0, 0.0, 1.0, 1.0]])
    >>> round(mg.nn.detection.generalized_box_iou_loss(box, box + 1, "mean").item(), 4)  # two corners meet: 1 - (0 - 2 / 4)
    1.5
    """
    name = "generalized_box_iou_loss"
    if _four(name, boxes1, "boxes1").shape != _four(name, boxes2, "boxes2").shape:
        raise ShapeError(f"{name}: boxes1 and boxes2 have one shape, not {tuple(boxes1.shape)} and {tuple(boxes2.shape)}")
    check(name, locals(), reduction=("none", "mean", "sum"), eps="0 or above")
    loss = 1 - _giou(boxes1, boxes2, eps)
    return loss if reduction == "none" else getattr(loss, reduction)()


def clip_boxes_to_image(boxes: mg.Tensor, size: tuple[int, int]) -> mg.Tensor:
    """The part of boxes (..., 4) inside an image of ``size`` (height, width).

    >>> import minigrad as mg
    >>> mg.nn.detection.clip_boxes_to_image(mg.tensor([[-1.0, 2.0, 9.0, 4.0]]), (3, 8)).tolist()
    [[0.0, 2.0, 8.0, 3.0]]
    """
    height, width = per_axis("clip_boxes_to_image", "size", size, 2)
    most = mg.tensor([width, height, width, height], dtype=_four("clip_boxes_to_image", boxes).dtype)
    return mg.minimum(boxes.clamp(min=0), most)


def masks_to_boxes(masks: mg.Tensor) -> mg.Tensor:
    """The first and last column and row that each mask (N, H, W) covers, float32 (N, 4), as torchvision counts: both are inside.

    Raises:
        ShapeError: not three dimensions.
        ValueError: a mask that covers nothing.

    >>> import minigrad as mg
    >>> mg.nn.detection.masks_to_boxes(mg.tensor([[[0, 0, 0], [0, 1, 1]]])).tolist()
    [[1.0, 1.0, 2.0, 1.0]]
    """
    if not isinstance(masks, mg.Tensor):
        raise TypeError(f"masks_to_boxes: masks must be a Tensor, not {type(masks).__name__}")
    covered = array_of(masks) != 0
    if covered.ndim != 3:
        raise ShapeError(f"masks_to_boxes: masks are (N, H, W), not {covered.shape}")
    boxes = np.zeros((len(covered), 4), np.float32)
    for number, mask in enumerate(covered):
        if not mask.any():
            raise ValueError(f"masks_to_boxes: mask {number} covers nothing")
        columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
        boxes[number] = columns[0], rows[0], columns[-1], rows[-1]
    return mg.tensor(boxes)


def nms(boxes: mg.Tensor, scores: mg.Tensor, iou_threshold: float, *, overlap: Callable[[Any, Any], Any] = box_iou) -> mg.Tensor:
    """Non-maximum suppression: the indices of the best box, then of the best of those that overlap it by no more than the threshold, and so on.

    Args:
        boxes: (N, 4).
        scores: (N,).
        iou_threshold: the largest overlap that two of the boxes kept have.
        overlap: of a box (1, 4) with boxes (M, 4), (1, M).

    Returns:
        int64 (K,), from the highest score down; among equal scores, the first comes first. A box with NaN overlaps none, so it stays, as in
        torchvision; a score that is NaN is the lowest here, and the highest there.

    Raises:
        ShapeError: boxes and scores that do not go together.
    """
    _rows("nms", boxes)
    check("nms", locals(), iou_threshold="not NaN", overlap="a function")
    values = array_of(scores)
    if values.shape != boxes.shape[:1]:
        raise ShapeError(f"nms: boxes (N, 4) have scores (N,), not {tuple(boxes.shape)} and {values.shape}")
    boxes = boxes.detach()
    left = np.argsort(-values, kind="stable")
    kept = []
    while left.size:
        best, left = left[0], left[1:]
        kept.append(best)
        if left.size:
            with np.errstate(invalid="ignore"):  # two boxes without area
                common = array_of(overlap(boxes[best : best + 1], boxes[left]))
            left = left[~(common[0] > iou_threshold)]
    return mg.tensor(np.array(kept, np.int64))


def batched_nms(boxes: mg.Tensor, scores: mg.Tensor, idxs: mg.Tensor, iou_threshold: float) -> mg.Tensor:
    """:func:`nms` among the boxes of each group (class, or image) ``idxs`` (N,) alone; indices (K,) from the highest score of all down.

    Raises ``ValueError`` for a group that is NaN: its box would be in none.

    >>> import minigrad as mg
    >>> boxes = mg.tensor([[0.0, 0.0, 2.0, 2.0]] * 3)
    >>> mg.nn.detection.batched_nms(boxes, mg.tensor([0.5, 0.9, 0.7]), mg.tensor([0, 0, 1]), 0.5).tolist()
    [1, 2]
    """
    check("batched_nms", locals(), iou_threshold="not NaN")
    groups, values = array_of(idxs), array_of(scores)
    if not groups.shape == values.shape == _rows("batched_nms", boxes).shape[:1]:
        raise ShapeError(
            f"batched_nms: boxes (N, 4) have scores (N,) and idxs (N,), not {tuple(boxes.shape)}, {values.shape} and {groups.shape}"
        )
    if np.isnan(groups).any():
        raise ValueError(f"batched_nms: idxs must not be NaN, but {int(np.isnan(groups).sum())} of {groups.size} are")
    kept = [np.empty(0, np.int64)]
    for group in np.unique(groups):
        own = np.flatnonzero(groups == group)
        kept.append(own[nms(boxes[own], mg.tensor(values[own]), iou_threshold).numpy()])
    together = np.sort(np.concatenate(kept))
    return mg.tensor(together[np.argsort(-values[together], kind="stable")])


def _samples(start: float, end: float, bins: int, size: int, ratio: int, least: float) -> np.ndarray:
    """(bins, size): what each of ``size`` pixels in a line adds to each bin, the mean of samples between pixels' centres.

    A sample more than a pixel outside the line is 0, one less far is on its border.
    """
    step = max(end - start, least) / bins
    count = ratio if ratio > 0 else max(math.ceil(step), 1)
    places = start + (np.arange(bins)[:, None] + (np.arange(count) + 0.5) / count) * step
    nearness = 1 - np.abs(places.clip(0, size - 1)[..., None] - np.arange(size))
    return (nearness.clip(0) * ((places >= -1) & (places <= size))[..., None]).mean(1)


@in_float32
def roi_align(
    input: mg.Tensor,
    boxes: mg.Tensor | Sequence[mg.Tensor],
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> mg.Tensor:
    r"""Features inside boxes, on a grid of one size for all of them: He et al. 2017, "Mask R-CNN". Differentiable by ``input``.

    Each bin of the grid is the mean of samples, interpolated between the four nearest pixels. That is linear, and done along columns and
    rows one after the other: for each box :math:`R\, X\, C^\top`, with the weights of the samples in :math:`R` and :math:`C`.

    Args:
        input: features (N, C, H, W).
        boxes: for each image boxes (L, 4), or all (K, 5) with the number of the image first.
        output_size: height and width of the grid, or one number for both.
        spatial_scale: the size of the features relative to that of the image that boxes are in.
        sampling_ratio: samples for each bin in each direction; -1: one for each pixel, rounded up.
        aligned: boxes from corner to corner of pixels (False: half a pixel off, and at least one pixel large, as at first published).

    Returns:
        (K, C, \*output_size).

    Raises:
        ShapeError: features or boxes of another shape; another number of lists than images.
        IndexError: an image that is not there.

    >>> import minigrad as mg
    >>> picture = mg.arange(16.0).reshape(1, 1, 4, 4)
    >>> mg.nn.detection.roi_align(picture, [mg.tensor([[0.0, 0.0, 4.0, 4.0]])], 2, aligned=True).tolist()  # the means of its quarters
    [[[[2.5, 4.5], [10.5, 12.5]]]]
    """
    if not isinstance(input, mg.Tensor):
        raise TypeError(f"roi_align: input must be a Tensor, not {type(input).__name__}")
    if input.ndim != 4 or 0 in input.shape[2:]:
        raise ShapeError(f"roi_align: input is (N, C, H, W) with pixels, not {tuple(input.shape)}")
    check("roi_align", locals(), spatial_scale="above 0", sampling_ratio="a whole number", aligned="True or False")
    high, wide = per_axis("roi_align", "output_size", output_size, 2)
    if isinstance(boxes, mg.Tensor):
        if boxes.ndim != 2 or boxes.shape[1] != 5:
            raise ShapeError(f"roi_align: boxes are (K, 5) with the image first, or a list of (L, 4), not {tuple(boxes.shape)}")
        table = array_of(boxes)
        images, corners = table[:, 0].astype(np.int64), table[:, 1:]
    else:
        if not isinstance(boxes, (list, tuple)):
            raise TypeError(f"roi_align: boxes must be a Tensor or a list of Tensors, not {type(boxes).__name__}")
        if len(boxes) != len(input):
            raise ShapeError(f"roi_align: {len(input)} images have {len(input)} Tensors of boxes, not {len(boxes)}")
        images = np.repeat(np.arange(len(boxes)), [len(_rows("roi_align", b)) for b in boxes])
        corners = np.concatenate([np.empty((0, 4)), *(array_of(b) for b in boxes)])
    wrong = images[(images < 0) | (images >= len(input))]
    if wrong.size:
        raise IndexError(f"roi_align: there is no image {wrong[0]} of {len(input)}")
    height, width = input.shape[2:]
    corners = corners.astype(np.float64) * spatial_scale - (0.5 if aligned else 0.0)
    least = 0.0 if aligned else 1.0
    results = []
    order = np.argsort(images, kind="stable")
    for image in np.unique(images):
        own = corners[images == image]
        rows = np.stack([_samples(top, bottom, high, height, sampling_ratio, least) for _, top, _, bottom in own])
        columns = np.stack([_samples(left, right, wide, width, sampling_ratio, least) for left, _, right, _ in own])
        r, c = (mg.tensor(weights, dtype=input.dtype).unsqueeze(1) for weights in (rows, columns))
        results.append(r @ input[int(image)] @ c.transpose(-1, -2))
    if not results:
        return input.new_zeros((0, input.shape[1], high, wide))
    return mg.cat(results)[np.argsort(order)]
