"""Convolution and its gradients: three ops that are each other's derivatives.

A convolution is a sum of products. Along one axis, with stride s, padding p and dilation d::

    y[n, o, i] = sum over c, k of  x[n, c, i s + k d - p] * w[o, c, k]          (x is 0 outside)

Take a gradient g of the shape of y, multiply and add up everything::

    <conv(x, w), g>  =  sum over n, o, c, i, k of  x[n, c, i s + k d - p] * w[o, c, k] * g[n, o, i]

This number is linear in x, in w and in g, and symmetric in their roles. Its derivative with respect to one of them is the sum
of the products of the other two, and these three sums are the three ops:

======================  =====================  ===================================================
derivative w.r.t.       op                     sums
======================  =====================  ===================================================
g                       ``conv(x, w)``         ``x * w`` over the channels c and the kernel k
x                       ``conv_input(g, w)``   ``g * w`` over the outputs o and the kernel k
w                       ``conv_weight(x, g)``  ``x * g`` over the images n and the pixels i
======================  =====================  ===================================================

So the gradient formulas of each op use the other two ops, which gives derivatives of any order. Where a bias needs its gradient too, the sum of g
over the images and the pixels, ``conv_weight_bias`` computes both in one pass over g.

Further spatial axes only add indices. Groups divide the channels into parts that are convolved separately; their number follows
from the shapes, because a weight has the channels of one group. ``conv_input`` as a forward op is PyTorch's transposed
convolution; it adds a bias as ``conv`` does.

The arithmetic is in :mod:`minigrad.kernels.conv`.
"""

from __future__ import annotations

import functools
from typing import Any

from minigrad.engine import ShapeError, batched, entitled, jointly, linear_in, op, public, repeated, tangent, unnamed
from minigrad.kernels import conv as kernels
from minigrad.kernels.layouts import Window
from minigrad.ops import reduce
from minigrad.ops.arguments import require_dtype
from minigrad.ops.batching import merged, of_channels, split, with_channels
from minigrad.ops.precision import in_float32
from minigrad.ops.shape import permute
from minigrad.ops.window_sizes import as_batch, fitted, per_axis, said
from minigrad.tree import unwrapped
from minigrad.types import Array, Size, Tensor

# ---------------------------------------------------------------------------------------- three ops, one trilinear form


def _conv_samples(run, x, w, bias, sizes, window):
    if w.shape[0] == 1 and (bias is None or bias.shape[0] == 1):
        return split(run(merged(x), w[0], None if bias is None else bias[0], sizes=sizes, window=window), x.shape[0])
    size = max(w.shape[0], 1 if x.shape[0] == 1 else x.shape[0])
    if w.shape[0] == 1:
        out = split(run(merged(x), w[0], None, sizes=sizes, window=window), x.shape[0])
    elif x.shape[0] == 1 and x.shape[2] == w.shape[2]:  # the same images for all: more output channels
        out = of_channels(run(x[0], merged(w), None, sizes=sizes, window=window), size)
    else:  # each sample is a group of channels
        out = of_channels(run(with_channels(repeated(x, size)), merged(w), None, sizes=sizes, window=window), size)
    return out if bias is None else out + bias.reshape((bias.shape[0], 1, -1, *[1] * (out.ndim - 3)))


def _conv_input_samples(run, y, w, bias, shape, window):
    if w.shape[0] == 1 and (bias is None or bias.shape[0] == 1):
        b = None if bias is None else bias[0]
        return split(run(merged(y), w[0], b, shape=(y.shape[0] * shape[0], *shape[1:]), window=window), y.shape[0])
    size, (n, c, *sizes) = w.shape[0], shape
    if size == 1:
        out = split(run(merged(y), w[0], None, shape=(y.shape[0] * n, c, *sizes), window=window), y.shape[0])
    else:
        out = of_channels(run(with_channels(repeated(y, size)), merged(w), None, shape=(n, size * c, *sizes), window=window), size)
    return out if bias is None else out + bias.reshape((bias.shape[0], 1, -1, *[1] * (out.ndim - 3)))


def _conv_weight_samples(run, x, y, shape, window):
    x, y = (with_channels(repeated(a, run.size)) for a in (x, y))
    return split(run(x, y, shape=(run.size * shape[0], *shape[1:]), window=window), run.size)


def _conv_weight_bias_samples(run, x, y, shape, window):
    size = run.size
    x, y = (with_channels(repeated(a, size)) for a in (x, y))
    dw, db = run(x, y, shape=(size * shape[0], *shape[1:]), window=window)
    return split(dw, size), split(db, size)


@unnamed
@linear_in("x bias", "w bias")
@batched(_conv_samples)
@jointly("w bias", lambda g, x, w_shape, window: conv_weight_bias(x, g, shape=w_shape, window=window))
@op(
    x=lambda g, w, x_shape, window: conv_input(g, w, shape=x_shape, window=window),
    w=lambda g, x, w_shape, window: conv_weight(x, g, shape=w_shape, window=window),
    bias=lambda g: reduce.sum(g, dim=(0, *range(2, g.ndim))),
)
def conv(x: Array, w: Array, bias: Array = None, *, sizes: Any, window: Any) -> Array:
    """Convolution of x (N, C, ...) with w (O, C/groups, \\*kernel): (N, O, \\*sizes). A bias (O,) is added to every pixel."""
    return kernels.convolve(x, w, bias, sizes, window)


@unnamed
@linear_in("y bias", "w bias")
@batched(_conv_input_samples)
@op(
    y=lambda g, w, y_shape, window: conv(g, w, sizes=y_shape[2:], window=window),
    w=lambda g, y, w_shape, window: conv_weight(g, y, shape=w_shape, window=window),
    bias=lambda g: reduce.sum(g, dim=(0, *range(2, g.ndim))),
)
def conv_input(y: Array, w: Array, bias: Array = None, *, shape: Any, window: Any) -> Array:
    """The gradient of :func:`conv` with respect to its input, of ``shape``; y is the gradient of the result. A bias (C,) is added as in conv."""
    out = kernels.input_gradient(y, w, shape, window)
    if bias is not None:
        out += bias.reshape(-1, *[1] * (out.ndim - 2))
    return out


@linear_in("x", "y")
@batched(_conv_weight_samples)
@op(
    x=lambda g, y, x_shape, window: conv_input(y, g, shape=x_shape, window=window),
    y=lambda g, x, y_shape, window: conv(x, g, sizes=y_shape[2:], window=window),
)
def conv_weight(x: Array, y: Array, shape: Any, window: Any) -> Array:
    """The gradient of :func:`conv` with respect to its weight, of ``shape``; y is the gradient of the result."""
    return kernels.weight_gradient(x, y, shape, window)


@linear_in("y")
@tangent(x=lambda t, y, shape, window: (conv_weight(t, y, shape=shape, window=window), None))
@batched(_conv_weight_bias_samples)
@op(
    x=lambda g, y, x_shape, window: conv_input(y, g[0], shape=x_shape, window=window),
    y=lambda g, x, y_shape, window: conv(x, *g, sizes=y_shape[2:], window=window),
)
def conv_weight_bias(x: Array, y: Array, shape: Any, window: Any) -> tuple[Array, Array]:
    """:func:`conv_weight`, and the gradient of :func:`conv` with respect to its bias, the sums over the pixels of y: both read y."""
    return kernels.weight_bias_gradient(x, y, shape, window)


# --------------------------------------------------------------------------------------------- PyTorch's functions


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution along one axis: ``torch.nn.functional.conv1d``. Like :func:`conv2d`, with (N, C, L) and a weight (O, C/groups, K)."""
    return _conv(input, weight, bias, "conv1d", 1, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of images: ``torch.nn.functional.conv2d``.

    Args:
        input: (N, C, H, W), or one image (C, H, W).
        weight: (O, C/groups, KH, KW).
        bias: (O,), or None.
        stride: distance between windows, an int or a pair.
        padding: zeros on both sides of each axis, an int or a pair; ``"valid"`` (none) or ``"same"`` (the output has the size of the
            input; an odd zero goes at the end; needs stride 1). Not in PyTorch: (left, right, top, bottom).
        dilation: distance between the cells of the kernel, an int or a pair.
        groups: number of parts of the channels that are convolved separately; C and O must be multiples of it.

    Returns:
        (N, O, OH, OW) with OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1.

    Raises:
        ShapeError: channels, kernel and input do not fit together.
        RuntimeError: the dtypes differ.

    >>> import minigrad as mg
    >>> image = mg.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]], requires_grad=True)
    >>> right_minus_left = mg.tensor([[[[-1.0, 0.0, 1.0]]]])
    >>> y = mg.conv2d(image, right_minus_left)
    >>> y.shape, y.flatten()
    (torch.Size([1, 1, 3, 1]), tensor([2., 2., 2.], grad_fn=<ViewBackward0>))
    >>> y.sum().backward()
    >>> image.grad[0, 0]
    tensor([[-1.,  0.,  1.],
            [-1.,  0.,  1.],
            [-1.,  0.,  1.]])
    """
    return _conv(input, weight, bias, "conv2d", 2, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of volumes: ``torch.nn.functional.conv3d``. Like :func:`conv2d`, with (N, C, D, H, W) and (O, C/groups, KD, KH, KW)."""
    return _conv(input, weight, bias, "conv3d", 3, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """Transposed convolution along one axis: ``torch.nn.functional.conv_transpose1d``. Like :func:`conv_transpose2d`, with (N, C, L)."""
    return _conv_transpose("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """Transposed convolution of images, the input gradient of :func:`conv2d`: ``torch.nn.functional.conv_transpose2d``.

    Args:
        input: (N, C, H, W), or one image (C, H, W).
        weight: (C, O/groups, KH, KW), the weight of a convolution from O to C channels; this function is its transpose.
        bias: (O,), or None.
        stride, padding, dilation, groups: those of that convolution; padding is an int or a pair.
        output_padding: rows and columns added at the end, since several input sizes of a strided convolution give the same output
            size; less than stride or dilation.

    Returns:
        (N, O, OH, OW) with OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1.

    Raises:
        ShapeError: channels, kernel and input do not fit together, or the output would have no pixels.
        RuntimeError: the dtypes differ.

    >>> import minigrad as mg
    >>> mg.conv_transpose2d(mg.tensor([[[1.0, 2.0]]]), mg.tensor([[[[1.0, 10.0]]]]), stride=2)
    tensor([[[ 1., 10.,  2., 20.]]])
    """
    return _conv_transpose("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """Transposed convolution of volumes: ``torch.nn.functional.conv_transpose3d``. Like :func:`conv_transpose2d`, with (N, C, D, H, W)."""
    return _conv_transpose("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation)


# ----------------------------------------------------------------------------------------- from arguments to windows


@in_float32
def _conv(input, weight, bias, name, dims, stride, padding, dilation, groups):
    x, single = as_batch(name, input, dims, "DHW"[-dims:] if dims > 1 else "L")
    stride, dilation = per_axis(name, "stride", stride, dims), per_axis(name, "dilation", dilation, dims)
    whole = {*map(type, padding)} <= {int} if type(padding) is tuple else type(padding) in (int, str)
    fit = _fit if whole else _fit.__wrapped__  # 1.0 would be found where 1 was, and what is no number cannot be looked up
    shapes = [None if a is None else unwrapped(a).shape for a in (input, weight, bias)]
    sizes, window = fit(name, dims, *shapes, stride, padding, dilation, groups)
    _check_dtypes(name, input, weight, bias)
    y = conv(x, weight, bias, sizes=sizes, window=window)
    return entitled(y[0], "SqueezeBackward1") if single else y


@functools.lru_cache(maxsize=4096)
def _fit(name, dims, x_shape, w_shape, b_shape, stride, padding, dilation, groups):
    """The sizes of the result and the window, for arguments of such shapes, of which the first may be a batch. Raises for what does not fit."""
    shapes = _check(name, dims, x_shape, w_shape, b_shape, groups, w_shape[0] if w_shape else 0)
    channels = x_shape[-dims - 1]
    if channels != w_shape[1] * groups:
        expected = w_shape[1] * groups
        raise ShapeError(f"{name}: input has {channels} channels but weight expects {expected} ({said(shapes)}, groups={groups})")
    if w_shape[0] % groups:
        raise ShapeError(f"{name}: weight has {w_shape[0]} output channels, which {groups} groups do not divide ({said(shapes)})")
    window = Window(stride, _padding(name, padding, w_shape[2:], stride, dilation), dilation)
    return fitted(name, "kernel", shapes, x_shape[-dims:], w_shape[2:], *window), window


@in_float32
def _conv_transpose(name, dims, input, weight, bias, stride, padding, output_padding, groups, dilation):
    y, single = as_batch(name, input, dims, "DHW"[-dims:] if dims > 1 else "L")
    b_shape = None if bias is None else tuple(bias.shape)
    shapes = _check(
        name, dims, tuple(input.shape), tuple(weight.shape), b_shape, groups, weight.shape[1] * groups if weight.ndim > 1 else 0
    )
    _check_dtypes(name, input, weight, bias)
    if y.shape[1] != weight.shape[0]:
        raise ShapeError(f"{name}: input has {y.shape[1]} channels but weight expects {weight.shape[0]} ({said(shapes)})")
    if weight.shape[0] % groups:
        raise ShapeError(f"{name}: weight has {weight.shape[0]} input channels, which {groups} groups do not divide ({said(shapes)})")
    stride, dilation = per_axis(name, "stride", stride, dims), per_axis(name, "dilation", dilation, dims)
    padding, extra = per_axis(name, "padding", padding, dims, 0), per_axis(name, "output_padding", output_padding, dims, 0)
    sizes = []
    for n, k, s, p, d, e in zip(y.shape[2:], weight.shape[2:], stride, padding, dilation, extra, strict=True):
        if e >= max(s, d):
            raise ShapeError(f"{name}: output_padding {output_padding} must be less than stride {stride} or dilation {dilation}")
        sizes.append((n - 1) * s - 2 * p + d * (k - 1) + e + 1)
    if min(sizes) < 1 or min(y.shape[2:]) < 1:
        raise ShapeError(f"{name}: the output would have sizes {tuple(sizes)} ({said(shapes)}, padding {padding})")
    # The window of the convolution from these sizes to those of the input: output_padding reduces its padding at the end.
    window = Window(stride, tuple([(p, p - e) for p, e in zip(padding, extra, strict=True)]), dilation)
    x = conv_input(y, weight, bias, shape=(y.shape[0], weight.shape[1] * groups, *sizes), window=window)
    return entitled(x[0], "SqueezeBackward1") if single else x


def _check(name, dims, x_shape, w_shape, b_shape, groups, outputs):
    """Check the shapes for convolution or transposed convolution, and return them with their names for error messages."""
    shapes = (("input", x_shape), ("weight", w_shape))
    if len(w_shape) != dims + 2:
        raise ShapeError(f"{name}: weight must have {dims + 2} dimensions ({said(shapes)})")
    if groups < 1:
        raise ShapeError(f"{name}: groups must be at least 1, not {groups}")
    if w_shape[0] < 1 or min(w_shape[2:]) < 1:
        raise ShapeError(f"{name}: weight has a size of 0 ({said(shapes)})")
    if b_shape is not None and b_shape != (outputs,):
        raise ShapeError(f"{name}: bias must have shape ({outputs},), one number per output channel, not {b_shape} ({said(shapes)})")
    return shapes


def _check_dtypes(name, input, weight, bias):
    if input.dtype is not weight.dtype or (bias is not None and bias.dtype is not weight.dtype):
        require_dtype(name, input, weight=weight, bias=bias)
    if input.dtype.kind == "b":
        raise TypeError(f"{name}: bool tensors cannot be convolved; convert them, as in x.float()")


def _padding(name, padding, kernel, stride, dilation):
    """The user's ``padding`` as (before, after) for each axis."""
    dims = len(kernel)
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0),) * dims
        if padding != "same":
            raise ShapeError(f"{name}: padding must be 'valid', 'same' or numbers, not {padding!r}")
        if max(stride) > 1:
            raise ShapeError(f"{name}: padding 'same' needs stride 1, not {stride}")
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple([(t // 2, t - t // 2) for t in total])
    if isinstance(padding, (tuple, list)) and len(padding) == 2 * dims:
        pads = per_axis(name, "padding", padding, 2 * dims, 0)  # the last axis first, as in torch.nn.functional.pad
        return tuple([(pads[2 * i], pads[2 * i + 1]) for i in reversed(range(dims))])
    return tuple([(p, p) for p in per_axis(name, "padding", padding, dims, 0)])


def conv_tbc(input: Tensor, weight: Tensor, bias: Any, pad: int = 0) -> Tensor:
    """:func:`conv1d` with another order of dimensions: ``torch.nn.functional.conv_tbc``.

    Args:
        input: (T, N, C): time first. weight: (K, C, O). bias: (O,). pad: zeros on both sides.

    Returns (T + 2 pad - K + 1, N, O).
    """
    if input.ndim != 3 or weight.ndim != 3:
        raise ShapeError(f"conv_tbc: input {tuple(input.shape)} must be (T, N, C), and weight {tuple(weight.shape)} (K, C, O)")
    return permute(conv1d(permute(input, (1, 2, 0)), permute(weight, (2, 1, 0)), bias, padding=pad), (2, 0, 1))


public(__name__)
