"""Figures of training results: each shows the given values, in a notebook too, and in a font with the glyphs of the names."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plots are drawn with matplotlib: pip install 'minigrad-nn[plot]'")

from figures import drawn

import minigrad as mg
from minigrad import plots


def titles(figure):
    return [axes.get_title() for axes in figure.axes]


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


def test_histograms():
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
