"""Chapter 12, part 3: a U-Net tells most pixels, and better with its bridges than without."""

import numpy as np

import minigrad as mg


def test_segmentation(chapter):
    names = chapter("12_segmentation", "--scenes", "96", "--tests", "16", "--epochs", "5", "--width", "4")
    true = names["true"]
    assert true.shape == (16, 64, 64) and true.max() <= 8
    thing = {name: ((said > 0) & (true > 0)).sum() / ((said > 0) | (true > 0)).sum() for name, said in names["said"].items()}
    assert thing["U-Net"] > thing["without bridges"] + 0.05
    for name, said in names["said"].items():
        ground = ((said == 0) & (true == 0)).sum() / ((said == 0) | (true == 0)).sum()
        np.testing.assert_allclose(names["iou"][name][0], ground)
    assert names["UNet"](True, 4)(mg.zeros(2, 1, 16, 24)).shape == (2, 9, 16, 24)
