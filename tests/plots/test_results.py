"""Figures of training results: each shows the given values, in a notebook too, and in a font with the glyphs of the names."""

from __future__ import annotations

import itertools
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
    axes = plots.training_curves([{"loss": 0.5}]).axes[0]
    assert [tick for tick in axes.get_xticks() if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]] == [1]
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


def test_the_words_of_a_histogram_stand_above_its_bars():
    numbers = mg.randn(72, generator=mg.Generator().manual_seed(0)).numpy()
    spread = np.linspace(-1, 1, 50)
    cut = np.concatenate([spread, np.full(40, 0.9)])
    figure = plots.histograms({"few": numbers, "to the right": np.concatenate([spread, spread[30:]]), "cut off": cut, "zero": np.zeros(5)})
    figure.canvas.draw()
    for axes in figure.axes:
        words = axes.texts[-1].get_window_extent()
        assert not any(bar.get_height() and words.overlaps(bar.get_window_extent()) for bar in axes.patches)


def test_histograms_with_long_tails_keep_their_bars():
    """The bars show the bulk; what lies beyond is counted in one bar at that end, and a peak is cut off with its count beside it."""
    rng = np.random.default_rng(0)
    bulk = rng.normal(size=2000)
    (axes,) = plots.histograms({"tail": np.concatenate([bulk, [900.0, -40.0, 800.0]])}, bins=30).axes
    bars = axes.patches
    assert len(bars) == 32 and sum(bar.get_height() for bar in bars) == 2003
    assert sum(bar.get_height() > 0 for bar in bars[:30]) > 25 and max(bar.get_x() for bar in bars) < 8
    assert axes.texts[0].get_text().splitlines()[1:] == ["1 below, to -40", "2 above, to 9e+02"]
    (axes,) = plots.histograms({"relu": np.concatenate([np.zeros(5000), np.abs(bulk)])}, bins=30).axes
    note, words = axes.texts
    assert "71% zero" in words.get_text() and len(axes.patches) == 30
    top = max(bar.get_height() for bar in axes.patches)
    assert note.get_text() == f"{int(top):,} ↑" and axes.get_ylim()[1] < top / 4
    for lonely in (np.zeros(9), np.array([1.0, 2.0]), np.concatenate([np.zeros(10000), [7.0]])):
        (axes,) = plots.histograms({"a": lonely}).axes
        assert sum(bar.get_height() for bar in axes.patches) == len(lonely)
    drawn(axes.figure)


def test_confusion_matrix():
    figure = plots.confusion_matrix(np.array([[3, 1], [0, 6]]), ["a", "b"])
    assert titles(figure) == ["90.00% right, 1 of 10 wrong"]
    assert [t.get_text() for t in figure.axes[0].texts] == ["3", "1", "6"]
    drawn(figure)
    many = plots.confusion_matrix(np.full((40, 40), 2))  # numbers that nobody could read are left out
    assert not many.axes[0].texts and many.axes[1].get_ylabel() == "wrong" and max(many.get_size_inches()) < 12
    assert len(plots.confusion_matrix(np.full((20, 20), 2)).axes[0].texts) == 400
    drawn(many)
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
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    confusion = np.array([[3, 1], [0, 6]])
    assert font_with("いぬ猫") is None
    with pytest.warns(
        UserWarning, match=r"^plots: no installed font has the characters い ぬ 猫, which are drawn as frames: install one"
    ) as one:
        frames = drawn(plots.confusion_matrix(confusion, ["猫", "いぬ"]))
    assert len({str(w.message) for w in one}) == 1  # and none of matplotlib
    japanese_font(tmp_path / "squares.ttf", "Squares")
    font_manager.fontManager.addfont(tmp_path / "squares.ttf")
    assert font_with("いぬ猫") == "Squares"
    figure = plots.confusion_matrix(confusion, ["猫", "いぬ"])
    glyphs = drawn(figure)
    assert [label.get_fontfamily()[-1] for label in figure.axes[0].get_yticklabels()] == ["Squares", "Squares"]
    assert figure.axes[0].xaxis.label.get_fontfamily() == ["sans-serif"]
    assert (frames != glyphs).any()


def test_a_font_that_was_installed_after_matplotlib_made_its_list_is_found(tmp_path, monkeypatch):
    from matplotlib import font_manager

    from minigrad.plots.figure import find_new_fonts, font_with

    fonts = [f for f in font_manager.fontManager.ttflist if f.name.startswith("DejaVu")]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", fonts)
    japanese_font(tmp_path / "late.ttf", "Late")
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(tmp_path / name) for name in ("broken.ttf", "late.ttf")])
    find_new_fonts.cache_clear()
    figure = plots.confusion_matrix(np.array([[3, 1], [0, 6]]), ["猫", "いぬ"])
    drawn(figure)
    find_new_fonts.cache_clear()
    assert font_with("いぬ猫") == "Late"
    family = figure.axes[0].get_yticklabels()[0].get_fontfamily()
    drawn(figure)
    assert family == figure.axes[0].get_yticklabels()[0].get_fontfamily() == ["sans-serif", "Late"]  # once, however often it is drawn


def test_gradient_flow():
    arrays = {"0.weight": [[1.0, -3.0]], "0.bias": [0.0], "2.weight": np.zeros((2, 2)), "head": mg.tensor([1e-6, np.nan])}
    figure = plots.gradient_flow(arrays)
    (axes,) = figure.axes
    tops, means = [[bar.get_height() for bar in bars] for bars in axes.containers]
    np.testing.assert_allclose(means, [4 / 3, 0, 1e-6])
    np.testing.assert_allclose(tops, [3, 0, 1e-6])
    assert [text.get_text() for text in axes.texts] == ["", "0", "not finite"] and axes.get_yscale() == "log"
    drawn(figure)
    drawn(plots.gradient_flow({"dead": np.zeros(3)}))
    with pytest.raises(TypeError, match="gradient_flow: gradients must be a dict of name -> array, not list"):
        plots.gradient_flow([1.0])
    with pytest.raises(ValueError, match="gradient_flow: gradients is empty"):
        plots.gradient_flow({})


def test_every_function_says_what_it_takes_what_it_raises_and_shows_an_example():
    for name, function in vars(plots).items():
        if callable(function) and getattr(function, "__module__", "").startswith("minigrad.plots"):
            for part in ("Raises", ">>>"):
                assert part in function.__doc__, f"{name}: {part}"


def test_pictures_of_one_brightness_and_numbers_that_are_none():
    """An image of ones was black, and one of NaN white, without a word."""
    hole = np.eye(4)
    hole[0, 1] = np.nan
    figure = plots.images({"white": np.ones((4, 4)), "black": np.zeros((4, 4)), "hole": hole, "ramp": np.arange(16.0).reshape(4, 4)})
    white, black, holed, ramp = figure.axes
    assert [axes.images[0].get_clim() for axes in (white, black, ramp)] == [(0, 1), (0, 1), (0, 15)]
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == ["1 not finite"] and holed.texts
    (endless,) = plots.images({"inf": np.array([[np.inf, -2.0]])}, signed=True).axes
    assert endless.images[0].get_clim() == (-2, 2)


def test_long_names_stay_inside_the_figure():
    long = "a very long name of a class that goes on and on"
    for figure in (plots.confusion_matrix(np.eye(2, dtype=int), ["cat", long]), plots.images({long: np.eye(3), long + "!": np.eye(3)})):
        figure.draw_without_rendering()
        width = figure.bbox.width
        boxes = [axes.title.get_window_extent() for axes in figure.axes]
        assert all(box.x0 >= 0 and box.x1 <= width for box in boxes)
        assert all(a.x1 <= b.x0 for a, b in itertools.pairwise(boxes))


def test_numbers_that_two_decimals_do_not_show():
    figure = plots.numbers({"a": np.array([[123456.789, 1e-5, 0.25, -2.0]]), "b": np.array([[1.0, 1e-17]]), "c": np.array([[3e-5, 0.0]])})
    assert [[t.get_text() for t in axes.texts] for axes in figure.axes if axes.get_title()] == [
        ["1.2e5", "0", "0.25", "−2"], ["1", "0"], ["3e−5", "0"]
    ]  # fmt: skip
