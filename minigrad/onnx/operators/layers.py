"""Convolution, pooling, normalisation, dropout and losses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.kernels.windows import Axes, sliding
from minigrad.onnx.limits import budget, room
from minigrad.onnx.reader import OnnxError
from minigrad.onnx.table import axis_of, constant, ints, number, operator
from minigrad.ops.pool import avg_pool
from minigrad.ops.shape import crop, pad_constant

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
_MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


_MOST_CELLS = 2**20  # of a window


class _Windows:
    """The windows of a convolution or pooling: for each axis kernel, stride, dilation, padding before and after, and how many there are."""

    def __init__(self, what: str, sizes: Any, kernel: Any, strides: Any, pads: Any, dilations: Any, auto_pad: str, ceil: bool = False):
        dims = len(sizes)
        if not 1 <= dims <= 3:
            raise OnnxError(f"onnx: {what}: {dims} spatial axes; 1 to 3 are possible")
        self.sizes, self.kernel = tuple(sizes), tuple(kernel)
        self.strides, self.dilations = tuple(strides or (1,) * dims), tuple(dilations or (1,) * dims)
        lists = (self.kernel, self.strides, self.dilations)
        if any(len(v) != dims or min(v) < 1 for v in lists):
            raise OnnxError(
                f"onnx: {what}: kernel {kernel}, strides {strides} and dilations {dilations} must be {dims} positive numbers each"
            )
        if math.prod(self.kernel) > _MOST_CELLS:
            raise OnnxError(f"onnx: {what}: windows of {math.prod(self.kernel)} cells; {_MOST_CELLS} are possible")
        reach = [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True)]
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            self.outs = [-(-n // s) for n, s in zip(sizes, self.strides, strict=True)]
            total = [max((o - 1) * s + r - n, 0) for o, s, r, n in zip(self.outs, self.strides, reach, sizes, strict=True)]
            small = [t // 2 for t in total]
            large = [t - t // 2 for t in total]
            self.before, self.after = (small, large) if auto_pad == "SAME_UPPER" else (large, small)
            return
        given = [0] * (2 * dims) if auto_pad == "VALID" or not pads else list(pads)
        if len(given) != 2 * dims or min(given) < 0:
            raise OnnxError(f"onnx: {what}: pads {tuple(given)} must be {2 * dims} numbers that are not negative")
        self.before, self.after = given[:dims], given[dims:]
        self.outs = []
        for n, s, r, a, b in zip(sizes, self.strides, reach, self.before, self.after, strict=True):
            span = n + a + b - r
            out = (-(-span // s) if ceil else span // s) + 1
            if ceil and (out - 1) * s >= n + a:  # a window that starts behind the input is none
                out -= 1
            self.outs.append(out)
        room([n + a + b for n, a, b in zip(sizes, self.before, self.after, strict=True)])
        if min(self.outs) < 1:
            raise OnnxError(f"onnx: {what}: a window of {self.kernel} does not fit the input {self.sizes}")

    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The padding of each axis."""
        return tuple(zip(self.before, self.after, strict=True))

    def reaching(self) -> tuple[tuple[int, int], ...]:
        """The padding of each axis that the last window needs: with ``ceil_mode`` it may be more than is given."""
        return tuple(
            [
                (a, max(b, (o - 1) * s + (k - 1) * d + 1 - n - a))
                for a, b, o, s, k, d, n in zip(
                    self.before, self.after, self.outs, self.strides, self.kernel, self.dilations, self.sizes, strict=True
                )
            ]
        )


@operator("Conv")
def _conv(
    x: Any,
    w: Any,
    bias: Any = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    dims = x._data.ndim - 2
    at = _Windows("Conv", x._data.shape[2:], w._data.shape[2:], strides, pads, dilations, auto_pad)
    room([x._data.shape[0], w._data.shape[0], *at.outs], x._data.dtype)
    padding = [n for pair in reversed(at.pairs()) for n in pair]
    return _CONV[dims](x, w, bias, at.strides, tuple(at.before) if at.before == at.after else tuple(padding), at.dilations, group)


@operator("ConvTranspose")
def _conv_transpose(
    x: Any,
    w: Any,
    bias: Any = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    output_padding: Any = None,
    output_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    sizes, kernel = x._data.shape[2:], w._data.shape[2:]
    dims = len(sizes)
    strides, dilations = tuple(strides or (1,) * dims), tuple(dilations or (1,) * dims)
    extra = tuple(output_padding or (0,) * dims)
    full = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(sizes, strides, kernel, dilations, strict=True)]
    room([x._data.shape[0], w._data.shape[1] * group, *full], x._data.dtype)
    given = list(pads or [0] * (2 * dims))
    before, after = given[:dims], given[dims:]
    if output_shape or auto_pad.startswith("SAME"):
        wanted = list(output_shape)[-dims:] if output_shape else [n * s for n, s in zip(sizes, strides, strict=True)]
        total = [f + e - n for f, e, n in zip(full, extra, wanted, strict=True)]
        less, more = [t // 2 for t in total], [t - t // 2 for t in total]
        before, after = (more, less) if auto_pad != "SAME_UPPER" else (less, more)
    y = _TRANSPOSED[dims](x, w, None, strides, 0, 0, group, dilations)
    widths = [(-a, e - b) for a, b, e in zip(before, after, extra, strict=True)]
    grow = ((0, 0), (0, 0), *[(max(a, 0), max(b, 0)) for a, b in widths])
    cut = ((0, 0), (0, 0), *[(max(-a, 0), max(-b, 0)) for a, b in widths])
    if any(map(any, grow)):
        room([n + a + b for n, (a, b) in zip(y._data.shape, grow, strict=True)], y._data.dtype)
        y = pad_constant(y, widths=grow)
    if any(map(any, cut)):
        y = crop(y, widths=cut)
    return y if bias is None else y + mg.reshape(bias, (-1, *[1] * dims))


def _lowest(dtype: Any) -> Any:
    return -np.inf if dtype.kind == "f" else int(np.iinfo(dtype).min)


@operator("MaxPool")
def _max_pool(
    x: Any,
    *,
    kernel_shape: Any,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Any = None,
    pads: Any = None,
    storage_order: int = 0,
    strides: Any = None,
    outputs: int,
) -> Any:
    sizes = x._data.shape[2:]
    at = _Windows("MaxPool", sizes, kernel_shape, strides, pads, dilations, auto_pad, bool(ceil_mode))
    pairs = at.reaching()
    if outputs == 1 and all(a == b and 2 * a <= k for (a, b), k in zip(pairs, at.kernel, strict=True)):
        return _MAX[len(sizes)](x, at.kernel, at.strides, tuple([a for a, _ in pairs]), at.dilations)
    room([*x._data.shape[:2], *[n + a + b for n, (a, b) in zip(sizes, pairs, strict=True)]], x._data.dtype)
    wide = pad_constant(x, widths=((0, 0), (0, 0), *pairs), value=_lowest(x._data.dtype))
    if outputs == 1:
        return _MAX[len(sizes)](wide, at.kernel, at.strides, 0, at.dilations)
    y, index = _MAX[len(sizes)](wide, at.kernel, at.strides, 0, at.dilations, return_indices=True)
    cells = np.unravel_index(index._data, wide._data.shape[2:])
    inner = [np.clip(c - a, 0, n - 1) for c, (a, _), n in zip(cells, pairs, sizes, strict=True)]
    if storage_order:
        flat = np.ravel_multi_index(tuple(reversed(inner)), tuple(reversed(sizes)))
    else:
        flat = np.ravel_multi_index(tuple(inner), sizes)
    image = np.arange(math.prod(x._data.shape[:2])).reshape(*x._data.shape[:2], *[1] * len(sizes))
    return y, constant((flat + image * math.prod(sizes)).astype(np.int64))


def _sums(x: Any, at: _Windows) -> Any:
    """The sum of every window; cells of the padding are 0."""
    axes = Axes(map(sliding, at.sizes, at.outs, at.kernel, at.strides, at.before, at.dilations))
    return avg_pool(x, axes=axes, divisor=1)


@operator("AveragePool")
def _average_pool(
    x: Any,
    *,
    kernel_shape: Any,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    at = _Windows("AveragePool", x._data.shape[2:], kernel_shape, strides, pads, dilations, auto_pad, bool(ceil_mode))
    whole = math.prod(at.kernel)
    if not any(b for _, b in at.reaching()) and not any(at.before):
        return _sums(x, at) / whole
    if count_include_pad:  # cells behind the padding, where only ceil_mode leads, do not count
        grown = [n + a + b for n, (a, b) in zip(at.sizes, at.pairs(), strict=True)]
        inside = _Windows("AveragePool", grown, at.kernel, at.strides, None, at.dilations, "NOTSET")
        inside.outs = at.outs
        counts = _sums(constant(np.ones((1, 1, *grown), x._data.dtype)), inside)
    else:
        counts = _sums(constant(np.ones((1, 1, *at.sizes), x._data.dtype)), at)
    return _sums(x, at) / counts


@operator("LpPool")
def _lp_pool(
    x: Any,
    *,
    kernel_shape: Any,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Any = None,
    p: float = 2,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    at = _Windows("LpPool", x._data.shape[2:], kernel_shape, strides, pads, dilations, auto_pad, bool(ceil_mode))
    return mg.pow(_sums(mg.pow(mg.abs(x), p), at), 1.0 / p)


@operator("GlobalAveragePool")
def _global_average_pool(x: Any) -> Any:
    return mg.mean(x, list(range(2, x._data.ndim)), keepdim=True)


@operator("GlobalMaxPool")
def _global_max_pool(x: Any) -> Any:
    return mg.amax(x, list(range(2, x._data.ndim)), keepdim=True)


@operator("GlobalLpPool")
def _global_lp_pool(x: Any, *, p: int = 2) -> Any:
    return mg.pow(mg.sum(mg.pow(mg.abs(x), p), list(range(2, x._data.ndim)), keepdim=True), 1.0 / p)


@operator("MaxUnpool", settings=(2,))
def _max_unpool(x: Any, index: Any, shape: Any = None, *, kernel_shape: Any, pads: Any = None, strides: Any = None) -> Any:
    dims = len(kernel_shape)
    strides, pads = tuple(strides or (1,) * dims), tuple(pads or (0,) * (2 * dims))
    small = [
        (n - 1) * s + k - pads[i] - pads[dims + i] for i, (n, s, k) in enumerate(zip(x._data.shape[2:], strides, kernel_shape, strict=True))
    ]
    sizes = [*x._data.shape[:2], *small]
    cells = index._data.reshape(-1)
    if shape is not None:  # positions are those in the smaller result
        wanted = ints(shape, "output_shape")
        places = np.unravel_index(cells, sizes) if cells.size and cells.max() < math.prod(sizes) else np.unravel_index(cells, wanted)
        cells, sizes = np.ravel_multi_index(places, wanted), wanted
    room(sizes, x._data.dtype)
    flat = mg.zeros(math.prod(sizes), dtype=x._data.dtype)
    return mg.reshape(mg.scatter(flat, 0, constant(cells), mg.reshape(x, (-1,))), sizes)


@operator("Col2Im", settings=(1, 2))
def _col2im(x: Any, image: Any, block: Any, *, dilations: Any = None, pads: Any = None, strides: Any = None) -> Any:
    sizes, kernel = ints(image, "image_shape"), ints(block, "block_shape")
    dims = len(sizes)
    at = _Windows("Col2Im", sizes, kernel, strides, pads, dilations, "NOTSET")
    n, rows, _ = x._data.shape
    channels = rows // math.prod(kernel)
    room([n, channels, *sizes], x._data.dtype)
    columns = mg.reshape(x, (n, channels, *kernel, *at.outs))
    grown = [s + a + b for s, (a, b) in zip(sizes, at.pairs(), strict=True)]
    places = np.zeros([1] * (2 * dims), np.int64)
    for i in range(dims):
        along = np.arange(kernel[i])[:, None] * at.dilations[i] + np.arange(at.outs[i]) * at.strides[i]
        view = [1] * (2 * dims)
        view[i], view[dims + i] = along.shape
        places = places * grown[i] + along.reshape(view)
    index = np.broadcast_to(places.reshape(-1), (n * channels, places.size))
    flat = mg.zeros(n * channels, math.prod(grown), dtype=x._data.dtype)
    y = mg.scatter_add(flat, 1, constant(np.ascontiguousarray(index)), mg.reshape(columns, (n * channels, places.size)))
    return crop(mg.reshape(y, (n, channels, *grown)), widths=((0, 0), (0, 0), *at.pairs()))


@operator("DeformConv")
def _deform_conv(
    x: Any,
    w: Any,
    offset: Any,
    bias: Any = None,
    mask: Any = None,
    *,
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    offset_group: int = 1,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    at = _Windows("DeformConv", x._data.shape[2:], w._data.shape[2:], strides, pads, dilations, "NOTSET")
    if len(at.outs) != 2:
        raise OnnxError("onnx: DeformConv: 2 spatial axes are possible")
    n, channels, h, width = x._data.shape
    (kh, kw), (oh, ow) = at.kernel, at.outs
    room([n, channels, kh * kw, oh * ow], x._data.dtype)
    part = channels // offset_group
    offsets = mg.reshape(offset, (n, offset_group, kh * kw, 2, oh, ow))
    rows = np.arange(oh)[None, :, None] * at.strides[0] - at.before[0] + (np.arange(kh * kw) // kw * at.dilations[0])[:, None, None]
    columns = np.arange(ow)[None, None, :] * at.strides[1] - at.before[1] + (np.arange(kh * kw) % kw * at.dilations[1])[:, None, None]
    ys = offsets[:, :, :, 0] + constant(rows.astype(x._data.dtype))
    xs = offsets[:, :, :, 1] + constant(columns.astype(x._data.dtype))
    grid = mg.stack([(xs * 2 + 1) / width - 1, (ys * 2 + 1) / h - 1], -1)  # as grid_sample counts: edges at -1 and 1
    grid = mg.reshape(grid, (n * offset_group, kh * kw * oh, ow, 2))
    samples = F.grid_sample(mg.reshape(x, (n * offset_group, part, h, width)), grid, "bilinear", "zeros", align_corners=False)
    samples = mg.reshape(samples, (n, offset_group, part, kh * kw, oh, ow))
    if mask is not None:
        samples = samples * mg.reshape(mask, (n, offset_group, 1, kh * kw, oh, ow))
    samples = mg.reshape(samples, (n, group, channels // group * kh * kw, oh * ow))
    weight = mg.reshape(w, (1, group, w._data.shape[0] // group, -1))
    y = mg.reshape(mg.matmul(weight, samples), (n, w._data.shape[0], oh, ow))
    return y if bias is None else y + mg.reshape(bias, (-1, 1, 1))


# -------------------------------------------------------------------------------------------------------- normalisation


@operator("BatchNormalization", statistics=(3, 4))
def _batch_normalization(
    x: Any,
    scale: Any,
    bias: Any,
    mean: Any,
    variance: Any,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    spatial: int = 1,
    training_mode: int = 0,
    outputs: int,
) -> Any:
    if training_mode:
        dims = [d for d in range(x._data.ndim) if d != 1]
        current, spread = mg.mean(x, dims), mg.var(x, dims, correction=0)
        y = F.batch_norm(x, current, spread, scale, bias, False, 0.1, epsilon)
        return (y, mean * momentum + current * (1 - momentum), variance * momentum + spread * (1 - momentum))[:outputs]
    spent = budget.get()
    training = spent is not None and spent.training
    y = F.batch_norm(x, mean, variance, scale, bias, training, 1 - momentum, epsilon)
    return y


@operator("InstanceNormalization")
def _instance_normalization(x: Any, scale: Any, bias: Any, *, epsilon: float = 1e-5) -> Any:
    if math.prod(x._data.shape[2:]) == 1:  # nothing but the bias remains, and instance_norm takes that for a mistake
        return (x - x) + mg.reshape(bias, (-1, *[1] * (x._data.ndim - 2)))
    return F.instance_norm(x, None, None, scale, bias, True, 0.1, epsilon)


@operator("LayerNormalization")
def _layer_normalization(
    x: Any, scale: Any, bias: Any = None, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1, outputs: int
) -> Any:
    axis = axis_of(axis, x._data.ndim)
    shape = x._data.shape[axis:]
    if outputs == 1 and scale._data.shape == shape and (bias is None or bias._data.shape == shape):
        return F.layer_norm(x, shape, scale, bias, epsilon)
    dims = list(range(axis, x._data.ndim))
    mean = mg.mean(x, dims, keepdim=True)
    inverse = mg.rsqrt(mg.var(x, dims, correction=0, keepdim=True) + epsilon)
    y = (x - mean) * inverse * scale
    return (y if bias is None else y + bias, mean, inverse)[:outputs]


@operator("RMSNormalization")
def _rms_normalization(x: Any, scale: Any, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1) -> Any:
    axis = axis_of(axis, x._data.ndim)
    return F.rms_norm(x, x._data.shape[axis:], None, epsilon) * scale


@operator("GroupNormalization")
def _group_normalization(x: Any, scale: Any, bias: Any, *, num_groups: int, epsilon: float = 1e-5, stash_type: int = 1, opset: int) -> Any:
    if opset < 21:  # a factor for each group
        times = x._data.shape[1] // num_groups
        scale, bias = mg.repeat_interleave(scale, times), mg.repeat_interleave(bias, times)
    return F.group_norm(x, num_groups, scale, bias, epsilon)


@operator("LRN")
def _lrn(x: Any, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Any:
    shape = list(x._data.shape)
    if len(shape) > 1:
        room([shape[0], shape[1] + size, *shape[2:]], x._data.dtype)  # with zeros around the channels
    return F.local_response_norm(x, size, alpha, beta, bias)


@operator("LpNormalization")
def _lp_normalization(x: Any, *, axis: int = -1, p: int = 2) -> Any:
    length = mg.sum(mg.abs(x), axis, keepdim=True) if p == 1 else mg.sqrt(mg.sum(x * x, axis, keepdim=True))
    return mg.where(length == 0, mg.zeros_like(x), x / mg.where(length == 0, mg.ones_like(length), length))


@operator("MeanVarianceNormalization")
def _mean_variance_normalization(x: Any, *, axes: tuple[int, ...] = (0, 2, 3)) -> Any:
    mean = mg.mean(x, list(axes), keepdim=True)
    return (x - mean) / (mg.sqrt(mg.mean(x * x, list(axes), keepdim=True) - mean * mean) + 1e-9)


@operator("Dropout", settings=(1, 2))
def _dropout(x: Any, rate: Any = None, training_mode: Any = None, *, ratio: float = 0.5, seed: int | None = None, outputs: int) -> Any:
    rate = ratio if rate is None else number(rate)
    spent = budget.get()
    active = bool(number(training_mode)) if training_mode is not None else spent is not None and spent.training
    if not active or rate == 0:
        return (x, mg.ones_like(x).bool())[:outputs]
    kept = mg.rand(*x._data.shape) >= rate
    return (mg.where(kept, x / (1 - rate), mg.zeros_like(x)), kept)[:outputs]


# --------------------------------------------------------------------------------------------------------------- losses


def _loss(logs: Any, target: Any, weight: Any, ignore_index: int | None, reduction: str) -> Any:
    ignored = -(2**62) if ignore_index is None else ignore_index
    return F.nll_loss(logs, target.long(), weight, ignore_index=ignored, reduction=reduction)


@operator("NegativeLogLikelihoodLoss")
def _negative_log_likelihood_loss(
    x: Any, target: Any, weight: Any = None, *, ignore_index: int | None = None, reduction: str = "mean"
) -> Any:
    return _loss(x, target, weight, ignore_index, reduction)


@operator("SoftmaxCrossEntropyLoss")
def _softmax_cross_entropy_loss(
    x: Any, target: Any, weight: Any = None, *, ignore_index: int | None = None, reduction: str = "mean", outputs: int
) -> Any:
    logs = mg.log_softmax(x, 1)
    return (_loss(logs, target, weight, ignore_index, reduction), logs)[:outputs]


def conv_integer(x: np.ndarray, w: np.ndarray, settings: dict[str, Any]) -> Any:
    """The convolution of integers with the attributes of Conv; float64 holds its sums exactly. int32."""
    y = _conv(constant(x.astype(np.float64)), constant(w.astype(np.float64)), **settings)
    return constant(np.rint(y._data).astype(np.int32))
