"""Plots that run a model: the arrays are right where the answer is known, and the model is not changed."""

from __future__ import annotations

import copy

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plots are drawn with matplotlib: pip install 'minigrad-nn[plot]'")

from figures import drawn

import minigrad as mg
from minigrad import nn, plots


def net():
    mg.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 3))


def test_activations_and_feature_maps():
    model, x = net(), mg.randn(2, 1, 8, 8)
    found = plots.activations(model, x)
    assert {name: a.shape for name, a in found.items()} == {"0": (2, 4, 6, 6), "1": (2, 4, 6, 6), "2": (2, 144), "3": (2, 3)}
    np.testing.assert_array_equal(found["1"], np.maximum(found["0"], 0))
    figure = plots.feature_maps(x.numpy()[0], {name: found[name] for name in "01"})
    assert [f.get_suptitle() for f in figure.subfigs] == ["input", "0: 4 maps of 6×6", "1: 4 maps of 6×6"]
    drawn(figure)
    with pytest.raises(mg.ShapeError, match="feature_maps"):
        plots.feature_maps(x.numpy()[0], [found["3"]])


def test_feature_maps_are_large_and_have_the_prediction_beside_the_image():
    maps = {"conv": np.random.default_rng(0).random((20, 4, 4)), "1×1": np.arange(6.0).reshape(6, 1, 1)}
    figure = plots.feature_maps(mg.ones(1, 1, 8, 8), maps, most=12, scores=mg.tensor([[0.0, 2.0, 1.0]]), names=["cat", "dog", "cow"])
    first, conv, strip = figure.subfigs
    image, bars = first.axes
    assert [label.get_text() for label in bars.get_yticklabels()] == ["dog", "cow", "cat"]
    np.testing.assert_allclose([bar.get_width() for bar in bars.patches], 100 * np.exp([2, 1, 0]) / np.exp([2, 1, 0]).sum())
    assert len(conv.axes) == 16 and sum(bool(axes.images) for axes in conv.axes) == 12  # in rows of eight
    np.testing.assert_array_equal(strip.axes[0].images[0].get_array(), [np.arange(6.0)])
    drawn(figure)
    assert min(axes.get_window_extent().width for axes in (image, *conv.axes)) > figure.dpi  # an inch at least
    with pytest.raises(ValueError, match="feature_maps: 2 names for 3 classes"):
        plots.feature_maps(mg.ones(8, 8), maps, scores=[1, 2, 3], names="ab")
    with pytest.raises(mg.ShapeError, match=r"feature_maps: scores must be \(classes,\) or \(1, classes\), not \(2, 3\)"):
        plots.feature_maps(mg.ones(8, 8), maps, scores=np.ones((2, 3)))


def test_gradients():
    model = net()
    model(mg.randn(2, 1, 8, 8)).sum().backward()
    found = plots.gradients(model)
    assert list(found) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    drawn(plots.histograms(found, title="gradients"))


@pytest.mark.parametrize("brightness", [0.0, 0.5, 1.0])
def test_an_image_of_one_brightness_is_drawn_in_it(brightness):
    """Zeros and ones were both drawn in the lowest colour of the reversed map, white."""
    image = np.full((1, 8, 8), brightness, np.float32)
    for draw in (plots.saliency, plots.occlusion, lambda model, x: plots.grad_cam(model, x, "0")):
        first, second, *_ = draw(net(), image).axes
        for axes in (first, second):
            shown = axes.images[0]
            np.testing.assert_allclose(shown.cmap(shown.norm(shown.get_array()))[..., :3], brightness, atol=0.01)
    shown = plots.feature_maps(image, {"maps": np.ones((1, 4, 4))}).axes[0].images[0]
    np.testing.assert_allclose(shown.cmap(shown.norm(shown.get_array()))[..., :3], 1 - brightness, atol=0.01)  # as ink


class OnePixel(nn.Module):
    """Class 1 where the pixel (2, 3) is bright, else class 0."""

    def forward(self, x):
        pixel = x[:, 0, 2, 3] * 4
        return mg.stack([1 - pixel, pixel], 1)


def test_saliency_finds_the_pixel():
    image = np.ones((1, 6, 6), np.float32)
    heat, chosen = plots.saliency_map(OnePixel(), image)
    assert chosen == 1
    expected = np.zeros((6, 6))
    expected[2, 3] = 4
    np.testing.assert_array_equal(heat, expected)
    drawn(plots.saliency(OnePixel(), image, names=["dark", "bright"]))
    model = net()
    drawn(plots.saliency(model, np.random.default_rng(0).random((1, 8, 8), np.float32)))
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("stride", [1, 2])
def test_occlusion_finds_the_pixel(stride):
    image = np.ones((1, 8, 9), np.float32)
    done = []
    heat, chosen = plots.occlusion_map(OnePixel(), image, size=3, stride=stride, batch=7, progress=done.append)
    assert chosen == 1
    squares = -(-8 // stride) * -(-9 // stride)
    assert done == [*range(7, squares, 7), squares]
    assert heat.shape == (8, 9)
    assert heat[2, 3] == heat.max() > 0.5
    assert heat[7, 8] == 0
    np.testing.assert_array_equal(image, 1)
    drawn(plots.occlusion(OnePixel(), image, target=0, size=3))


@pytest.mark.parametrize(
    "draw",
    [
        plots.activations,
        lambda m, x: plots.saliency(m, x),
        lambda m, x: plots.occlusion(m, x, size=4, stride=4),
        lambda m, x: plots.saliency_map(m, x[0]),
    ],
    ids=["activations", "saliency", "occlusion", "saliency_map"],
)
def test_a_model_in_training_mode_is_left_as_it_was(draw):
    """What a figure shows is the model in evaluation mode; mode, running statistics and the generator stay where they were."""
    mg.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(72, 3))
    model[4].eval()
    x = mg.randn(1, 1, 8, 8)
    state, mean, draws = copy.deepcopy(model.state_dict()), model[1].running_mean, mg.get_rng_state()
    draw(model, x)
    assert [m.training for m in model] == [True, True, True, True, False, True] and model.training
    assert mg.equal(mg.get_rng_state(), draws) and model[1].running_mean is mean
    assert all(mg.equal(model.state_dict()[name], value) for name, value in state.items())


def test_a_batch_of_one_is_an_image():
    model, x = net(), mg.randn(1, 1, 8, 8)
    maps = {name: a for name, a in plots.activations(model, x).items() if a.ndim == 4}
    np.testing.assert_array_equal(drawn(plots.feature_maps(x, maps)), drawn(plots.feature_maps(x[0], maps)))
    np.testing.assert_array_equal(drawn(plots.images({"x": x})), drawn(plots.images({"x": x[0]})))
    with pytest.raises(mg.ShapeError):
        plots.images({"two": mg.ones(2, 1, 8, 8)})
