"""Pictures of networks, their weights and their results, with matplotlib: each function returns a ``Figure`` and shows nothing.

``pip install "minigrad-nn[plot]"``. Plots take arrays or Tensors and only draw them; only those of :mod:`minigrad.plots.probes` and
:mod:`minigrad.plots.viewer` run a model, and some of these return arrays for the others. :mod:`minigrad.plots.dreams` makes images.

>>> import numpy as np
>>> from minigrad import plots
>>> plots.window(np.eye(6), np.eye(3)).axes[-1].get_title()
'result 4×4'
"""

# mypy: implicit-reexport

from minigrad.plots.confusion import confusion_page
from minigrad.plots.dreams import dream
from minigrad.plots.grids import cells, numbers, window
from minigrad.plots.images import detections, images
from minigrad.plots.lines import lines
from minigrad.plots.probes import (
    activations,
    enlarged,
    grad_cam,
    grad_cam_map,
    gradients,
    layer_outputs,
    occlusion,
    occlusion_map,
    saliency,
    saliency_map,
    top_patches,
)  # fmt: skip
from minigrad.plots.results import (
    confusion_matrix,
    feature_maps,
    filters,
    gradient_flow,
    histograms,
    learning_rates,
    training_curves,
)
from minigrad.plots.timelines import timeline
from minigrad.plots.viewer import map_viewer
from minigrad.plots.volumes import volumes
from minigrad.plots.weights import weight_bars, weight_images
