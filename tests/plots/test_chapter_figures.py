"""Weights, volumes, grids, rows of pictures, curves: the figure shows the given values at the right positions, and wrong arguments are refused."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plots are drawn with matplotlib: pip install 'minigrad-nn[plot]'")

from figures import drawn

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import plots


def texts(axes):
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("channels", [1, 3])
def test_weight_images(channels):
    weight = np.random.default_rng(0).normal(size=(7, channels * 12))
    figure = plots.weight_images(mg.tensor(weight), (channels, 3, 4), columns=4)
    assert [axes.get_title() for axes in figure.axes] == list("0123456")
    (image,) = figure.axes[2].images
    scaled = weight[2].reshape(channels, 3, 4)
    if channels == 1:
        np.testing.assert_allclose(image.get_array(), scaled[0] / np.abs(weight).max())
    else:  # grey is zero, the image's own largest number is 0 or 1
        np.testing.assert_allclose(image.get_array(), np.moveaxis(0.5 + 0.5 * scaled / np.abs(scaled).max(), 0, -1))
    drawn(figure)
    with pytest.raises(mg.ShapeError, match=r"weight_images: weight .* has no rows of 16"):
        plots.weight_images(weight, (1, 4, 4))
    with pytest.raises(mg.ShapeError, match=r"shape is \(1, H, W\) or \(3, H, W\)"):
        plots.weight_images(weight, (2, 3, 2))
    with pytest.raises(ValueError, match="2 names for 7 neurons"):
        plots.weight_images(weight, (channels, 3, 4), ["a", "b"])


def test_weight_bars():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(6, 16)), rng.normal(size=(4, 6))
    figure = plots.weight_bars(first, second, (1, 4, 4), outputs=(0, 3), names=["cat", "dog", "cow", "emu"])
    bars = figure.axes[-2:]
    assert [axes.get_ylabel() for axes in bars] == ["cat", "emu"]
    for axes, output in zip(bars, (0, 3), strict=True):
        np.testing.assert_allclose([bar.get_height() for bar in axes.patches], second[output])
    assert bars[0].get_ylim() == bars[1].get_ylim()  # one scale
    drawn(figure)
    with pytest.raises(mg.ShapeError, match=r"second is \(classes, 6\)"):
        plots.weight_bars(first, second[:, :5], (1, 4, 4))
    with pytest.raises(IndexError, match="output 4 is outside the 4 classes"):
        plots.weight_bars(first, second, (1, 4, 4), outputs=(4,))


def test_volumes():
    figure = plots.volumes([(1, 28, 28), (8, 24, 24), (100,)], ["conv", "dense"], faces=[np.eye(28), None, None])
    assert {"28×28×1", "24×24×8", "100", "conv", "dense"} <= set(texts(figure.axes[0]))
    fronts = [p.get_path().vertices for p in figure.axes[0].patches][::3]  # front, top, side of each
    heights = [np.ptp(v[:, 1]) for v in fronts[:2]]
    assert heights[1] / heights[0] == pytest.approx(24 / 28)  # to scale
    drawn(figure)
    point = plots.volumes([(3, 224, 224), (1024, 1, 1)]).axes[0].patches[3].get_path().vertices  # no line
    assert min(np.ptp(point, 0)) >= 0.5
    with pytest.raises(mg.ShapeError, match=r"\(channels, height, width\) or \(features,\)"):
        plots.volumes([(3, 3)])
    with pytest.raises(ValueError, match="1 arrows for the 2 gaps"):
        plots.volumes([(1, 2, 2)] * 3, ["conv"])
    with pytest.raises(ValueError, match="1 faces for 3 volumes"):
        plots.volumes([(1, 2, 2)] * 3, faces=[None])


def test_numbers():
    figure = plots.numbers({"a": [[1, -2.5], [np.nan, 1 / 3]], "b": [7]}, ["→"], marked={"b": [(0, 0)]})
    first, sign, second = figure.axes
    assert texts(first) == ["1", "−2.5", "0.33"]  # NaN is an empty cell
    assert texts(sign) == ["→"]
    assert texts(second) == ["7"]
    assert first.patches[0].get_facecolor() != second.patches[0].get_facecolor()
    drawn(figure)
    with pytest.raises(ValueError, match="nothing"):
        plots.numbers({})
    with pytest.raises(mg.ShapeError, match="numbers: a must be"):
        plots.numbers({"a": np.ones((1, 2, 3))})
    with pytest.raises(ValueError, match="2 signs for the 0 gaps"):
        plots.numbers({"a": [1]}, ["+", "+"])
    with pytest.raises(ValueError, match="marks for c"):
        plots.numbers({"a": [1]}, marked={"c": [(0, 0)]})


@pytest.mark.parametrize("layout", [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "padding": 2}])
@pytest.mark.parametrize("channels", [1, 3])
def test_window(layout, channels):
    rng = np.random.default_rng(0)
    x, w = rng.integers(-2, 3, (channels, 6, 6)).astype(float), rng.integers(-2, 3, (channels, 3, 3)).astype(float)
    right = F.conv2d(mg.tensor(x[None]), mg.tensor(w[None]), **layout).numpy()[0, 0] + 1
    figure = plots.window(x if channels == 3 else x[0], w if channels == 3 else w[0], (1, 0), bias=1.0, **layout)
    shown = [float(t.replace("−", "-")) for t in texts(figure.axes[-1])]
    np.testing.assert_array_equal(shown, right.ravel())
    head, total = figure.get_suptitle().removeprefix("sum of products: ").replace("−", "-").split(" = ")
    terms = head.removesuffix("(bias)").replace("- ", "+ -").split("+")
    assert len(terms) == channels + 1
    assert sum(map(float, (t.replace(" ", "") for t in terms))) == float(total) == right[1, 0]
    drawn(figure)


def test_window_says_what_is_wrong():
    with pytest.raises(mg.ShapeError, match="window: image"):
        plots.window(np.ones((3, 5, 5)), np.ones((2, 3, 3)))
    with pytest.raises(IndexError, match=r"at=\(3, 0\) is outside the result of 3×3"):
        plots.window(np.ones((5, 5)), np.ones((3, 3)), (3, 0))


@pytest.mark.parametrize("layout", [
    {"size": 5, "kernel": 3}, {"size": 5, "kernel": 3, "stride": 2, "padding": 1}, {"size": 7, "kernel": 3, "dilation": 2},
    {"size": 2, "kernel": 3, "transposed": True}, {"size": 2, "kernel": 3, "transposed": True, "stride": 2, "padding": 1},
])  # fmt: skip
def test_cells(layout):
    """The windows drawn touch exactly the cells of the image on which that number of the result depends."""
    options = {k: v for k, v in layout.items() if k not in ("size", "kernel", "transposed")}
    n, k = layout["size"], layout["kernel"]
    x = mg.ones(1, 1, n, n, requires_grad=True)
    out = (F.conv_transpose2d if layout.get("transposed") else F.conv2d)(x, mg.ones(1, 1, k, k), **options)[0, 0]
    figure = plots.cells(**layout, steps=out.numel())
    assert figure.get_suptitle() == f"{n}×{n} → {out.shape[0]}×{out.shape[1]}"
    from matplotlib.colors import to_hex

    for number, axes in enumerate(figure.axes[out.numel() :]):
        (g,) = mg.grad(out[divmod(number, out.shape[1])], x, retain_graph=True)
        colours = [to_hex(patch.get_facecolor()) for patch in axes.patches]
        assert colours.count("#f0a830") == int((g != 0).sum().item())
    drawn(figure)


def test_cells_says_what_is_wrong():
    with pytest.raises(ValueError, match="steps must be 1 or above, but is 0"):
        plots.cells(5, 3, steps=0)
    with pytest.raises(ValueError, match="padding=3 cuts"):
        plots.cells(6, 3, padding=3, transposed=True)


def test_images():
    colour = np.random.default_rng(0).random((3, 4, 6))
    figure = plots.images({"colour": colour, "grey": colour[0], "one": colour[:1]}, 2, boxes={"grey": [(1, 2, 3, 4)]}, title="three")
    assert [axes.get_title() for axes in figure.axes] == ["colour", "grey", "one"]
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), np.moveaxis(colour, 0, -1))
    (box,) = figure.axes[1].patches
    assert (box.get_x() + 0.5, box.get_y() + 0.5, box.get_width(), box.get_height()) == (2, 1, 4, 3)
    drawn(figure)
    signed = plots.images({"a": -colour[0], "b": 2 * colour[0]}, signed=True)
    assert {axes.images[0].get_clim() for axes in signed.axes} == {(-2 * colour[0].max(), 2 * colour[0].max())}
    with pytest.raises(ValueError, match="nothing"):
        plots.images({})
    with pytest.raises(ValueError, match="boxes for b"):
        plots.images({"a": colour}, boxes={"b": []})
    with pytest.raises(mg.ShapeError, match="images: a must be"):
        plots.images({"a": np.ones((2, 3, 3))})


def test_lines():
    figure = plots.lines([0, 1, 2], {"a": [1, 2, 3], "b": [3, 2, 3.0]}, "x", "y", log=True)
    np.testing.assert_array_equal(figure.axes[0].lines[1].get_ydata(), [3, 2, 3])
    heights = [text.xy[1] for text in figure.axes[0].texts]
    assert heights[0] != heights[1]  # names of curves that end together do not lie on each other
    drawn(figure)
    with pytest.raises(ValueError, match="nothing"):
        plots.lines([1], {})
    with pytest.raises(mg.ShapeError, match=r"lines: a \(3,\)"):
        plots.lines([1, 2], {"a": [1, 2, 3]})


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.images([]), "images: pictures must be a dict of name -> array, not list"),
        (lambda: plots.lines([1, 2], [[1, 2]]), "lines: curves must be a dict of name -> array, not list"),
        (lambda: plots.numbers(np.eye(2)), "numbers: matrices must be a dict of name -> array, not ndarray"),
        (lambda: plots.histograms([1.0]), "histograms: arrays must be a dict of name -> array, not list"),
    ],
)
def test_arrays_without_names_are_refused(draw, message):
    with pytest.raises(TypeError, match=message):
        draw()


def test_what_was_found_is_drawn_where_it_is():
    masks = np.zeros((2, 10, 12))
    masks[0, 2:4, 3:5] = 1
    one = {"boxes": [[3, 7, 5, 9], [0, 0, 12, 10]], "labels": [1, 0], "scores": [0.25, 0.98], "masks": masks}
    figure = plots.detections([np.zeros((10, 12)), np.zeros((3, 10, 12))], [one, {"masks": masks}], ["cat", "dog"])
    first, second = figure.axes
    assert [text.get_text() for text in first.texts] == ["dog 0.25", "cat 0.98"]
    assert [patch.get_bbox().extents.tolist() for patch in first.patches] == [[2.5, 6.5, 4.5, 8.5], [-0.5, -0.5, 11.5, 9.5]]
    assert first.patches[0].get_edgecolor() != first.patches[1].get_edgecolor()
    veil = first.images[1].get_array()
    assert (veil[..., 3] > 0).sum() == 4 and (veil[2:4, 3:5, 3] > 0).all()
    assert not second.patches and len(second.images) == 3
    with pytest.raises(ValueError, match="detections: 1 pictures have as many dicts of what was found, not 0"):
        plots.detections([np.zeros((4, 4))], [])
    with pytest.raises(mg.ShapeError, match="detections: boxes"):
        plots.detections([np.zeros((4, 4))], [{"boxes": [[0, 0, 1, 1]], "labels": [0, 1]}])
