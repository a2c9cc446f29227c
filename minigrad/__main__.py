"""The command line: ``python -m minigrad COMMAND ...``. Each command is defined in the package that implements it."""

from __future__ import annotations

import argparse
import importlib
import sys

# modules with add_parser(subparsers), which sets `run` to a function of the parsed arguments
COMMANDS = ["minigrad.demo.command", "minigrad.graph.command", "minigrad.onnx.command", "minigrad.testing.command"]


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parser = argparse.ArgumentParser(prog="minigrad", description="Tools for models and ops that are made with minigrad.")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(name).add_parser(subparsers)
    parsed = parser.parse_args(arguments)
    return parsed.run(parsed)


if __name__ == "__main__":
    sys.exit(main())
