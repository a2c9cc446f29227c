"""Pictures of networks, their weights and their results, with matplotlib: each function returns a ``Figure`` and shows nothing.

``pip install "minigrad-nn[plot]"``. A network at work (curves, feature maps, saliency), weights as images and bars, volumes, and
convolution cell by cell.

>>> import numpy as np
>>> from minigrad import plots
>>> plots.window(np.eye(6), np.eye(3)).axes[-1].get_title()
'result 4×4'
"""

from minigrad.plots.grids import cells, numbers, window
from minigrad.plots.images import images
from minigrad.plots.lines import lines
from minigrad.plots.network import (
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
)  # fmt: skip
from minigrad.plots.volumes import volumes
from minigrad.plots.weights import weight_bars, weight_images
