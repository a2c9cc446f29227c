"""The functions behind the layers, with the names and signatures of ``torch.nn.functional``.

They are defined in :mod:`minigrad.ops`, one file per family; this module only exports them.
"""

# mypy: implicit-reexport
# ruff: noqa: F401, I001 (names are imported to be exported; sorted, but several on a line)

from minigrad.ops.activation import (
    celu, celu_, elu, elu_, gelu, glu, hardshrink, hardsigmoid, hardswish, hardtanh, hardtanh_, leaky_relu, leaky_relu_, logsigmoid, mish,
    prelu, relu, relu6, relu_, rrelu, rrelu_, selu, selu_, silu, softplus, softshrink, softsign, tanhshrink, threshold, threshold_,
)  # fmt: skip
from minigrad.ops.attention import multi_head_attention_forward, scaled_dot_product_attention
from minigrad.ops.conv import conv1d, conv2d, conv3d, conv_tbc, conv_transpose1d, conv_transpose2d, conv_transpose3d
from minigrad.ops.ctc import ctc_loss
from minigrad.ops.distance import cosine_similarity, normalize, pairwise_distance, pdist
from minigrad.ops.dropout import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout
from minigrad.ops.elementwise import sigmoid, tanh
from minigrad.ops.embedding import embedding, embedding_bag
from minigrad.ops.fold import fold, unfold
from minigrad.ops.gathering import one_hot
from minigrad.ops.contractions import bilinear
from minigrad.ops.products import linear
from minigrad.ops.loss import (
    binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, gaussian_nll_loss, huber_loss, kl_div, l1_loss,
    linear_cross_entropy, mse_loss, nll_loss, poisson_nll_loss, smooth_l1_loss,
)  # fmt: skip
from minigrad.ops.margin import (
    cosine_embedding_loss, hinge_embedding_loss, margin_ranking_loss, multi_margin_loss, multilabel_margin_loss,
    multilabel_soft_margin_loss, soft_margin_loss, triplet_margin_loss, triplet_margin_with_distance_loss,
)  # fmt: skip
from minigrad.ops.norm import batch_norm, group_norm, instance_norm, layer_norm, local_response_norm, rms_norm
from minigrad.ops.pool import (
    adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d, adaptive_max_pool1d, adaptive_max_pool1d_with_indices,
    adaptive_max_pool2d, adaptive_max_pool2d_with_indices, adaptive_max_pool3d, adaptive_max_pool3d_with_indices, avg_pool1d, avg_pool2d,
    avg_pool3d, fractional_max_pool2d, fractional_max_pool2d_with_indices, fractional_max_pool3d, fractional_max_pool3d_with_indices,
    lp_pool1d, lp_pool2d, lp_pool3d, max_pool1d, max_pool1d_with_indices, max_pool2d, max_pool2d_with_indices, max_pool3d,
    max_pool3d_with_indices, max_unpool1d, max_unpool2d, max_unpool3d,
)  # fmt: skip
from minigrad.ops.resample import affine_grid, grid_sample, interpolate, upsample, upsample_bilinear, upsample_nearest
from minigrad.ops.shape import channel_shuffle, native_channel_shuffle, pad, pixel_shuffle, pixel_unshuffle
from minigrad.ops.softmax import gumbel_softmax, log_softmax, softmax, softmin

MYPY = False  # mypy treats it as True, and exports what is imported, because it cannot read a computed list; other checkers can
if not MYPY:
    __all__ = [name for name, value in globals().items() if callable(value)]
