"""What the examples' command lines have in common."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the command line; argparse prints all options before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help lists all options)\n")


def parsed(parser: argparse.ArgumentParser, words: Sequence[str] | None = None) -> argparse.Namespace:
    """The options in ``words``, or in the command line.

    A notebook has none: its kernel's command line says how Jupyter started it. A cell can give some, ``sys.argv = ["lenet5", "--epochs", "1"]``,
    and ``%run lenet5.py --epochs 1`` does.
    """
    if words is None:
        words = [] if Path(sys.argv[0]).stem.endswith("kernel_launcher") else sys.argv[1:]
    return parser.parse_args(words)


def run(main: Callable[[], object]) -> None:
    """Exit with the status that ``main`` returns, unless it is 0 or None: a notebook's cell that exits ends with an error.

    Ctrl-C prints one line and gives status 130; a closed output (``| head``) is no error.
    """
    try:
        status = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"\n{Path(sys.argv[0]).stem}: stopped", file=sys.stderr)
        status = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # discard the rest of the output
        status = 0
    if status:
        sys.exit(status)  # type: ignore[arg-type]


def run_alone(main: Callable[[], object], about: str | None) -> None:
    """:func:`run` of a script without options: ``--help`` says what it shows, and any other word is an error, not ignored."""

    def checked() -> None:
        parsed(Parser(Path(sys.argv[0]).name, description=about, formatter_class=argparse.RawDescriptionHelpFormatter))
        main()

    run(checked)


def seed(text: str) -> int:
    """A whole number, 0 or above: numpy's generators take no other."""
    return _whole(text, 0, ", 0 or above")


def count(text: str, least: int = 1) -> int:
    """A whole number above 0, or of ``least`` and more."""
    return _whole(text, least, " above 0" if least == 1 else f" of {least} or more")


def _whole(text: str, least: int, which: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number{which}")
    return number


def rate(text: str) -> float:
    """A number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return number


def rate_or_zero(text: str) -> float:
    """A number, 0 or above."""
    try:
        return 0.0 if float(text) == 0 else rate(text)
    except (ValueError, argparse.ArgumentTypeError):
        raise argparse.ArgumentTypeError(f"{text} is not a number, 0 or above") from None
