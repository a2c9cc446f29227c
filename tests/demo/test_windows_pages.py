"""Pages about windows in a browser: their numbers are minigrad's, and each control does what it says."""

from __future__ import annotations

import numpy as np
import pytest
from browser import act, in_browser
from touching import FACE, KEY

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import demo
from minigrad.__main__ import main

RNG = np.random.default_rng(0)


def conv(image, kernel, **options):
    return F.conv2d(mg.tensor(image[None, None]), mg.tensor(kernel[None, None].astype(np.float32)), **options).numpy()[0, 0]


@in_browser
def test_a_filter_slides(tmp_path):
    """Sums for every option; dragging, keys, play, drawing; the sum as it is written."""
    image, kernel = RNG.random((9, 11)).astype(np.float32), np.array([[1.0, 2, 0], [0, -1, 0], [3, 0, 0]])
    page = demo.sliding_filter({"noise": mg.tensor(image), "other": image.T}, {"mine": kernel, "one": np.ones((1, 1))})
    found = act(
        page.html,
        KEY
        + """const sums = [[...y]], slider = at("padding");
        at("flipped").click(); sums.push([...y]); at("flipped").click();
        for (const [id, v] of [["padding", 2], ["stride", 2], ["dilation", 2]]) { slide(id, v); sums.push([...y]); }
        slide("size", 5); const five = [state.filter.map(r => [...r]), out]; slide("size", 3);
        slide("padding", 0); slide("stride", 1); slide("dilation", 1); sums.push([...y]);
        const images_ = at("images").children; images_[1].click(); const turned = [...out]; at("images").children[0].click();
        at("clear").click(); const cleared = sum([...state.seen]); at("fill").click(); const filled = sum([...state.seen]); at("clear").click();
        point(at("image"), "pointerdown", 0.5, 0.5); point(at("image"), "pointermove", 1.5, 1.5); point(at("image"), "pointerup", 0.5, 0.5);
        const dragged_ = [state.i, state.j, sum([...state.seen])];
        key(at("image"), "ArrowUp"); key(at("image"), "ArrowLeft"); const keyed = [state.i, state.j];
        point(at("result"), "pointerdown", 0.01, 0.01); const pointed = [state.i, state.j, at("total").textContent, at("written").textContent, at("where").textContent];
        at("filters").children[1].click(); const one = [state.size, y.length]; at("filters").children[0].click();
        at("brushes").children[0].click(); at("drawn").children[4].click(); at("drawn").children[0].focus(); key(document.activeElement, "+"); key(document.activeElement, "ArrowRight");
        const drawn_ = [state.filter.map(r => [...r]), document.activeElement.dataset.cell, state.preset];
        at("clear").click(); at("walk").children[1].click(); await rest(); const played = [sum([...state.seen]), y.length];
        const walk = at("walk").children, place = () => [state.i, state.j];
        walk[3].value = 10; walk[3].dispatchEvent(new Event("input")); const walked = [place()]; walk[2].click(); await rest(); walked.push(place()); walk[0].click(); walked.push(place());
        key(at("result"), "ArrowDown"); key(at("result"), "ArrowRight"); walked.push(place());
        at("drawn").scrollIntoView(); const cell_ = at("drawn").children[8].getBoundingClientRect();
        at("drawn").dispatchEvent(new PointerEvent("pointermove", {clientX: cell_.left + 9, clientY: cell_.top + 9, bubbles: true, buttons: 1})); const stroke = state.filter[2][2];
        return {sums, five, turned, cleared, filled, dragged_, keyed, pointed, one, drawn_, played, walked, stroke, stays: slider === at("padding"), face: face()};""",
        tmp_path,
        (390, 844),
    )
    plain = conv(image, kernel)
    ways = [plain, conv(image, kernel[::-1, ::-1].copy()), conv(image, kernel, padding=2), conv(image, kernel, padding=2, stride=2)]
    ways += [conv(image, kernel, padding=2, stride=2, dilation=2), plain]
    for ours, theirs in zip(found["sums"], ways, strict=True):
        np.testing.assert_allclose(np.reshape(ours, theirs.shape), theirs, atol=1e-5)
    assert found["five"][0] == np.pad(kernel, 1).tolist() and found["five"][1] == [3, 4]
    assert found["turned"] == [9, 7]
    assert [found["cleared"], found["filled"]] == [1, 63]
    assert found["dragged_"] == [6, 8, 3] and found["keyed"] == [5, 7]  # the first cell, the middle, the corner
    i, j, total, written, where = found["pointed"]
    assert [i, j] == [0, 0] and total == f"{plain[0, 0]:.3f}".rstrip("0").rstrip(".") and written.endswith(f" = {total}")
    assert written.startswith(f"{round(float(image[0, 0]), 2)}·1 + ") and where == f"Row 1, column 1 of the result: {total}"
    assert found["one"] == [1, 99]
    assert found["drawn_"] == [[[2, 2, 0], [0, -2, 0], [3, 0, 0]], "0,1", -1]
    assert found["walked"] == [[1, 1], [1, 2], [1, 1], [2, 2]] and found["stroke"] == -2
    assert found["played"] == [63, 63] and found["stays"]  # a slider can be dragged while the page changes
    assert found["face"] == FACE


@in_browser
def test_windows_become_rows(tmp_path):
    page = demo.im2col(np.arange(32.0).reshape(2, 4, 4), RNG.integers(-2, 3, (3, 2, 2, 3)), padding=1, stride=2)
    found = act(
        page.html,
        KEY
        + """const text = () => at("now").textContent, steps = [];
        moves.set(0); steps.push(text()); at("walk").children[2].click(); await rest(); steps.push([moves.t, text()]);
        for (const k of [0, 1, 2]) { at("walk").children[2].click(); await frames(2); } const quick = [moves.t > 3]; await rest(); quick.push(moves.t);
        moves.set(17); for (const k of [0, 1]) { at("walk").children[2].click(); await frames(2); } quick.push(moves.t, at("walk").children[2].disabled);
        const slider = at("walk").children[3]; slider.value = 7; slider.dispatchEvent(new Event("input")); steps.push(text());
        at("parts").children[2].click(); steps.push([moves.t, text()]); at("walk").children[0].click(); steps.push(moves.t);
        moves.set(16); at("walk").children[1].click(); await rest(); steps.push([moves.t, moves.playing, text()]);
        moves.set(0); at("walk").children[1].click(); await frames(2); at("walk").children[1].click(); const paused = [moves.playing, moves.t < 1, at("walk").children[1].textContent];
        const [x, yy] = places.matrix(3, 1), box = at("stage").getBoundingClientRect();
        at("stage").dispatchEvent(new MouseEvent("click", {clientX: box.left + x + 3, clientY: box.top + yy + 3})); steps.push(moves.t);
        const chosen = []; for (const [part, p] of [["product", 2], ["map", 4]]) { const [x, yy] = places[part](p, 1), box = at("stage").getBoundingClientRect(); at("stage").dispatchEvent(new MouseEvent("click", {clientX: box.left + x + 3, clientY: box.top + yy + 3})); chosen.push(moves.t); }
        for (const k of [0, 1]) { at("parts").children[k].click(); chosen.push(moves.t, at("parts").children[k].ariaPressed); }
        const cells = range(P).map(p => range(K).map(k => pixel(...source(p, k)) || 0));
        return {steps, quick, paused, chosen, cells, matrix: range(P).map(p => range(K).map(k => matrix[p * K + k])), last: moves.last, face: face()};""",
        tmp_path,
        (390, 844),
    )
    assert found["cells"] == found["matrix"]  # what flies from the image is what unfold says
    assert found["last"] == 18  # six windows, three parts
    first, on, slid, third, back, end, clicked = found["steps"]
    assert first == "Window 1 of 6: its 12 values become row 1 of the matrix."
    assert on == [1, first.replace("Window 1", "Window 2").replace("row 1", "row 2")]
    assert slid.startswith("Row 2 × each filter: ")
    assert third == [12, "Row 1 of the product: goes to row 1, column 1 of the maps, one value for each filter."] and back == 11
    assert end[:2] == [18, False] and end[2].startswith("Done. The 32 pixels were copied to 72 numbers")
    assert found["paused"] == [False, True, "▶"]
    assert found["quick"] == [True, 4, 18, True]  # each press goes on, whether or not the step before has ended
    assert clicked == 3
    assert found["chosen"] == [8, 16, 0, "true", 6, "true"]  # six rows of windows, then six of products, then six cells
    assert found["face"] == FACE


@in_browser
def test_three_ways_to_make_an_image_smaller(tmp_path):
    image = RNG.random((9, 8)).astype(np.float32)
    found = act(
        demo.pooling({"noise": image, "more": image}).html,
        KEY
        + """slide("window", 3); slide("stride", 2); slide("right", 0);
        const still = Object.keys(KINDS).map(k => at("changed-" + k).textContent);
        key(at("image"), "ArrowRight"); key(at("image"), "ArrowDown"); at("arrows").querySelectorAll("button")[4].click();
        const shifted = [state.down, state.right, at("shifted").textContent], maps = Object.fromEntries(Object.keys(KINDS).map(k => [k, pooled(moved(state.down, state.right), k)]));
        const share = Object.keys(KINDS).map(k => parseFloat(at("changed-" + k).textContent));
        point(at("image"), "pointerdown", 0.5, 0.5); point(at("image"), "pointermove", 0.5 - 2 / 8, 0.5); point(at("image"), "pointerup", 0.5, 0.5); const dragged_ = [state.down, state.right];
        at("arrows").querySelectorAll("button")[2].click(); const back = [state.down, state.right];
        point(at("map-average"), "pointermove", 0.01, 0.01); const pointed = [state.kind, state.i, state.j, at("how-max").textContent]; key(at("map-max"), "ArrowDown"); pointed.push(state.i, state.kind); point(at("map-sampling"), "pointerdown", 0.99, 0.01); pointed.push(state.i, state.j, state.kind);
        at("images").children[1].click(); const buttons_ = [...at("arrows").querySelectorAll("button")].map(b => { slide("down", 0); slide("right", 0); b.click(); return [state.down, state.right]; });
        const told = [at("results").textContent.split("100 %").length]; at("language").click(); told.push(at("results").textContent.split("100 %").length); at("language").click();
        slide("down", 3); const slid = [state.down, at("value-down").textContent, at("shifted").textContent];
        return {still, told, buttons_, slid, shifted, maps, share, dragged_, back, pointed, image: state.image, face: face()};""",
        tmp_path,
        (390, 844),
    )
    x = np.zeros_like(image)
    x[2:, 1:] = image[:-2, :-1]
    assert found["still"] == ["0.0 %"] * 3 and found["shifted"] == [2, 1, "Shifted: 1 right, 2 down"]
    both = [mg.tensor(a[None, None]) for a in (x, image)]
    ways = {
        "max": [F.max_pool2d(a, 3, 2) for a in both],
        "average": [F.avg_pool2d(a, 3, 2) for a in both],
        "sampling": [a[:, :, :-2:2, :-2:2] for a in both],
    }
    for share, (name, (now, before)) in zip(found["share"], ways.items(), strict=True):
        np.testing.assert_allclose(found["maps"][name], now.numpy().ravel(), atol=1e-6)
        assert share == pytest.approx(100 * float((now - before).abs().sum() / before.abs().sum()), abs=0.051)
    assert found["buttons_"] == [[-1, 0], [0, -1], [0, 0], [0, 1], [1, 0]] and found["slid"] == [3, "3", "Shifted: 0 right, 3 down"]
    assert found["told"] == [4, 4]  # what 100 % is, below each of the three, in both languages
    assert found["dragged_"] == [2, -1] and found["back"] == [0, 0]
    values = image[:3, :3].ravel()
    assert found["pointed"][:3] == ["average", 0, 0] and found["pointed"][3].startswith(f"max({round(float(values[0]), 2)}, ")
    assert found["pointed"][4:] == [1, "max", 0, 2, "sampling"] and found["image"] == 1
    assert found["face"] == FACE


def test_what_is_wrong_is_told():
    with pytest.raises(mg.ShapeError, match=r"sliding_filter: image 'a' must be \(H, W\) or \(1, H, W\), 1 or more each, not \(3, 4, 4\)"):
        demo.sliding_filter({"a": np.zeros((3, 4, 4))})
    with pytest.raises(mg.ShapeError, match=r"filter 'a' must be \(k, k\) with k = 1, 3, 5 or 7, not \(2, 2\)"):
        demo.sliding_filter(filters={"a": np.eye(2)})
    with pytest.raises(ValueError, match="pooling: image 'a' must be finite"):
        demo.pooling({"a": np.full((9, 9), np.nan)})
    with pytest.raises(TypeError, match="images must be a dict"):
        demo.pooling(np.zeros((9, 9)))
    with pytest.raises(mg.ShapeError, match=r"im2col: an image \(C, H, W\) and filters .* not \(2, 5, 5\) and \(1, 1, 3, 3\)"):
        demo.im2col(np.zeros((2, 5, 5)), np.zeros((1, 3, 3)))
    with pytest.raises(ValueError, match="im2col: the matrix of 676×9 is too large"):
        demo.im2col(np.zeros((28, 28)))
    with pytest.raises(mg.ShapeError, match="stride must be 1 or above"):
        demo.im2col(stride=0)


def test_a_page_asks_nobody(tmp_path):
    for page in (demo.sliding_filter(), demo.im2col(title="a <b>"), demo.pooling()):
        assert "http" not in page.html and "{{" not in page.html and "src=" not in page.html
    assert "<title>a &lt;b&gt;</title>" in demo.im2col(title="a <b>").html


def test_the_command_writes_a_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "im2col"]) == 0
    assert (tmp_path / "im2col.html").read_text(encoding="utf-8") == demo.im2col().html
    assert main(["demo", "pooling", "-o", "page.txt"]) == 1
    out, err = capsys.readouterr()
    assert out == "im2col.html\n" and err == "minigrad demo: save: 'page.txt' must end in .html\n"
    with pytest.raises(SystemExit):
        main(["demo", "unknown"])
