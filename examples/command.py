"""What the examples' command lines have in common."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path


def run(main: Callable[[], object]) -> None:
    """Exit with the status that ``main`` returns. Ctrl-C prints one line and gives status 130; a closed output (``| head``) is no error."""
    try:
        status = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"\n{Path(sys.argv[0]).stem}: stopped", file=sys.stderr)
        status = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # discard the rest of the output
        status = 0
    sys.exit(status)  # type: ignore[arg-type]


def count(text: str) -> int:
    """A whole number above 0."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
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
