"""Draw the embedded sample of MNIST from the four full idx files: ``python tests/data/make_sample.py FOLDER [OUTPUT]``.

500 digits of each class from the training set and 100 of each from the test set, drawn without replacement by numpy's
``RandomState(SEED)`` (whose stream is frozen for good), in the order of the full set. Images and labels of the training
sample come from the training set only. The same files give the same sample, and with the same version of liblzma the same
bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import lzma
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from minigrad.nn.data.mnist import MNIST, SAMPLE, SAMPLE_SIZES

SEED = 1998
# The best of those tried for these images (xz -9e, zlib, bz2, pixel-major order, delta filters): bytes stand alone, pb=0.
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "lp": 0, "pb": 0}]


def draw(labels: np.ndarray, per_class: int, rng: np.random.RandomState) -> np.ndarray:
    """Sorted indices of ``per_class`` random samples of each of the ten classes.

    >>> import numpy as np
    >>> indices = draw(np.arange(100) % 10, 2, np.random.RandomState(0))
    >>> len(indices), np.bincount(indices % 10)
    (20, array([2, 2, 2, 2, 2, 2, 2, 2, 2, 2]))
    """
    picks = [rng.choice(np.flatnonzero(labels == c), per_class, replace=False) for c in range(10)]
    return np.sort(np.concatenate(picks))


def sample_indices(train_labels: np.ndarray, test_labels: np.ndarray) -> dict[bool, np.ndarray]:
    """Where the sample's images are in the full sets: ``{True: in the training set, False: in the test set}``."""
    rng = np.random.RandomState(SEED)
    return {train: draw({True: train_labels, False: test_labels}[train], n // 10, rng) for train, n in SAMPLE_SIZES.items()}


def make_sample(root: str | Path) -> bytes:
    """The bytes of the embedded sample, from the folder with the full MNIST."""
    full = {train: MNIST(root, train=train) for train in SAMPLE_SIZES}
    chosen = sample_indices(full[True].labels, full[False].labels)
    parts = [part for train, i in chosen.items() for part in (full[train].images[i], full[train].labels[i].astype(np.uint8))]
    return lzma.compress(b"".join(part.tobytes() for part in parts), filters=FILTERS)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Draw the embedded sample of MNIST.")
    parser.add_argument("folder", help="the folder with the full MNIST (idx files)")
    parser.add_argument(
        "output", nargs="?", type=Path, default=Path(__file__).parents[2] / "nn" / "data" / SAMPLE, help="default: the package's own file"
    )
    args = parser.parse_args(argv)
    packed = make_sample(args.folder)
    args.output.write_bytes(packed)
    print(f"{args.output}: {len(packed):,} bytes, sha256 {hashlib.sha256(packed).hexdigest()}")
    print(f"unpacked: sha256 {hashlib.sha256(lzma.decompress(packed)).hexdigest()}")


if __name__ == "__main__":
    main()
