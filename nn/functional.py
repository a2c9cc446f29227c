"""Functions that layers are made of, under the names and signatures of ``torch.nn.functional``.

They come from :mod:`minigrad.ops`, where the gradients are; those written here are composed of such.
"""

from __future__ import annotations

from minigrad.ops.elementwise import sigmoid, tanh
from minigrad.ops.linalg import bilinear, linear
from minigrad.ops.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)  # fmt: skip
from minigrad.ops.norm import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from minigrad.ops.shape import pad, pixel_shuffle, pixel_unshuffle
from minigrad.ops.softmax import log_softmax, softmax, softmin

__all__ = [
    "batch_norm", "bilinear", "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "group_norm", "huber_loss",
    "instance_norm", "kl_div", "l1_loss", "layer_norm", "linear", "log_softmax", "mse_loss", "nll_loss", "pad", "pixel_shuffle",
    "pixel_unshuffle", "rms_norm", "sigmoid", "smooth_l1_loss", "softmax", "softmin", "tanh",
]  # fmt: skip
