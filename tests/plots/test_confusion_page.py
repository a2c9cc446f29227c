"""The confusion matrix as a page: its counts and images are those of the arrays, and in a browser a click on a cell shows them."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pytest
from browser import act, in_browser

import minigrad as mg
from minigrad import plots
from minigrad.files.html import Page

pytest.importorskip("matplotlib", reason="the sheet of images is read with matplotlib: pip install 'minigrad-nn[plot]'")

NAMES = {"en": ["cat", "</script>", "cow"], "ja": ["猫", "犬", "牛"]}
TARGETS = np.array([0, 0, 0, 1, 1, 2, 0])
SURE = np.array([[4, 0, 0], [0, 1, 0], [0, 3, 0], [0, 2, 0], [0, 5, 0], [0, 0, 1], [0, 2, 0]], float)  # cats 1, 2, 6 are taken for class 1
IMAGES = np.arange(7, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 4, 6), np.uint8) * 30  # image i has brightness 30 i


def made(**options) -> Page:
    given = {"outputs": {"dense": mg.tensor(SURE), "conv": 9 * np.eye(3)[TARGETS]}, "names": NAMES, "title": "a <b>", **options}
    return plots.confusion_page(mg.tensor(IMAGES), mg.tensor(TARGETS), **given)


def data_of(page: Page) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.html, re.DOTALL)
    assert found
    return json.loads(found[1])


def sheet(data: dict) -> np.ndarray:
    import matplotlib.image

    prefix, packed = data["sheet"].split(",")
    assert prefix == "data:image/png;base64"
    return np.rint(matplotlib.image.imread(io.BytesIO(base64.b64decode(packed)), format="png") * 255)


def test_the_page_holds_the_counts_and_the_images():
    page = made()
    data = data_of(page)
    dense, conv = data["networks"]
    assert dense["counts"] == [[1, 3, 0], [0, 2, 0], [0, 0, 1]] and conv["counts"] == [[4, 0, 0], [0, 2, 0], [0, 0, 1]]
    assert data["names"] == NAMES
    assert [data["numbers"][t] for t in dense["cells"]["0,1"]] == [2, 6, 1]  # the most certain first
    likely = dense["likely"][data["numbers"].index(2)]
    best = np.exp(3) / (np.exp(3) + 2)
    assert likely == [[1, round(1000 * best)], [0, round(500 * (1 - best))], [2, round(500 * (1 - best))]]
    picture = sheet(data)
    assert picture.shape == (4, 6 * data["columns"], 3)
    for tile, number in enumerate(data["numbers"]):
        assert (picture[:, 6 * tile : 6 * tile + 6] == 30 * number).all()
    assert "<title>a &lt;b&gt;</title>" in page.html
    assert not re.search(r"""<(?:script|img|iframe)[^>]*\bsrc=|<link\b|https?://""", page.html)  # it asks nobody


def test_a_cell_holds_at_most_so_many_images_and_the_others_are_left_out():
    data = data_of(made(most=1, outputs={"dense": SURE}))
    (dense,) = data["networks"]
    assert {cell: [data["numbers"][t] for t in tiles] for cell, tiles in dense["cells"].items()} == {
        "0,0": [0], "0,1": [2], "1,1": [4], "2,2": [5],
    }  # fmt: skip
    assert data["numbers"] == [0, 2, 4, 5] and data["targets"] == [0, 0, 1, 2]
    assert dense["counts"][0] == [1, 3, 0]  # all are counted


@pytest.mark.parametrize("images", [np.full((70, 5, 5), 0.5), np.full((70, 1, 5, 5), 0.5), np.full((70, 1, 5, 5), 128, np.uint8)])
def test_grey_images_in_several_rows(images):
    images = images.copy()
    images[-1] *= 0
    page = plots.confusion_page(images, np.zeros(70, int), {"a": np.ones((70, 2))}, most=70)
    picture = sheet(data_of(page))
    assert picture.shape == (10, 5 * 64)
    assert (picture[:5] == 128).all() and (picture[5:, :25] == 128).all() and (picture[5:, 25:] == 0).all()
    assert data_of(page)["names"]["ja"] == ["0", "1"]


def test_small_integers_are_targets_and_outputs_too():
    targets = np.array([19, 0, 18], np.uint8)
    (network,) = data_of(plots.confusion_page(np.zeros((3, 2, 2)), targets, {"a": 9 * np.eye(20, dtype=np.uint8)[[19, 1, 18]]}))["networks"]
    assert {(i, j) for i in range(20) for j in range(20) if network["counts"][i][j]} == {(19, 19), (0, 1), (18, 18)}


def test_nothing_at_all_is_a_page_too():
    data = data_of(plots.confusion_page(np.zeros((0, 1, 4, 4)), np.zeros(0, int), {"a": np.zeros((0, 2))}))
    assert data["networks"] == [{"name": "a", "counts": [[0, 0], [0, 0]], "cells": {}, "likely": []}]


def test_what_is_wrong_is_told():
    with pytest.raises(mg.ShapeError, match=r"confusion_page: N images.*not 7 images, \(7,\) and \(6, 3\) of 'dense'"):
        made(outputs={"dense": SURE[:6]})
    with pytest.raises(mg.ShapeError, match=r"and \(7, 0\) of 'dense'"):
        made(outputs={"dense": SURE[:, :0]})
    with pytest.raises(mg.ShapeError, match="has 3 classes like the first, but 'conv' 2"):
        made(outputs={"dense": SURE, "conv": SURE[:, :2]})
    with pytest.raises(IndexError, match="targets from 0 to 2 are not all among the 2 classes"):
        made(outputs={"dense": SURE[:, :2]}, names=None)
    with pytest.raises(ValueError, match=r"2 names \(en\) for 3 classes"):
        made(names=["a", "b"])
    with pytest.raises(ValueError, match="languages 'en' and 'ja'"):
        made(names={"fr": ["a", "b", "c"]})
    with pytest.raises(ValueError, match="outputs of 'dense' must be finite"):
        made(outputs={"dense": np.where(SURE == 5, np.inf, SURE)})
    with pytest.raises(TypeError, match="targets must be integers, but are float64"):
        plots.confusion_page(IMAGES, TARGETS.astype(float), {"dense": SURE})
    with pytest.raises(TypeError, match="names must be a list"):
        made(names="abc")
    with pytest.raises(mg.ShapeError, match=r"images must be \(N, 3, H, W\)"):
        plots.confusion_page(IMAGES[:, :2], TARGETS, {"dense": SURE})
    with pytest.raises(mg.ShapeError, match="most must be 1 or above"):
        made(most=0)


def test_a_page_is_saved_and_shown_in_a_notebook(tmp_path):
    page = made()
    path = page.save(tmp_path / "confusion.html")
    assert path.read_text(encoding="utf-8") == page.html
    assert page._repr_html_().startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert repr(page) == f"Page({len(page.html):,} characters)"
    with pytest.raises(ValueError, match=r"'confusion.png' must end in .html"):
        page.save(tmp_path / "confusion.png")


@in_browser
def test_a_click_on_a_cell_shows_its_images(tmp_path):
    """The pointer, the keys, the other network, the other language, the other colours; and everything has a name."""
    found = act(
        made().html,
        """const texts = what => [...document.querySelectorAll(what)].map(e => e.textContent), named = () => document.activeElement.ariaLabel;
        const key = k => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: k, bubbles: true, cancelable: true}));
        const drawn = () => [...document.querySelectorAll("#images button")].map(b => b.ariaLabel);
        if (root.lang !== "en") at("language").click();
        const start = [at("cell").textContent, at("summary").textContent, drawn()];
        at("images").querySelectorAll("button")[1].click(); const picked_ = [texts("#one h3")[0], at("images").querySelectorAll("[aria-pressed=true]").length];
        at("largest").querySelector("button").click(); const mistake = [at("cell").textContent, new Set([...document.querySelectorAll("td button")].map(b => b.offsetHeight)).size];
        document.querySelector('[data-cell="1,1"]').click();
        const clicked = [at("cell").textContent, at("count").textContent, drawn().length];
        button(1, 1).focus(); key("ArrowUp"); key("ArrowLeft"); key("ArrowLeft");
        const ends = []; for (const k of ["Home", "ArrowRight", "End", "ArrowDown"]) { key(k); ends.push(document.activeElement.dataset.cell); }
        button(2, 0).focus(); ends.push(cursor.join()); button(0, 0).focus();
        const moved = [named(), document.querySelectorAll('td button[tabindex="0"]').length];
        document.activeElement.click();
        const shown = [texts("#one dt")[0], texts("#one dd:last-of-type").length];
        at("networks").children[1].click();
        const other = [at("summary").textContent, at("networks").children[1].ariaPressed, texts("#largest li")];
        at("language").click();
        const japanese = [root.lang, texts("tbody th"), at("cell").textContent];
        const was = root.classList.contains("dark"), colour = () => getComputedStyle(document.body).backgroundColor, before = colour();
        at("look").click();
        const nameless = [...document.querySelectorAll("button")].filter(b => !(b.textContent || b.ariaLabel)).length;
        const wide = [root.scrollWidth, innerWidth];
        return {start, picked_, mistake, clicked, ends, moved, shown, other, japanese, dark: before !== colour() && was !== root.classList.contains("dark"), nameless, wide};""",
        tmp_path,
        (390, 844),
    )
    assert found["start"] == [
        "cat, taken for </script>", "dense: 57.1 % right, 3 of 7 wrong",
        ["image 2: </script>, probability 90.9 %", "image 6: </script>, probability 78.7 %", "image 1: </script>, probability 57.6 %"],
    ]  # fmt: skip
    assert found["picked_"] == ["Image 6, dense", 1]
    assert found["mistake"] == ["cat, taken for </script>", 1]  # the chosen cell is as high as the others, on a telephone too
    assert found["clicked"] == ["</script>, recognised", "2 images, 100.0 % of class </script>; the most certain first", 2]
    assert found["ends"] == ["0,0", "0,1", "0,2", "1,2", "2,0"]
    assert found["moved"] == ["cat, recognised: 1", 1]  # one cell of the grid is in the order of the tab key
    assert found["shown"] == ["cat", 2]
    assert found["other"] == ["conv: 100.0 % right, 0 of 7 wrong", "true", ["none"]]
    assert found["japanese"] == ["ja", ["猫", "犬", "牛"], "猫を正しく認識"]
    assert found["dark"] and found["nameless"] == 0
    assert found["wide"][0] <= found["wide"][1]  # a telephone shows all of its width
