"""Makes the pages of docs/demos.md: ``python docs/draw_demos.py FOLDER``; and their pictures: ``python docs/draw_demos.py FOLDER --pictures``.

``sphinx-build`` makes the pages anew in each build, into ``demos/`` of the site. The pictures, in docs/images/demos and in Japanese
in docs/ja/images/demos, are made with Chromium.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from minigrad import plots
from minigrad.demo.command import PAGES
from minigrad.demo.images import digits
from minigrad.demo.networks import trained_lenet
from minigrad.files.html import Page
from minigrad.nn.data import MNIST

DOCS = Path(__file__).parent
LANGUAGES = {"en": DOCS / "images" / "demos", "ja": DOCS / "ja" / "images" / "demos"}  # of the browser -> where its pictures go


def of_a_network() -> dict[str, Page]:
    """The pages that plots make of a network: all its maps, and its confusion matrix."""
    model = trained_lenet()
    samples = MNIST(train=False)
    pixels, targets = samples.tensors(normalize=True)
    inputs = {name: (image[None] - MNIST.mean).astype(np.float32) / np.float32(MNIST.std) for name, image in digits(6).items()}
    layers = ["relu1", "pool1", "relu2", "pool2"]
    shown = {name: np.repeat(1 - image[None], 3, 0) for name, image in digits(6).items()}
    maps = plots.map_viewer(model, inputs, layers, shown=shown)
    scores = plots.confusion_page(samples.images, targets, {"LeNet-5": model(pixels).detach()})
    return {"map_viewer": maps, "confusion_page": scores}


def main(folder: Path) -> None:
    """Write every page."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in {**{name: make() for name, make in PAGES.items()}, **of_a_network()}.items():
        page.save(folder / f"{name}.html")


def program(what: str, *names: str) -> str:
    """The path of the first of some programs that is installed."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise SystemExit(f"draw_demos: pictures need {what}")
    return found


def pictures(folder: Path) -> None:
    """Photograph every page of ``folder`` in each language, each in less than 100 kB."""
    from PIL import Image

    browser = program("Chromium: apt install chromium", "chromium", "chromium-browser", "google-chrome", "chrome")
    fonts = program("fontconfig: apt install fontconfig", "fc-list")
    if not subprocess.run([fonts, ":lang=ja"], capture_output=True, check=True).stdout:
        raise SystemExit("draw_demos: pictures need a font with Japanese glyphs: apt install fonts-noto-cjk")
    for page, (language, place) in itertools.product(sorted(folder.glob("*.html")), LANGUAGES.items()):
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"{page.stem}.png"
        with tempfile.TemporaryDirectory() as profile:
            flags = [
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--lang={language}",
                f"--accept-lang={language}",
                f"--user-data-dir={profile}",
                "--virtual-time-budget=3000",
            ]
            subprocess.run(
                [browser, *flags, "--window-size=1300,880", f"--screenshot={path}", page.resolve().as_uri()],
                check=True, capture_output=True, timeout=120,
            )  # fmt: skip
        with Image.open(path) as picture:
            picture.convert("RGB").quantize(200, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size >= 100_000:
            raise SystemExit(f"draw_demos: {path.name} has {path.stat().st_size:,} bytes, 100,000 or more")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", action="store_true")
    arguments = parser.parse_args()
    main(arguments.folder)
    if arguments.pictures:
        pictures(arguments.folder)
