"""What plots refuse: each message begins with the function that was called, and says what it needs and what it got."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plots are drawn with matplotlib: pip install 'minigrad-nn[plot]'")

import minigrad as mg
from minigrad import nn, plots

IMAGE = np.random.default_rng(0).random((1, 4, 4))
HOLES = np.where(IMAGE > 0.5, np.nan, IMAGE)
NET = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3))
OF_AN_IMAGE = {
    "saliency": lambda image, **given: plots.saliency(NET, image, **given),
    "saliency_map": lambda image, **given: plots.saliency_map(NET, image, **given),
    "grad_cam": lambda image, **given: plots.grad_cam(NET, image, "0", **given),
    "grad_cam_map": lambda image, **given: plots.grad_cam_map(NET, image, "0", **given),
    "occlusion": lambda image, **given: plots.occlusion(NET, image, **given),
    "occlusion_map": lambda image, **given: plots.occlusion_map(NET, image, **given),
}


@pytest.mark.parametrize("name", OF_AN_IMAGE)
def test_images_that_are_refused(name):
    draw = OF_AN_IMAGE[name]
    holes = int(np.isnan(HOLES).sum())
    with pytest.raises(ValueError, match=f"^{name}: image must be finite, but {holes} of its 16 numbers are not"):
        draw(HOLES)
    with pytest.raises(mg.ShapeError, match=rf"^{name}: one image \(C, H, W\) is needed, not \(2, 1, 4, 4\)"):
        draw(np.zeros((2, 1, 4, 4)))
    with pytest.raises(mg.ShapeError, match=rf"^{name}: one image .* not \(1, 0, 4\)"):
        draw(np.zeros((1, 0, 4)))
    with pytest.raises(TypeError, match=f"^{name}: image must be an array of numbers, but is "):
        draw([[1, 2], [3]])
    with pytest.raises(IndexError, match=f"^{name}: target is 3, but the model has 3 classes"):
        draw(IMAGE, target=3)
    if not name.endswith("_map"):
        with pytest.raises(ValueError, match=f"^{name}: 2 names for 3 classes"):
            draw(IMAGE, target=0, names=["a", "b"])


def test_an_image_takes_the_dtype_of_the_model():
    """A float64 image of numpy, or one of whole numbers, needs no conversion by hand."""
    heat, chosen = plots.saliency_map(NET, IMAGE)
    same, _ = plots.saliency_map(NET, IMAGE.astype(np.float32), chosen)
    np.testing.assert_array_equal(heat, same)
    assert heat.dtype == np.float32
    assert plots.grad_cam_map(NET, (255 * IMAGE).astype(np.uint8), "0")[0].shape == (2, 2)


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: plots.filters(np.zeros((0, 1, 3, 3))), mg.ShapeError, r"filters: a weight .* not empty, but is \(0, 1, 3, 3\)"),
        (lambda: plots.filters(np.full((1, 1, 3, 3), np.inf)), ValueError, "filters: weight must be finite, but 9 of its 9"),
        (lambda: plots.feature_maps(IMAGE, [IMAGE], scores=[0, np.nan]), ValueError, "feature_maps: scores must be finite, but 1 of"),
        (lambda: plots.feature_maps(HOLES, [IMAGE]), ValueError, "feature_maps: image must be finite"),
        (lambda: plots.feature_maps(np.zeros((1, 0, 4)), [IMAGE]), mg.ShapeError, r"feature_maps: an image of \(0, 4\) is empty"),
        (lambda: plots.training_curves([1, 2]), TypeError, "training_curves: history must have a dict for each epoch, but has 1"),
        (lambda: plots.training_curves([{"loss": "a"}]), TypeError, "training_curves: loss must be an array of numbers"),
        (lambda: plots.training_curves([{"loss": [1, 2]}]), mg.ShapeError, r"training_curves: loss must be one number .* not \(2,\)"),
        (lambda: plots.confusion_matrix(-np.eye(2)), ValueError, "confusion_matrix: counts must be 0 or above"),
        (lambda: plots.confusion_matrix(np.full((2, 2), np.nan)), ValueError, "confusion_matrix: confusion must be finite"),
        (lambda: plots.weight_images(HOLES.reshape(1, 16), (1, 4, 4)), ValueError, "weight_images: weight must be finite"),
        (lambda: plots.weight_images(np.ones((2, 16)), (1, 4, 4), "abc"), ValueError, "weight_images: 3 names for 2 neurons"),
        (lambda: plots.weight_bars(np.ones((2, 16)), 3.0, (1, 4, 4)), mg.ShapeError, r"weight_bars: second is \(classes, 2\)"),
        (lambda: plots.weight_bars(np.ones((2, 16)), np.ones((3, 2)), (1, 4, 4), ["a"]), TypeError, "weight_bars: outputs must be"),
        (lambda: plots.volumes(["a"]), TypeError, "volumes: shapes must be a whole number, not 'a'"),
        (lambda: plots.volumes([(1, 2)]), mg.ShapeError, r"volumes: a shape is .* not \[\(1, 2\)\]"),
        (lambda: plots.volumes([(1, 4, 4)], faces=[HOLES]), ValueError, "volumes: image must be finite"),
        (lambda: plots.window(np.eye(2), np.eye(3)), mg.ShapeError, "window: conv2d: kernel 3x3 does not fit"),
        (lambda: plots.cells(2, 3), mg.ShapeError, "cells: conv2d: kernel 3x3 does not fit"),
        (lambda: plots.cells(4, 3, transposed=3), TypeError, "cells: transposed must be True or False, but is 3"),
        (lambda: plots.lines([], {"a": []}), ValueError, "lines: a has no numbers"),
        (lambda: plots.lines([1, 2], {"a": [1, 0]}, log=True), ValueError, "lines: log=True has a place for numbers above 0 only, and a goes"),
        (lambda: plots.lines([1], {"a": [1]}, log="y"), TypeError, "lines: log must be True or False, but is 'y'"),
        (lambda: plots.images({"a": np.zeros((0, 4))}), mg.ShapeError, r"images: a must be .* and not empty, but is \(0, 4\)"),
        (lambda: plots.images({"a": IMAGE}, boxes={"a": [(1, 2)]}), mg.ShapeError, r"images: boxes of a must be \(N, 4\)"),
        (lambda: plots.detections([IMAGE], [None]), TypeError, "detections: found must have a dict for each picture, but has None"),
        (lambda: plots.detections([IMAGE], [{"masks": np.ones((1, 2, 2))}]), mg.ShapeError, r"detections: .* a picture of \(4, 4\)"),
        (lambda: plots.detections([IMAGE[0, 0]], [{}]), mg.ShapeError, r"detections: pictures\[0\] must be"),
        (lambda: plots.detections([IMAGE], [{"boxes": [[0, 0, 1, np.nan]], "labels": [0]}]), ValueError, "detections: boxes must be finite, but 1 of its 4 numbers are not"),
        (lambda: plots.detections([IMAGE], [{"boxes": [[0, 0, 1, 1]], "labels": [np.nan]}]), ValueError, "detections: labels must be finite"),
        (lambda: plots.images({"a": IMAGE}, boxes={"a": [(0, 0, np.inf, 1)]}), ValueError, "images: boxes of a must be finite, but 1 of its 4"),
        (lambda: plots.detections([], []), ValueError, "detections: pictures is empty"),
        (lambda: plots.top_patches(NET, [IMAGE], "0", ["a"], size=2), TypeError, "top_patches: channels must be a whole number"),
        (lambda: plots.top_patches(NET, [IMAGE], "x", [0], size=2), ValueError, "top_patches: 'x' is no layer"),
        (lambda: plots.enlarged(HOLES[0], (8, 8)), ValueError, "enlarged: heat must be finite"),
        (lambda: plots.dream(lambda x: x.sum(), HOLES), ValueError, "dream: image must be finite"),
        (lambda: plots.map_viewer(NET, {"a": IMAGE.astype(np.float32)}, [3]), TypeError, "map_viewer: layers must be a name, but is 3"),
    ],
)  # fmt: skip
def test_what_is_refused(draw, error, message):
    with pytest.raises(error, match=f"^{message}"):
        draw()


def test_names_need_not_be_texts():
    """Numbers name pictures, arrays and classes as well; an epoch may lack what others have; shares are no counts."""
    assert [axes.get_title() for axes in plots.images({0: IMAGE, 1: IMAGE}, boxes={1: [(0, 0, 2, 2)]}).axes] == ["0", "1"]
    assert plots.histograms({3: IMAGE}).axes[0].get_title() == "3"
    assert plots.detections([IMAGE], [{"boxes": [[0, 0, 2, 2]], "labels": [1]}], [10, 20]).axes[0].texts[0].get_text() == "20"
    figure = plots.training_curves([{"loss": 2.0}, {"loss": 1.0, "test_loss": 1.5}, {"loss": 0.5}])
    assert [line.get_xdata().tolist() for line in figure.axes[0].lines] == [[1, 2, 3], [2]]
    assert plots.confusion_matrix([[0.9, 0.1], [0.25, 0.75]]).axes[0].get_title() == "82.50% right, 0.35 of 2.00 wrong"


def test_a_full_disk_leaves_the_older_picture(tmp_path, monkeypatch):
    figure = plots.learning_rates([1e-3, 1e-2], [2.0, 1.0])
    for path in (tmp_path / "a.png", str(tmp_path / "b.pdf"), tmp_path / "c"):  # matplotlib adds .png to the last
        figure.savefig(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.pdf", "c.png"]
    before = (tmp_path / "a.png").read_bytes()
    monkeypatch.setattr("os.fsync", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match=r"No space left on device: '.*a\.png'"):
        figure.savefig(tmp_path / "a.png", dpi=50)
    assert (tmp_path / "a.png").read_bytes() == before and len(list(tmp_path.iterdir())) == 3
