"""Pictures of a trained convolutional network, as PNG files: curves, filters, feature maps, confusion matrix."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from minigrad import plots


def draw(
    folder: Path,
    history: list[dict[str, float]],
    weight: np.ndarray,
    image: np.ndarray,
    maps: list[np.ndarray],
    confusion: np.ndarray,
    names: list[str],
) -> list[Path]:
    """Write the four pictures into ``folder`` and return their paths."""
    figures = {
        "curves.png": plots.training_curves(history),
        "filters.png": plots.filters(weight),
        "feature_maps.png": plots.feature_maps(image, maps),
        "confusion.png": plots.confusion_matrix(confusion, names),
    }
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=130)
    return [folder / name for name in figures]
