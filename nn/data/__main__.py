"""Download MNIST or Fashion-MNIST: ``python -m minigrad.nn.data FOLDER [mnist | fashion-mnist]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from minigrad.nn.data.download import DownloadError
from minigrad.nn.data.mnist import MNIST, FashionMNIST

DATASETS: dict[str, type[MNIST]] = {cls.name: cls for cls in (MNIST, FashionMNIST)}


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m minigrad.nn.data", description="Download MNIST or Fashion-MNIST.")
    parser.add_argument("folder", help="where to put it: the root of MNIST(root)")
    parser.add_argument("name", nargs="?", default="mnist", choices=sorted(DATASETS))
    args = parser.parse_args(argv)
    try:
        print(DATASETS[args.name].download(args.folder))
    except DownloadError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
