"""Pictures of training: each is a Figure that says what it was given, and the maps are right where the answer is known."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plots are drawn with matplotlib: pip install 'minigrad-nn[plot]'")

import minigrad as mg
from minigrad import nn, plots


def drawn(figure):
    """The figure's pixels: it can be drawn, and something is on it."""
    import matplotlib.image

    memory = io.BytesIO()
    figure.savefig(memory, dpi=60)
    memory.seek(0)
    picture = matplotlib.image.imread(memory)
    assert picture.std() > 0.01
    return picture


def titles(figure):
    return [axes.get_title() for axes in figure.axes]


def net():
    mg.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 3))


def test_training_curves():
    history = [{"epoch": i, "loss": 1 / i, "test_loss": 1.2 / i, "accuracy": 1 - 0.3 / i} for i in (1, 2, 3)]
    figure = plots.training_curves(history)
    assert titles(figure) == ["Loss", "Test accuracy"]
    training, test = figure.axes[0].lines
    np.testing.assert_allclose(training.get_ydata(), [1, 1 / 2, 1 / 3])
    np.testing.assert_allclose(test.get_ydata(), [1.2, 0.6, 0.4])
    assert figure.axes[1].texts[0].get_text() == "90.00 %"
    drawn(figure)
    assert titles(plots.training_curves([{"loss": 0.0}])) == ["Loss"]
    with pytest.raises(ValueError, match="empty"):
        plots.training_curves([])
    with pytest.raises(ValueError, match="only speed"):
        plots.training_curves([{"speed": 3.0}])


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_filters(channels):
    figure = plots.filters(mg.randn(10, channels, 3, 3))
    assert [t for t in titles(figure) if t] == [f"filter {i}" for i in range(10)]
    drawn(figure)
    assert len([t for t in titles(plots.filters(mg.randn(10, channels, 3, 3), most=6)) if t]) == 6
    with pytest.raises(mg.ShapeError, match="filters"):
        plots.filters(mg.randn(3, 3))


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


def test_histograms():
    model = net()
    model(mg.randn(2, 1, 8, 8)).sum().backward()
    found = plots.gradients(model)
    assert list(found) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    drawn(plots.histograms(found, title="gradients"))
    figure = plots.histograms({"odd": np.array([0.0, 0.0, np.nan, 2.0])})
    assert "50% zero" in figure.axes[0].texts[0].get_text() and "1 not finite" in figure.axes[0].texts[0].get_text()
    drawn(plots.histograms({"none": np.array([np.nan])}))


def test_confusion_matrix():
    figure = plots.confusion_matrix(np.array([[3, 1], [0, 6]]), ["a", "b"])
    assert titles(figure) == ["90.00% right, 1 of 10 wrong"]
    assert [t.get_text() for t in figure.axes[0].texts] == ["3", "1", "6"]
    drawn(figure)
    with pytest.raises(mg.ShapeError):
        plots.confusion_matrix(np.ones((2, 3)))
    with pytest.raises(ValueError, match="3 names for 2"):
        plots.confusion_matrix(np.eye(2, dtype=int), "abc")


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
    heat, chosen = plots.occlusion_map(OnePixel(), image, size=3, stride=stride, batch=7)
    assert chosen == 1
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
    assert mg.get_rng_state() == draws and model[1].running_mean is mean
    assert all(mg.equal(model.state_dict()[name], value) for name, value in state.items())


def test_a_figure_shows_itself_in_a_notebook():
    """IPython asks for _repr_png_, whether it was told of matplotlib or not."""
    figure = plots.training_curves([{"loss": 1.0}, {"loss": 0.5}])
    shown = figure._repr_png_()
    assert shown.startswith(b"\x89PNG") and drawn(figure).size
    again = pickle.loads(pickle.dumps(figure))
    assert again._repr_png_() == shown


def test_without_matplotlib_the_extra_is_named():
    code = "import sys\nsys.modules['matplotlib'] = None\nfrom minigrad import plots\nplots.training_curves([{'loss': 1.0}])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'ImportError: plots: figures are drawn by matplotlib: pip install "minigrad-nn[plot]"' in result.stderr


def japanese_font(path, name):
    """A font file that has frames for Latin letters and digits, and full squares for the kana and kanji below."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    def square(side):
        pen = TTGlyphPen(None)
        pen.moveTo((0, 0))
        for corner in ((0, side), (side, side), (side, 0)):
            pen.lineTo(corner)
        pen.closePath()
        return pen.glyph()

    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "full"])
    builder.setupCharacterMap({ord(c): "full" for c in "猫いぬ"})
    builder.setupGlyf({".notdef": square(100), "full": square(900)})
    builder.setupHorizontalMetrics({".notdef": (200, 0), "full": (1000, 0)})
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": name, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=900, usWeightClass=400)
    builder.setupPost()
    builder.save(path)


def test_japanese_names_are_drawn_in_a_font_that_has_their_glyphs(tmp_path, monkeypatch):
    from matplotlib import font_manager

    from minigrad.plots.figure import font_with

    fonts = [f for f in font_manager.fontManager.ttflist if f.name.startswith("DejaVu")]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", fonts)
    confusion = np.array([[3, 1], [0, 6]])
    assert font_with("いぬ猫") is None
    frames = drawn(plots.confusion_matrix(confusion, ["猫", "いぬ"]))  # and no warning, which would be an error here
    japanese_font(tmp_path / "squares.ttf", "Squares")
    font_manager.fontManager.addfont(tmp_path / "squares.ttf")
    assert font_with("いぬ猫") == "Squares"
    figure = plots.confusion_matrix(confusion, ["猫", "いぬ"])
    glyphs = drawn(figure)
    assert [label.get_fontfamily()[-1] for label in figure.axes[0].get_yticklabels()] == ["Squares", "Squares"]
    assert figure.axes[0].xaxis.label.get_fontfamily() == ["sans-serif"]
    assert (frames != glyphs).any()


def test_a_batch_of_one_is_an_image():
    model, x = net(), mg.randn(1, 1, 8, 8)
    maps = {name: a for name, a in plots.activations(model, x).items() if a.ndim == 4}
    np.testing.assert_array_equal(drawn(plots.feature_maps(x, maps)), drawn(plots.feature_maps(x[0], maps)))
    np.testing.assert_array_equal(drawn(plots.images({"x": x})), drawn(plots.images({"x": x[0]})))
    with pytest.raises(mg.ShapeError):
        plots.images({"two": mg.ones(2, 1, 8, 8)})
