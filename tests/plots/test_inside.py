"""Looking inside a model: Grad-CAM, patches, dreams and the page of maps, on nets whose answer is known."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plots are drawn with matplotlib: pip install 'minigrad-nn[plot]'")

from figures import drawn

import minigrad as mg
from minigrad import nn, plots


def bright_spots():
    """Map 0 is the red channel in blocks of 4x4, map 1 the green one; class k is the mean of map k."""
    model = nn.Sequential(nn.Conv2d(3, 2, 4, stride=4, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    weight = np.zeros((2, 3, 4, 4), np.float32)
    weight[0, 0] = weight[1, 1] = 1 / 16
    model[0].weight.data = mg.tensor(weight)
    return model.requires_grad_(False)


def image():
    """Red in the block (1, 2), green, weaker, in the block (3, 0)."""
    x = np.zeros((3, 16, 16), np.float32)
    x[0, 4:8, 8:12] = 1
    x[1, 12:16, 0:4] = 0.5
    return x


def test_layer_outputs_have_a_graph_in_the_order_asked_for():
    model = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.9), nn.Tanh())
    x = mg.ones(4, 2, requires_grad=True)
    tanh, linear = plots.layer_outputs(model, x, ["2", "0"])
    np.testing.assert_array_equal(tanh.detach().numpy(), np.tanh(linear.detach().numpy()))  # no dropout
    assert mg.grad(linear.sum(), x)[0].shape == (4, 2) and model.training
    with pytest.raises(ValueError, match=r"^layer_outputs: '7' is no layer of the model that returned a Tensor"):
        plots.layer_outputs(model, x, ["0", "7"])


@pytest.mark.parametrize(("target", "place"), [(None, (1, 2)), (0, (1, 2)), (1, (3, 0))])
def test_grad_cam_finds_the_spot_of_the_class(target, place):
    heat, chosen = plots.grad_cam_map(bright_spots(), image(), "1", target)
    assert chosen == (target or 0)
    expected = np.zeros((4, 4))
    expected[place] = 1
    np.testing.assert_allclose(heat, expected)
    figure = plots.grad_cam(bright_spots(), image(), "1", target, names=["red", "green"])
    assert figure.axes[1].get_title() == f"seen as {['red', 'green'][chosen]}"
    drawn(figure)


def test_grad_cam_is_the_written_out_formula():
    mg.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, 3)).double()
    x = mg.randn(1, 1, 8, 8, dtype=mg.float64)
    maps = model[:2](x)
    weights = mg.grad(model[2:](maps)[0, 1], maps)[0].mean((2, 3), keepdim=True)
    expected = (weights * maps).sum(1)[0].relu()
    np.testing.assert_allclose(plots.grad_cam_map(model, x, "1", 1)[0], (expected / expected.max()).detach().numpy(), rtol=1e-9)
    with pytest.raises(ValueError, match=r"^grad_cam_map: 'last' is no layer"):
        plots.grad_cam_map(model, x, "last")
    with pytest.raises(mg.ShapeError, match=r"^grad_cam_map: 2 must return maps \(1, K, h, w\), not \(1, 144\)"):
        plots.grad_cam_map(model, x, "2")
    with pytest.raises(IndexError, match=r"^grad_cam_map: target is 3, but the model has 3 classes"):
        plots.grad_cam_map(model, x, "1", 3)


def test_enlarged_keeps_a_flat_map_and_its_places():
    np.testing.assert_allclose(plots.enlarged(np.full((2, 3), 0.5), (7, 9)), 0.5)
    heat = np.zeros((4, 4))
    heat[1, 2] = 1
    assert np.unravel_index(plots.enlarged(heat, (20, 20)).argmax(), (20, 20)) in [(i, j) for i in (7, 8) for j in (12, 13)] + [(7, 12)]


def test_top_patches_are_the_strongest_places_and_lie_apart():
    second = np.zeros((3, 16, 16), np.float32)
    second[0, :4, :4] = 0.7
    red, green = plots.top_patches(bright_spots(), [image(), second], "1", [0, 1], most=2, size=4)
    np.testing.assert_array_equal(red[0], image()[:, 4:8, 8:12])
    np.testing.assert_array_equal(red[1], second[:, :4, :4])
    np.testing.assert_array_equal(green[0], image()[:, 12:, :4])
    wide = plots.top_patches(bright_spots(), [image()], "1", [0], most=9, size=10)
    assert [p.shape for p in wide[0]] == [(3, 10, 10)] * len(wide[0]) and 1 <= len(wide[0]) <= 4 and wide[0][0][0].sum() == 16
    with pytest.raises(IndexError, match=r"^top_patches: channel 2 is outside the 2 maps of 1"):
        plots.top_patches(bright_spots(), [image()], "1", [2], size=4)
    with pytest.raises(ValueError, match=r"^top_patches: an image \(3, 16, 16\) is smaller than a piece of 64×64"):
        plots.top_patches(bright_spots(), [image()], "1", [0])


@pytest.mark.parametrize("options", [{}, {"octaves": 3}, {"smooth": 1.0}, {"jitter": 0}, {"octaves": 2, "smooth": 0.5}])
def test_a_dream_makes_its_objective_larger(options):
    mg.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 5, padding=2), nn.ReLU())
    start = np.random.default_rng(0).random((3, 20, 24)).astype(np.float32)
    before = start.copy()

    def objective(x):
        return plots.layer_outputs(model, x, ["1"])[0][:, 2].mean()

    done = []
    result = plots.dream(objective, start, steps=8, progress=done.append, **options)
    assert result.shape == start.shape and result.dtype == np.float32 and result.min() >= 0 and result.max() <= 1
    assert objective(mg.tensor(result)[None]) > objective(mg.tensor(start)[None]) + 0.02
    assert done == list(range(1, 8 * options.get("octaves", 1) + 1))
    np.testing.assert_array_equal(start, before)
    np.testing.assert_array_equal(plots.dream(objective, start, steps=8, **options), result)


def test_one_step_of_a_dream_is_the_gradient_over_its_mean():
    weight = np.random.default_rng(0).standard_normal((1, 1, 4, 4))
    x = np.full((1, 4, 4), 0.5)
    result = plots.dream(lambda t: (t * mg.tensor(weight)).sum(), x, steps=1, rate=0.01, jitter=0)
    np.testing.assert_allclose(result, x + 0.01 * weight[0] / abs(weight).mean(), rtol=1e-9)
    smooth = plots.dream(lambda t: (t * mg.tensor(weight)).sum(), x, steps=1, rate=0.01, jitter=0, smooth=2.0) - x
    fine = [abs(np.fft.fft2(change)[0, 2, 2]) / abs(np.fft.fft2(change)[0, 0, 1]) for change in (result - x, smooth)]
    assert fine[1] < 0.2 * fine[0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"image": np.ones((4, 4))}, mg.ShapeError, r"dream: image must be \(C, H, W\), not \(4, 4\)"),
        ({"octaves": 2, "ratio": 1.0}, ValueError, "dream: ratio must be above 1, but is 1.0"),
        ({"high": 0.0}, ValueError, "dream: high must be above low 0.0, but is 0.0"),
        ({"objective": lambda x: x}, TypeError, "dream: objective must give a Tensor of one number, but gave"),
    ],
)
def test_dreams_that_are_refused(change, error, message):
    with pytest.raises(error, match=rf"^{message}"):
        plots.dream(**{"objective": lambda x: x.sum(), "image": np.ones((1, 4, 4)), **change})


def test_the_page_of_maps_holds_every_map():
    """Its pictures, decoded, are the maps from their minimum to their maximum."""
    import base64
    import io

    from matplotlib.image import imread

    x = {"spots": image(), "<noise>": np.random.default_rng(0).random((3, 16, 16)).astype(np.float32)}
    page = plots.map_viewer(bright_spots(), x, {"first </script>": "1"}, title="maps & more").html
    assert page.startswith("<!doctype html>") and "<title>maps &amp; more</title>" in page and "http" not in page.replace("http-equiv", "")
    assert page.count("</script>") == page.count("<script") == 3
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])
    assert [entry["name"] for entry in data["images"]] == list(x)
    sheet = data["images"][0]["layers"][0]
    assert sheet["maps"] == [2, 4, 4] and (sheet["count"], sheet["columns"], sheet["width"], sheet["height"]) == (2, 2, 4, 4)
    pixels = imread(io.BytesIO(base64.b64decode(sheet["sheet"].split(",")[1])))
    expected = np.zeros((4, 8))
    expected[1, 2] = expected[3, 4] = 1
    np.testing.assert_array_equal(pixels, expected)
    shown = imread(io.BytesIO(base64.b64decode(data["images"][1]["picture"].split(",")[1])))
    np.testing.assert_allclose(shown, x["<noise>"].transpose(1, 2, 0), atol=0.5 / 255 + 1e-6)
    few = plots.map_viewer(bright_spots(), {"spots": image()}, ["0"], most=1, side=2).html
    assert '"maps": [2, 4, 4], "count": 1' in few and '"width": 2' in few


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": {}}, "map_viewer: images is empty"),
        ({"layers": []}, "map_viewer: layers is empty"),
        ({"layers": ["no such"]}, "map_viewer: 'no such' is no layer"),
        ({"layers": ["3"]}, r"map_viewer: 3 must return maps \(1, K, h, w\), not \(1, 2\)"),
        ({"images": {"a": np.ones((4, 4), np.float32)}}, r"map_viewer: a must be \(C, H, W\), not \(4, 4\)"),
        ({"shown": {"b": image()}}, "map_viewer: shown has b, but the images are a"),
    ],
)
def test_pages_that_are_refused(change, message):
    with pytest.raises(ValueError, match=rf"^{message}"):
        plots.map_viewer(**{"model": bright_spots(), "images": {"a": image()}, "layers": ["1"], **change})


def test_timelines():
    wave, heat, path = np.sin(np.arange(50.0)), np.random.default_rng(0).random((6, 20)), np.array([0, 0, 1, 1, 2])
    figure = plots.timeline({"wave": wave, "heat": heat, "path": path}, 2.0, names={"path": "-ab"}, highest={"heat": 100.0}, title="all")
    assert [axes.get_ylabel() for axes in figure.axes] == ["wave", "heat", "path"]
    assert [t.get_text() for t in figure.axes[1].get_yticklabels()] == ["0 Hz", "50 Hz", "100 Hz"]
    assert [t.get_text() for t in figure.axes[2].texts] == ["a", "b"] and figure.axes[2].get_xlim() == (0, 2)
    drawn(figure)
    with pytest.raises(ValueError, match=r"^timeline: names for line, but the rows are wave"):
        plots.timeline({"wave": wave}, 1.0, names={"line": "ab"})
    with pytest.raises(ValueError, match=r"^timeline: 2 names for the 3 numbers of path"):
        plots.timeline({"path": path}, 1.0, names={"path": "ab"})
    with pytest.raises(ValueError, match=r"^timeline: path has a number below 0"):
        plots.timeline({"path": path - 1}, 1.0)
    with pytest.raises(mg.ShapeError, match=r"^timeline: cube must be \(L,\) or \(B, T\), and not empty, but its shape is \(1, 2, 3\)"):
        plots.timeline({"cube": np.ones((1, 2, 3))}, 1.0)
