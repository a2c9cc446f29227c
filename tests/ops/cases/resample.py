"""Rows for ``minigrad/ops/resample.py``."""

import numpy as np
from hypothesis import strategies as hs

from cases import Case
from minigrad.ops import resample
from minigrad.testing import strategies as st


def functional(name):
    return lambda torch, *args, **kwargs: getattr(torch.nn.functional, name)(*args, **kwargs)


MODES = {1: ["nearest", "nearest-exact", "area", "linear"], 2: ["nearest", "area", "bilinear", "bicubic"], 3: ["nearest", "trilinear"]}


@hs.composite
def resized(draw):
    dims = draw(hs.integers(1, 3))
    x = draw(st.arrays((*draw(st.shapes(2, 2, 1, 2)), *draw(st.shapes(dims, dims, 1, 4)))))
    static = {"size": tuple(draw(hs.integers(1, 6)) for _ in range(dims)), "mode": draw(hs.sampled_from(MODES[dims]))}
    if "linear" in static["mode"] or static["mode"] == "bicubic":
        static["align_corners"] = draw(hs.booleans())
    return st.Call((x,), static)


@hs.composite
def filtered(draw):
    """Not one column: there PyTorch 2.13 gives every new row the weights of the first."""
    x = draw(st.arrays((*draw(st.shapes(2, 2, 1, 2)), draw(hs.integers(1, 7)), draw(hs.integers(2, 7)))))
    static = {"mode": draw(hs.sampled_from(["bilinear", "bicubic", "lanczos"])), "antialias": True}
    if static["mode"] != "lanczos":
        static["align_corners"] = draw(hs.booleans())
    return st.Call((x, (draw(hs.integers(1, 5)), draw(hs.integers(2, 5)))), static)


@hs.composite
def maps(draw):
    dims = draw(hs.integers(2, 3))
    n = draw(hs.integers(1, 2))
    size = (n, 1, *[draw(hs.integers(1, 3)) for _ in range(dims)])
    return st.Call((draw(st.arrays((n, dims, dims + 1))),), {"size": size, "align_corners": draw(hs.booleans())})


@hs.composite
def points(draw, mode, dims):
    """Points inside and outside that are in the midst of a pixel, where nothing jumps."""
    n, c = draw(hs.integers(1, 2)), draw(hs.integers(1, 2))
    sizes = [draw(hs.integers(2, 4)) for _ in range(dims)]
    outs = [draw(hs.integers(1, 3)) for _ in range(dims)]
    align = draw(hs.booleans())
    axes = []
    for size in reversed(sizes):  # x first
        at = draw(st.integers_array((n, *outs), -2, size)) + draw(hs.sampled_from([0.3, 0.2, 0.7]))
        axes.append(2.0 * at / (size - 1) - 1.0 if align else (2.0 * at + 1.0) / size - 1.0)
    static = {"mode": mode, "padding_mode": draw(hs.sampled_from(["zeros", "border", "reflection"])), "align_corners": align}
    return st.Call((draw(st.arrays((n, c, *sizes))), np.stack(axes, -1)), static)


@hs.composite
def doubled(draw):
    x = draw(st.arrays((*draw(st.shapes(2, 2, 1, 2)), *draw(st.shapes(2, 2, 1, 3)))))
    return st.Call((x,), {"scale_factor": draw(hs.integers(1, 3))})


CASES = [
    Case(resample.interpolate, resized(), torch=functional("interpolate")),
    Case(
        resample.interpolate,
        filtered(),
        torch=lambda torch, x, size, **kwargs: torch.nn.functional.interpolate(x, size, **kwargs),
        name="interpolate against aliasing",
    ),
    Case(resample.upsample, doubled(), torch=functional("upsample")),
    Case(resample.upsample_nearest, doubled(), torch=functional("upsample_nearest")),
    Case(resample.upsample_bilinear, doubled(), torch=functional("upsample_bilinear")),
    Case(resample.affine_grid, maps(), torch=functional("affine_grid")),
    *[
        Case(resample.grid_sample, points(mode, dims), torch=functional("grid_sample"), name=f"grid_sample {mode} {dims}d")
        for mode, dims in (("bilinear", 2), ("bilinear", 3), ("nearest", 2), ("bicubic", 2))
    ],
]
