"""Chapter 7: what the cells of the neocognitron compute, and that it recognises moved digits as well as those in place, a dense net not."""

import numpy as np

import minigrad as mg


def test_neocognitron(chapter):
    names = chapter("07_neocognitron", "--images", "200", "--tests", "60")
    right = names["right"]
    assert right["neocognitron"][0] > 0.5
    assert right["neocognitron"][4] > right["neocognitron"][0] - 0.15
    assert right["dense layers"][4] < right["dense layers"][0] - 0.3
    assert len(names["first"].a) == 16 and set(names["names"]) == set(range(10))
    assert all(p.grad is None for p in names["images"]) and mg.is_grad_enabled()

    # an S-cell: nearly (cosine - threshold) / (1 - threshold), or nothing; here the excitation is 50 times the cosine
    cosine = np.cos(names["angles"])
    for threshold in (0.5, 0.7, 0.85):
        expected = np.maximum((1 + 50 * cosine) / (1 + 50 * threshold) - 1, 0) * threshold / (1 - threshold)
        np.testing.assert_allclose(names["curves"][f"threshold {threshold}"], expected, atol=1e-5)
        np.testing.assert_allclose(expected, np.maximum(cosine - threshold, 0) / (1 - threshold), atol=0.05)

    # shared weights: the pattern moved by two is the response moved by two
    cells = names["SCells"](1, 3, 0.7, 1)
    u = np.zeros((1, 12, 12), np.float32)
    u[0, 3:6, 4] = 1
    cells.reinforce(0, u, (4, 4))
    response = cells(mg.tensor(np.stack([u, np.roll(u, 2, 2)]))).numpy()
    assert np.unravel_index(response[0, 0].argmax(), (12, 12)) == (4, 4)
    np.testing.assert_allclose(np.roll(response[0], 2, 2), response[1], atol=1e-6)
    assert response.max() > 0.9

    # a C-cell is there where any S-cell of its neighbourhood is, and no more than 1
    s = np.zeros((2, 2, 8, 8), np.float32)
    s[0, 0, 4, 4] = s[1, 0, 4, 5] = 1
    c = names["c_cells"](mg.tensor(s)).numpy()
    assert c.shape == (2, 2, 4, 4) and (c >= 0).all() and (c < 1).all()
    assert c[0, 0, 2, 2] > 0 and c[1, 0, 2, 2] > 0 and not c[:, 1].any()

    # learning: known patterns need no new plane
    cells = names["SCells"](1, 3, 0.7, 1)
    names["organise"](cells, mg.tensor(np.stack([u] * 3)), 5)
    planes = len(cells.a)
    names["organise"](cells, mg.tensor(np.stack([np.roll(u, 3, 2)] * 3)), planes)
    assert 1 <= planes <= 3 and cells(mg.tensor(u[None])).numpy().max() > 0.9
