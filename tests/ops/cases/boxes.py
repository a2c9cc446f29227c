"""Rows for the functions of ``minigrad.nn.detection`` that are differentiable, each beside a definition by loops."""

import numpy as np
from hypothesis import strategies as hs

import minigrad as mg
from cases import Case
from minigrad.nn import detection
from minigrad.testing import strategies as st


@hs.composite
def rows(draw, at_least=0):
    """Boxes (N, 4), and others (M, 4) of which no side lies on a side of the first, where overlap has a kink."""

    def sides(count):
        return draw(st.arrays((2 * count, 2), low=0.0, high=6.0, distinct=True))

    n, m = draw(hs.integers(at_least, 3)), draw(hs.integers(at_least, 2))
    corners = np.sort(sides(n + m).reshape(n + m, 2, 2), 1).reshape(n + m, 4)
    return corners[:n], corners[n:]


@hs.composite
def pairs(draw):
    return st.Call(draw(rows()))


@hs.composite
def twins(draw):
    first, second = draw(rows(1))
    count = min(len(first), len(second))
    return st.Call((first[:count], second[:count]), {"reduction": draw(hs.sampled_from(["none", "mean", "sum"]))})


def overlap(boxes1, boxes2, generalized=False, eps=0.0):
    result = np.zeros((len(boxes1), len(boxes2)))
    for i, j in np.ndindex(result.shape):
        (a, b, c, d), (e, f, g, h) = boxes1[i], boxes2[j]
        common = max(0, min(c, g) - max(a, e)) * max(0, min(d, h) - max(b, f))
        union = (c - a) * (d - b) + (g - e) * (h - f) - common
        around = (max(c, g) - min(a, e)) * (max(d, h) - min(b, f))
        result[i, j] = common / (union + eps) - generalized * (around - union) / (around + eps)
    return result


def loss(boxes1, boxes2, reduction):
    each = np.array([1 - overlap(a[None], b[None], True, 1e-7)[0, 0] for a, b in zip(boxes1, boxes2, strict=True)])
    return each if reduction == "none" else getattr(each, reduction)()


ROIS = np.array([[1, 0.25, 0.25, 2.75, 3.75], [0, 1.0, 1.0, 2.0, 2.5], [1, -2.0, 0.0, 3.0, 9.0]])


def aligned(input, ratio):
    return detection.roi_align(input, mg.tensor(ROIS).to(input.dtype), (2, 1), 1.0, ratio, aligned=True)


CASES = [
    Case(detection.box_iou, pairs(), numpy=overlap),
    Case(detection.generalized_box_iou, pairs(), numpy=lambda a, b: overlap(a, b, True)),
    Case(detection.generalized_box_iou_loss, twins(), numpy=loss),
    Case(aligned, st.arrays((2, 1, 4, 3)), 2, name="roi_align"),
]
