"""Chapter 1: weights are templates, the template of horses that face left or right has two heads, and with two templates each stands for one direction."""

import numpy as np


def test_templates(chapter):
    names = chapter("01_templates")
    assert names["templates"].shape == (10, 784)
    np.testing.assert_array_equal(names["likeness"].argmax(1), range(10))  # each is most like the mean of its own class
    assert names["one_accuracy"] > 0.85 and names["two_accuracy"] > 0.8
    assert names["first"].shape == (10, 784) and names["second"].shape == (10, 10)
    middle = names["first"].reshape(10, 28, 28)[:, 9:19, 12:16].mean((1, 2))  # ink there speaks for 1 and against 0
    assert np.corrcoef(middle, names["second"][0] - names["second"][1])[0, 1] < -0.5
    assert names["colour_two_accuracy"] > names["colour_accuracy"] > 0.85
    assert names["horse_mirror"] < 0.2  # a horse faces one way
    assert names["template_mirror"] > 0.6  # the one template faces both
    assert names["divided"] > 0.95  # each of two templates has the horses of one side
