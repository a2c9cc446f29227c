"""``python -m minigrad graph MODULE:MODEL --input 1,1,28,28 -o lenet.html``: a picture of a model from the command line."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import engine
from minigrad.dtypes import DTYPES
from minigrad.graph.dot import RenderError
from minigrad.graph.draw import draw
from minigrad.tensor import Tensor, as_tensor


class CommandError(Exception):
    """An error that the user can fix; its message is one line."""


def shape(text: str) -> tuple[tuple[int, ...], np.dtype]:
    """``1,1,28,28`` or ``2,7:int64`` as a shape and a dtype.

    >>> shape("2,7:int64")
    ((2, 7), dtype('int64'))
    """
    sizes, _, dtype = text.partition(":")
    try:
        return tuple(int(size) for size in sizes.split(",") if size.strip()), DTYPES[dtype or "float32"].dtype
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a shape like 1,1,28,28 or 2,7:int64") from None


def load(target: str) -> Any:
    """The model that ``MODULE:NAME`` or ``FILE.py:NAME`` names; a class or a function is called without arguments."""
    place, colon, name = target.rpartition(":")
    if not colon or not place:
        raise CommandError(f"{target!r} does not name a model: write MODULE:MODEL or FILE.py:MODEL")
    if place.endswith(".py"):
        path = Path(place)
        if not path.is_file():
            raise CommandError(f"there is no file {place}")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules.setdefault(path.stem, module)
        sys.path.insert(0, str(path.parent.resolve()))
        spec.loader.exec_module(module)
    else:
        sys.path.insert(0, os.getcwd())
        try:
            module = importlib.import_module(place)
        except ModuleNotFoundError as error:
            raise CommandError(f"there is no module {error.name}") from None
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise CommandError(f"{place} has no {name}")
        found = getattr(found, part)
    if callable(found) and (isinstance(found, type) or not hasattr(found, "named_modules")):
        try:
            found = found()
        except TypeError as error:
            raise CommandError(f"{name}() needs arguments ({error}): name an instance, or a function that makes one") from None
    if not hasattr(found, "named_modules"):
        raise CommandError(f"{target} is {type(found).__name__}, not a model")
    return found


def inputs(wanted: list[tuple[tuple[int, ...], np.dtype]]) -> list[Tensor]:
    """One input for each shape: normally distributed, or zeros for a dtype that is not floating."""
    rng = np.random.default_rng(0)
    return [as_tensor(rng.standard_normal(s).astype(d) if d.kind == "f" else np.zeros(s, d)) for s, d in wanted]


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "graph", help="draw a model", description="Runs a model once on inputs of the given shapes and draws what it computed."
    )
    parser.add_argument("model", metavar="MODULE:MODEL", help="an instance, or a class or function that makes one; or FILE.py:MODEL")
    one = "such as 1,1,28,28 or 2,7:int64; one for each input"
    parser.add_argument("--input", type=shape, action="append", required=True, metavar="SHAPE", help=one)
    endings = "svg, png, pdf, dot, html or json by its ending (default graph.html)"
    parser.add_argument("-o", "--output", default="graph.html", metavar="FILE", help=endings)
    parser.add_argument("--depth", type=int, default=None, help="fold modules below this level (default: what fits a page)")
    parser.add_argument("--backward", action="store_true", help="draw backward too, with the norms of the gradients")
    parser.add_argument("--parameters", action="store_true", help="draw parameters as boxes of their own")
    parser.add_argument("--train", action="store_true", help="run in training mode (default: evaluation)")
    parser.set_defaults(run=main)


def main(arguments: argparse.Namespace) -> int:
    """Run the command."""
    try:
        model = load(arguments.model)
        model.train(arguments.train)
        graph = draw(
            model, *inputs(arguments.input), depth="auto" if arguments.depth is None else arguments.depth, backward=arguments.backward, parameters=arguments.parameters
        )  # fmt: skip
        path = graph.save(arguments.output)
    except (CommandError, engine.ShapeError, RenderError, OSError, ValueError) as error:
        note = "; ".join(getattr(error, "__notes__", []))
        print(f"minigrad graph: {str(error).removeprefix('graph: ')}{f' ({note})' if note else ''}", file=sys.stderr)
        return 1
    print(f"{path}: {repr(graph)[1:-1]}")
    return 0
