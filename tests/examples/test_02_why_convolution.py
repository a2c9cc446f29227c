"""Chapter 2: the counts, equivariance, the figure in the crowd, 1x1 convolution as a dense layer, and images of 60 wavelengths."""

import pytest


def test_why_convolution(chapter):
    names = chapter("02_why_convolution", "--crowds", "10", "--steps", "200", "--epochs", "1")
    assert list(names["counts"].values()) == [10**9, 10**12, 1999**2, 21**2, 25, 30_000]
    assert names["distinct"][0] > 4000  # (random numbers of which two may be equal)
    assert names["distinct"][1:] == [225, 9]  # numbers that are shared by all places
    assert names["conv_error"] < 1e-6
    assert names["dense_error"] > 0.1
    assert names["found"] >= 9
    assert names["difference"] < 1e-6
    in_network, twin, _ = names["losses"]
    assert twin == pytest.approx(in_network, rel=0.02)  # one batch after the other, the same training
    assert names["colour_right"] < 0.85 < 0.98 < names["spectrum_right"]  # turf is told from lawn by infrared only
