"""Chapter 3: the worked numbers, the size formula, the three widths, and the equivalents of transposed and dilated convolution."""

import numpy as np


def test_by_hand(chapter):
    names = chapter("03_by_hand")
    assert names["by_hand"].shape == (4, 4)
    assert names["by_hand"][0, 0] == 3
    np.testing.assert_array_equal(names["by_hand"], names["by_op"])
    np.testing.assert_array_equal(names["maps_by_hand"], names["maps"])
    assert names["maps"].shape == (2, 3, 3)
    assert names["wrong"] == 0
    assert [row[4:] for row in names["rows"][3:5]] == [[3, 0], [3, 1]]  # 7 fits, of 8 a column is left over
    assert names["batch_error"] < 1e-5
    assert {name: len(values) for name, values in names["widths"].items()} == {
        "narrow: n - k + 1": 6,
        "equal width: n": 8,
        "wide: n + k - 1": 10,
    }
    assert all(names["matches"])
    np.testing.assert_array_equal(names["widths"]["wide: n + k - 1"], [0, 4, 2, 1, 8, 8, 4, 1, 0, 0])  # 4, 2, 1 after the 4
    assert names["commutes"] and not names["correlation_commutes"]
    np.testing.assert_array_equal(names["transposed"], names["matrix"].T)
    assert names["gradient_error"] < 1e-12 and names["fraction_error"] < 1e-12
    assert names["dilation_error"] < 1e-4
    mean, grey = names["pictures"]["mean 7×7"], names["grey"]
    np.testing.assert_allclose(mean[50, 60], grey[47:54, 57:64].mean(), rtol=1e-5)
