"""Pictures of what a network is and does, with matplotlib: each function returns a ``Figure`` and shows nothing.

``pip install "minigrad-nn[plot]"``. Beside what :mod:`minigrad.graph.plots` draws of a network at work: weights as images and bars,
volumes, and convolution cell by cell.

>>> import numpy as np
>>> from minigrad import plots
>>> plots.window(np.eye(6), np.eye(3)).axes[-1].get_title()
'result 4×4'
"""

from minigrad.graph.plots import (
    activations,
    confusion_matrix,
    feature_maps,
    filters,
    gradients,
    histograms,
    occlusion,
    occlusion_map,
    saliency,
    saliency_map,
    training_curves,
)
from minigrad.plots.grids import cells, numbers, window
from minigrad.plots.images import images
from minigrad.plots.lines import lines
from minigrad.plots.volumes import volumes
from minigrad.plots.weights import weight_bars, weight_images

__all__ = [
    "activations",
    "cells",
    "confusion_matrix",
    "feature_maps",
    "filters",
    "gradients",
    "histograms",
    "images",
    "lines",
    "numbers",
    "occlusion",
    "occlusion_map",
    "saliency",
    "saliency_map",
    "training_curves",
    "volumes",
    "weight_bars",
    "weight_images",
    "window",
]
