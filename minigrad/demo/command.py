"""``python -m minigrad demo NAME -o page.html``: a page to touch from the command line."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from minigrad.demo.networks import drawing, receptive_fields, templates
from minigrad.demo.windows import im2col, pooling, sliding_filter

PAGES = {page.__name__: page for page in (sliding_filter, im2col, pooling, receptive_fields, templates, drawing)}


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("demo", help="write a page to touch", description="Writes a page to touch as one HTML file.")
    parser.add_argument("name", choices=list(PAGES), help="which one, see minigrad.demo")
    parser.add_argument("-o", "--out", metavar="FILE", help="where to (default NAME.html)")
    parser.set_defaults(run=main)


def main(arguments: argparse.Namespace) -> int:
    """Run the command."""
    try:
        path = PAGES[arguments.name]().save(arguments.out or f"{arguments.name}.html")
    except (OSError, ValueError) as error:
        print(f"minigrad demo: {error}", file=sys.stderr)
        return 1
    print(path)
    return 0
