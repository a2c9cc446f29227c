"""Chapter 12: what each network is taught is what its outputs say, and after few steps it has learned something."""

import numpy as np

import minigrad as mg
from minigrad.nn import detection
from minigrad.nn.metrics import MeanAveragePrecision


def test_where(chapter):
    names = chapter("12_where", "--scenes", "32", "--tests", "8", "--epochs", "3", "--width", "4", "--seed", "1")
    many = names["many_test"]
    for images, truths in (many, names["single_test"]):
        assert images.shape == (8, 1, 64, 64)
        for truth in truths:
            assert 1 <= len(truth["boxes"]) == len(truth["labels"]) == len(truth["masks"]) <= 4
            for box, covered in zip(truth["boxes"], detection.masks_to_boxes(mg.tensor(truth["masks"])).numpy(), strict=True):
                assert (covered[:2] >= box[:2]).all() and (
                    covered[2:] < box[2:]
                ).all()  # a mask lies in its box, less where another covers it

    # outputs that say the truth about each cell: the boxes found are the true ones, at every threshold
    targets = names["cell_targets"](many[1])
    there = targets[:, 0] > 0
    assert there.sum() == sum(len(truth["boxes"]) for truth in many[1])
    outputs = np.full((8, 5 + names["KINDS"], 8, 8), -20.0)
    for image, row, column in np.argwhere(there):
        left, top, right, bottom = targets[image, 1:5, row, column]
        parts = np.array([(left + right) / 16 - column, (top + bottom) / 16 - row, (right - left) / 64, (bottom - top) / 64]).clip(
            1e-9, 1 - 1e-9
        )
        outputs[image, 0, row, column] = 20
        outputs[image, 1:5, row, column] = np.log(parts / (1 - parts))
        outputs[image, 5 + int(targets[image, 5, row, column]), row, column] = 20
    assert MeanAveragePrecision((0.5, 0.9, 0.999))(names["found"](mg.tensor(outputs.astype(np.float32))), many[1]) == 1
    assert names["one_look"](mg.tensor(outputs.astype(np.float32)), mg.tensor(targets)).item() < 1e-4

    histories = names["histories"]
    assert list(histories) == ["localisation", "grid detector"]
    for history in histories.values():
        assert history[-1]["loss"] < 0.97 * history[0]["loss"]
