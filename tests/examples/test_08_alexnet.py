"""Chapter 8: AlexNet's 60,965,224 parameters, its normalisation by the paper's formula, its groups, crops and colours, and that it learns."""

import numpy as np

import minigrad as mg


def test_alexnet(chapter):
    names = chapter("08_alexnet", "--images", "96", "--tests", "40", "--epochs", "2")
    assert names["parameters"] == [34_944, 307_456, 885_120, 663_936, 442_624, 37_752_832, 16_781_312, 4_097_000]
    assert sum(names["parameters"]) == 60_965_224
    assert [row.output_shape for row in names["layers"][:5]] == [(1, 96, 55, 55), (1, 256, 27, 27), (1, 384, 13, 13), (1, 384, 13, 13), (1, 256, 13, 13)]  # fmt: skip

    # the normalisation: the sum over five neighbouring maps, at the ends fewer
    a = np.random.default_rng(0).normal(0, 30, (1, 7, 2, 2))
    squares = np.stack([(a[:, max(0, i - 2) : i + 3] ** 2).sum(1) for i in range(7)], 1)
    np.testing.assert_allclose(names["normalised"]()(mg.tensor(a)).numpy(), a / (2 + 1e-4 * squares) ** 0.75)

    # two groups see nothing of one another, except in layer 3
    for layer, seen in names["connected"].items():
        out, into = (n // 2 for n in seen.shape)
        assert seen[:out, :into].all() and seen[out:, into:].all()
        assert seen[:out, into:].all() == seen[out:, :into].all() == (layer == "layer 3")
        assert seen[:out, into:].any() == (layer == "layer 3")

    # augmentation: a window of the image, and the same light everywhere
    x = mg.rand(6, 1, 28, 28)
    for image, changed in zip(x.numpy()[:, 0], names["augmented"](x).numpy()[:, 0], strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(image, (24, 24)).reshape(25, 24, 24)
        assert np.ptp(changed - windows, axis=(1, 2)).min() < 1e-5
    assert names["VARIANTS"].keys() == names["right"].keys() and len(names["right"]) == 7
    assert all(len(curve) == 2 and np.isfinite(curve).all() for curve in names["curves"].values())
    assert names["curves"]["no dropout"][1] < names["curves"]["no dropout"][0]
