"""Rows for ``minigrad/ops/conv.py`` and ``minigrad/ops/fold.py``."""

import warnings

import numpy as np
from hypothesis import strategies as hs

from cases import Case
from minigrad.kernels.layouts import Window
from minigrad.kernels.windows import output_size
from minigrad.ops import conv, fold
from minigrad.testing import strategies as st


def quietly(name):
    """PyTorch's function without its warning that padding "same" may copy the input."""

    def function(torch, *args, **kwargs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(torch.nn.functional, name)(*args, **kwargs)

    return function


@hs.composite
def trilinear(draw, op):
    """x, w, and y of a convolution along one to three axes: those that ``op`` takes."""
    call = draw(st.conv_arguments(draw(hs.integers(1, 3)), strings=False, unbatched=False, max_extra=2))
    (x, w, bias), dims = call.args, call.args[0].ndim - 2
    static = [call.kwargs[name] for name in ("stride", "padding", "dilation")]
    stride, padding, dilation = [n if isinstance(n, tuple) else (n,) * dims for n in static]
    window = Window(stride, tuple([(p, draw(hs.integers(p, p + 1))) for p in padding]), dilation)
    sizes = tuple(map(output_size, x.shape[2:], w.shape[2:], *window))
    y = draw(st.arrays((len(x), len(w), *sizes)))
    if op is conv.conv:
        return st.Call((x, w, bias), {"sizes": sizes, "window": window})
    if op is conv.conv_input:
        added = None if bias is None else draw(st.arrays((x.shape[1],)))
        return st.Call((y, w, added), {"shape": x.shape, "window": window})
    return st.Call((x, y), {"shape": w.shape, "window": window})


@hs.composite
def windows_of_images(draw, transposed):
    """Arguments of unfold, or of fold."""
    call = draw(st.pool_arguments(2, kind="avg"))
    (x,), static = call.args, {name: call.kwargs[name] for name in ("kernel_size", "padding")}
    static["stride"] = call.kwargs["stride"] or 1
    if min(x.shape[-2:]) > 2:
        static["dilation"] = draw(hs.integers(1, 2)) if max(np.ravel(static["kernel_size"])) < 3 else 1
    if not transposed:
        return st.Call((x,), static)
    columns = fold.unfold(x, **static)
    return st.Call((draw(st.arrays(columns.shape)),), {"output_size": x.shape[-2:], **static})


CASES = [
    Case(conv.conv, trilinear(conv.conv)),
    Case(conv.conv_input, trilinear(conv.conv_input)),
    Case(conv.conv_weight, trilinear(conv.conv_weight)),
    Case(conv.conv_weight_bias, trilinear(conv.conv_weight_bias)),
    Case(conv.conv1d, st.conv_arguments(1), torch=quietly("conv1d")),
    Case(conv.conv2d, st.conv_arguments(2), torch=quietly("conv2d")),
    Case(conv.conv3d, st.conv_arguments(3, max_kernel=2, max_extra=2), torch=quietly("conv3d")),
    Case(conv.conv_transpose1d, st.conv_arguments(1, transposed=True), torch="conv_transpose1d"),
    Case(conv.conv_transpose2d, st.conv_arguments(2, transposed=True), torch="conv_transpose2d"),
    Case(conv.conv_transpose3d, st.conv_arguments(3, transposed=True, max_kernel=2, max_extra=1), torch="conv_transpose3d"),
    Case(fold.unfold, windows_of_images(transposed=False), torch="unfold"),
    Case(fold.fold, windows_of_images(transposed=True), torch="fold"),
]
