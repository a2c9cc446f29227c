"""Makes the pages of docs/demos.md: ``python docs/draw_demos.py FOLDER``; and their pictures: ``python docs/draw_demos.py FOLDER --pictures``.

``sphinx-build`` makes the pages anew in each build, into ``demos/`` of the site. The pictures, in docs/images/demos, are made with Chromium.
"""

from __future__ import annotations

import argparse
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

PICTURES = Path(__file__).parent / "images" / "demos"


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
    return {"map_viewer": Page(maps), "confusion_page": scores}


def main(folder: Path) -> None:
    """Write every page."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in {**{name: make() for name, make in PAGES.items()}, **of_a_network()}.items():
        page.save(folder / f"{name}.html")


def pictures(folder: Path) -> None:
    """Photograph every page of ``folder``, each in less than 100 kB."""
    from PIL import Image

    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if browser is None:
        raise SystemExit("draw_demos: pictures need Chromium: apt install chromium")
    PICTURES.mkdir(parents=True, exist_ok=True)
    for page in sorted(folder.glob("*.html")):
        path = PICTURES / f"{page.stem}.png"
        with tempfile.TemporaryDirectory() as profile:
            flags = [
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
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
