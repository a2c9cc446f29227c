"""What the chapters share: the command line, the digits, and where pictures go.

A chapter is read and run from top to bottom, as a script or cell by cell (Jupyter and VS Code open its ``# %%`` cells as a notebook).
"""

from __future__ import annotations

import argparse
import io
import sys
import wave
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from command import Parser, count, parsed, seed
from packages import Missing
from scenes import board

import minigrad as mg
from minigrad.graph import Graph
from minigrad.graph.dot import RenderError
from minigrad.graph.render import render
from minigrad.nn.data import MNIST, DataError, DataLoader, Normalize
from minigrad.nn.data.download import DownloadError


class Chapter:
    """A chapter's options, read from the command line (see :func:`command.parsed` for notebooks), and its folder for pictures.

    Args:
        name: the script's, without ``.py`` (a notebook has no ``__file__``).
        about: the script's ``__doc__``, for ``--help``.
        full: what ``--full`` does, for chapters that have it.
        data: what is read from the folder ``--data``, for chapters without ``--full`` that have one.
        defaults: further options: positive whole numbers, as ``epochs=5``, and words to choose from, of which the first is the default.
            ``images`` and, beside it, ``tests`` limit the digits; with ``--full`` only where the command line gives them.
        least: the smallest numbers that the chapter's cells work with, where 1 is too few.

    From here on, an error that the user can fix (a wrong option, missing data, Ctrl-C) ends the script with a one-line message.
    """

    def __init__(
        self,
        name: str,
        about: str | None,
        *,
        full: str | None = None,
        data: str | None = None,
        least: Mapping[str, int] = MappingProxyType({}),
        **defaults: int | tuple[str, ...],
    ):
        self.name = name
        parser = Parser(self.name, description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
        add = parser.add_argument
        add("--out", type=Path, default=Path("runs", self.name), metavar="FOLDER", help="for the pictures (default: %(default)s)")
        add("--seed", type=seed, default=0, help="of everything that is random (default: %(default)s)")
        if full:
            add("--full", action="store_true", help=full)
        if full or data:
            what = data or "MNIST for --full"
            add("--data", type=Path, metavar="FOLDER", help=f"of {what}; fetched if missing (default: data)")
        limits = [name for name in ("images", "tests") if name in defaults] if full and "images" in defaults else []
        for option, value in defaults.items():
            if isinstance(value, tuple):
                add(f"--{option}", choices=value, default=value[0], help="(default: %(default)s)")
            else:
                note = f"(default: {value}, with --full all)" if option in limits else f"(default: {value})"
                add(
                    f"--{option}",
                    type=partial(count, least=least.get(option, 1)),
                    default=None if option in limits else value,
                    metavar="N",
                    help=note,
                )
        self.options = parsed(parser)
        if full and self.data is not None and not self.full:
            parser.error("--data is where --full reads, and does nothing without it: add --full")
        if full or data:
            self.options.data = self.data or Path("data")
        if limits and not self.full:
            vars(self.options).update({name: defaults[name] for name in limits if getattr(self.options, name) is None})
        sys.excepthook = self._end
        mg.manual_seed(self.options.seed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.options, name)

    def digits(self, batch: int = 64, transform: Any = None) -> tuple[DataLoader, DataLoader]:
        """Loaders of training and test digits (N, 1, 28, 28): the sample that comes with minigrad, or all with ``--full``.

        They are normalised, or changed by ``transform``.
        """
        transform = transform or Normalize(MNIST.mean, MNIST.std)
        root = self.data if getattr(self.options, "full", False) else None
        sets: list[Any] = [MNIST(root, train, transform=transform, download=root is not None) for train in (True, False)]
        for part, option in zip(sets, ("images", "tests"), strict=True):  # a chapter may have these options
            at_most = getattr(self.options, option, None)
            part.data, part.targets = part.data[:at_most], part.targets[:at_most]
        return DataLoader(sets[0], batch, shuffle=True), DataLoader(sets[1], 500)

    def boards(self, most: int) -> tuple[tuple[mg.Tensor, list[dict]], ...]:
        """Boards of training and of test digits with one to ``most`` things each: images (N, 1, 64, 64), and for each boxes, labels, masks.

        As many as the options ``scenes`` and ``tests`` say.
        """
        root, sets = self.data if self.full else None, []
        for train, scenes in ((True, self.scenes), (False, self.tests)):
            digits = MNIST(root, train, download=root is not None)
            images, truths = board(digits.data.numpy() / np.float32(255), digits.targets.numpy(), scenes, most, 2 * most - train)
            sets.append((mg.tensor(images), truths))
        return tuple(sets)

    def save(self, name: str, figure: Any, dpi: int = 100) -> Any:
        """Write a figure, a graph, or a picture (3, H, W) from 0 to 1 into the chapter's folder; return it, so that a notebook shows it.

        A PNG has 256 colours (small, and enough for drawings); photographs are smaller and better as JPEG: ``name.jpg``.
        """
        from PIL import Image  # matplotlib brings it

        memory = io.BytesIO()
        if isinstance(figure, Graph):
            memory.write(render(figure.dot, "png"))
        elif isinstance(figure, (np.ndarray, mg.Tensor)):
            Image.fromarray(np.rint(np.clip(np.asarray(figure), 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)).save(memory, "PNG")
        else:
            figure.savefig(memory, dpi=dpi)
        self.out.mkdir(parents=True, exist_ok=True)
        with Image.open(memory) as picture:
            picture.thumbnail((1600, 1600))
            page = Image.new("RGBA", picture.size, "white")
            page.alpha_composite(picture.convert("RGBA"))
            if name.endswith(".jpg"):
                page.convert("RGB").save(self.out / name, quality=85, optimize=True)
            else:
                page.convert("RGB").quantize(256).save(self.out / name, optimize=True)
        print(f"saved {self.out / name}")
        return figure

    def hear(self, name: str, sound: np.ndarray, rate: int) -> np.ndarray:
        """Write samples (L,) into the chapter's folder as a WAV file of 16 bits, the loudest at nine tenths; return them."""
        self.out.mkdir(parents=True, exist_ok=True)
        with wave.open(str(self.out / name), "wb") as file:
            file.setparams((1, 2, rate, len(sound), "NONE", "not compressed"))
            file.writeframes((sound / np.abs(sound).max() * 0.9 * 32767).astype("<i2").tobytes())
        print(f"saved {self.out / name}")
        return sound

    def _end(self, kind: type[BaseException], error: BaseException, traceback: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            print(f"\n{self.name}: stopped", file=sys.stderr)
        elif issubclass(kind, (DataError, DownloadError, Missing, OSError, RenderError)):
            print(f"{self.name}: {error}", file=sys.stderr)
        else:
            sys.__excepthook__(kind, error, traceback)


def table(rows: Sequence[Sequence[Any]]) -> None:
    """Print rows in columns: words aligned left, numbers right; integers with commas between thousands, floats with four digits."""
    texts = [[f"{v:,}" if isinstance(v, int) else f"{v:.4g}" if isinstance(v, float) else str(v) for v in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row, values in zip(texts, rows, strict=True):
        cells = [t.ljust(w) if isinstance(v, str) else t.rjust(w) for t, w, v in zip(row, widths, values, strict=True)]
        print("  ".join(cells).rstrip())
