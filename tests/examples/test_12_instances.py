"""Chapter 12, part 4: masks are put back where they were cut out; the features get gradients through RoI align; the parts fit together."""

import numpy as np

import minigrad as mg


def test_instances(chapter):
    names = chapter("12_instances", "--scenes", "64", "--tests", "4", "--epochs", "4", "--width", "6")
    fits = []
    for truth in names["truths"]:
        for mask, cut, box in zip(truth["masks"], truth["cut"].numpy()[:, 0], truth["near"], strict=True):
            back = names["paste"](cut - 0.5, box)
            inside = names["paste"](np.ones((28, 28)), box)
            fits.append(((back & mask).sum() + 1e-9) / ((back | (mask & inside)).sum() + 1e-9))
    assert np.mean(fits) > 0.9

    some = names["truths"][:8]
    fresh = names["loss"](names["Instances"](), names["images"][:8], some)
    trained = names["loss"](names["models"]["RoI align"].train(), names["images"][:8], some)
    assert trained.item() < 0.85 * fresh.item()

    model = names["Instances"]()
    maps = model.features(names["images"][:1])
    model.masks(model.inside(maps, [mg.tensor([[8.0, 8.0, 24.0, 24.0]])])).sum().backward()
    assert model.features[0][0].weight.grad.abs().sum().item() > 0
    exact, rounded = (names["Instances"](kind).inside(maps, [mg.tensor([[9.0, 9.0, 23.0, 23.0]])]) for kind in (True, False))
    assert exact.shape == rounded.shape == (1, 12, 14, 14) and (exact - rounded).abs().max().item() > 0
