"""Functions compared with PyTorch: the same arguments give the same values, first and second derivatives (float64)."""

import itertools
import warnings

import numpy as np
import pytest
from answers import torch

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn

T = torch.nn.functional

_rng = np.random.default_rng(3)


class Constant:
    """An argument without gradient, the same array for both libraries."""

    def __init__(self, array):
        self.array = np.asarray(array)


def normal(*shape):
    return _rng.normal(size=shape)


def grid(*shape, reach=1.4):
    """Points of which some are outside."""
    return _rng.uniform(-reach, reach, shape)


def converted(value, library, leaves):
    if isinstance(value, Constant):
        return library.tensor(value.array)
    if isinstance(value, np.ndarray):
        leaf = library.tensor(value, requires_grad=value.dtype.kind == "f")
        if leaf.requires_grad:
            leaves.append(leaf)
        return leaf
    return value


def close(ours, theirs, what):
    np.testing.assert_allclose(np.asarray(ours.detach().numpy()), theirs.detach().numpy(), rtol=1e-7, atol=1e-10, err_msg=what, strict=True)


def outputs(value):
    return list(value) if isinstance(value, (tuple, list)) else [value]


def assert_twins(ours, theirs, args, kwargs, second=True):
    """Values, gradients, and (unless PyTorch has none) gradients of gradients."""
    results = []
    for library, function in ((mg, ours), (torch, theirs)):
        leaves = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's advice about old names and align_corners
            out = function(*[converted(a, library, leaves) for a in args], **{k: converted(v, library, leaves) for k, v in kwargs.items()})
        results.append((outputs(out), leaves))
    (mine, my_leaves), (other, other_leaves) = results
    assert len(mine) == len(other)
    for i, (a, b) in enumerate(zip(mine, other, strict=True)):
        close(a, b, f"result {i}")
    assert mine[0].requires_grad == other[0].requires_grad
    if not other[0].requires_grad:
        return
    weights = np.cos(np.arange(mine[0].numel())).reshape(mine[0].shape)
    first = mg.grad((mine[0] * mine[0] * mg.tensor(weights)).sum(), my_leaves, create_graph=True)
    expected = torch.autograd.grad((other[0] * other[0] * torch.tensor(weights)).sum(), other_leaves, create_graph=second)
    for i, (a, b) in enumerate(zip(first, expected, strict=True)):
        close(a, b, f"gradient {i}")
    if not second:
        return

    def mixed(gradients, library):
        return sum((g * library.tensor(np.sin(np.arange(g.numel()) + 1.0).reshape(tuple(g.shape)))).sum() for g in gradients)

    a, b = mixed(first, mg), mixed(expected, torch)
    assert a.requires_grad == b.requires_grad
    if b.requires_grad:
        again = mg.grad(a, my_leaves, allow_unused=True, materialize_grads=True)
        expected = torch.autograd.grad(b, other_leaves, allow_unused=True, materialize_grads=True)
        for i, (g, h) in enumerate(zip(again, expected, strict=True)):
            close(g, h, f"second derivative {i}")


image, volume, row = normal(2, 3, 5, 6), normal(2, 2, 4, 3, 5), normal(2, 3, 7)
bags = np.array([0, 2, 2, 4, 1, 0, 3])
tbc = normal(6, 2, 3)
samples = Constant(_rng.random((2, 3, 2)))

CASES = [
    # sizes of images
    *[("interpolate", [x], {"mode": mode, **options}) for x in (row, image, volume) for mode in ("nearest", "nearest-exact", "area")
      for options in ({"size": 4}, {"scale_factor": 1.7}, {"scale_factor": 0.6})],
    *[("interpolate", [image], {"mode": mode, "antialias": True, "align_corners": align, **options}) for mode in ("bilinear", "bicubic")
      for align in (False, True) for options in ({"size": (3, 4)}, {"size": (9, 2)}, {"scale_factor": 0.45}, {"scale_factor": (1.6, 0.7)})],
    ("interpolate", [normal(1, 2, 9, 8)], {"mode": "lanczos", "antialias": True, "size": (4, 5)}),
    ("interpolate", [image], {"mode": "area", "size": (2, 4)}),
    ("interpolate", [image], {"mode": "bicubic", "scale_factor": (0.5, 2.0), "recompute_scale_factor": True}),
    ("upsample", [image], {"scale_factor": 2}),
    ("upsample", [image], {"size": (7, 9), "mode": "bilinear", "align_corners": True}),
    ("upsample_nearest", [image, 8], {}),
    ("upsample_bilinear", [image], {"scale_factor": 2}),
    # pools
    ("max_pool1d_with_indices", [row, 3], {}),
    ("max_pool2d_with_indices", [image, 2, 1], {"padding": 1}),
    ("max_pool3d_with_indices", [volume, 2], {"ceil_mode": True}),
    ("adaptive_max_pool1d_with_indices", [row, 3], {}),
    ("adaptive_max_pool2d_with_indices", [image, (3, None)], {}),
    ("adaptive_max_pool3d_with_indices", [volume, 2], {}),
    ("fractional_max_pool2d", [image, 2], {"output_size": (3, 4), "_random_samples": samples}),
    ("fractional_max_pool2d", [image, (2, 3)], {"output_size": (4, 1), "_random_samples": samples, "return_indices": True}),
    ("fractional_max_pool2d", [image[0], 2], {"output_ratio": (0.5, 0.6), "_random_samples": Constant(samples.array[:1])}),
    ("fractional_max_pool2d_with_indices", [image, 2], {"output_ratio": (0.7, 0.7), "_random_samples": samples}),
    ("fractional_max_pool3d", [volume, 2], {"output_size": (2, 1, 3), "_random_samples": Constant(_rng.random((2, 2, 3)))}),
    ("fractional_max_pool3d_with_indices", [volume, (2, 1, 3)], {"output_ratio": (0.5, 0.6, 0.4), "_random_samples": Constant(_rng.random((2, 2, 3)))}),
    ("lp_pool3d", [np.abs(volume) + 0.1, 2, 2], {}),
    ("lp_pool3d", [np.abs(volume) + 0.1, 3.0, (2, 1, 2)], {"stride": 1}),
    # tables
    ("embedding", [bags, normal(5, 3)], {"padding_idx": 2}),
    ("embedding", [bags, normal(5, 3)], {"padding_idx": -1, "max_norm": 0.8}),
    ("embedding", [bags, normal(5, 3)], {"max_norm": 0.8, "norm_type": 1.0}),
    ("embedding_bag", [bags.reshape(7, 1), normal(5, 3)], {}),
    ("embedding_bag", [bags[:6].reshape(2, 3), normal(5, 3)], {"mode": "sum"}),
    ("embedding_bag", [bags[:6].reshape(2, 3), normal(5, 3)], {"mode": "sum", "per_sample_weights": normal(2, 3)}),
    ("embedding_bag", [bags, normal(5, 3), np.array([0, 2, 2, 5])], {}),
    ("embedding_bag", [bags, normal(5, 3), np.array([0, 2, 2, 5])], {"padding_idx": 2}),
    ("embedding_bag", [bags, normal(5, 3), np.array([0, 2, 2, 5, 7])], {"include_last_offset": True, "mode": "sum"}),
    ("embedding_bag", [bags, normal(5, 3), np.array([0, 2, 2, 5])], {"mode": "sum", "per_sample_weights": normal(7)}),
    ("embedding_bag", [bags, normal(5, 3), np.array([0, 2, 2, 5])], {"max_norm": 1.0}),
    # distances
    *[("pdist", [normal(5, 3)], {"p": p}) for p in (2.0, 1.0, 3.5)],
    ("normalize", [normal(3, 4)], {"p": 3.0, "dim": 0}),
    ("cosine_similarity", [normal(3, 4), normal(1, 4)], {"dim": 1}),
    ("pairwise_distance", [normal(3, 4), normal(3, 4)], {"p": 3.0, "keepdim": True}),
    # convolution, channels
    ("conv_tbc", [tbc, normal(3, 3, 4), normal(4)], {"pad": 1}),
    ("native_channel_shuffle", [Constant(normal(2, 6, 3, 2)), 3], {}),
    ("pixel_shuffle", [], {"input": normal(1, 8, 2, 3), "upscale_factor": 2}),
    ("pixel_unshuffle", [], {"input": normal(1, 2, 4, 6), "downscale_factor": 2}),
    ("linear", [], {"input": normal(2, 3), "weight": normal(4, 3), "bias": normal(4)}),
    ("sigmoid", [], {"input": normal(5)}),
    ("tanh", [], {"input": normal(5)}),
    # losses
    *[(name, [normal(4, 3), normal(4, 3)], {"weight": np.abs(normal(4, 3)) + 0.1, "reduction": reduction})
      for name in ("mse_loss", "l1_loss", "huber_loss") for reduction in ("none", "sum", "mean")],
    ("linear_cross_entropy", [normal(4, 3), normal(5, 3), np.array([0, 4, 2, -100])], {"linear_bias": normal(5)}),
    ("linear_cross_entropy", [normal(4, 3), normal(5, 3), np.array([0, 4, 2, 1])], {"ignore_index": 2, "label_smoothing": 0.1, "reduction": "sum"}),
    ("linear_cross_entropy", [normal(3), normal(5, 3), np.array(2)], {}),
    ("linear_cross_entropy", [normal(4, 3), normal(5, 2, 3), np.array([[0, 4], [2, 1], [1, 1], [3, 0]])], {"linear_bias": normal(5, 2)}),
    ("linear_cross_entropy", [normal(4, 3), normal(5, 3), _rng.dirichlet(np.ones(5), 4)], {"weight": Constant(np.arange(5) + 1.0)}),
    # attention of a query that may look at nothing
    ("scaled_dot_product_attention", [normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 4)],
     {"attn_mask": Constant(np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [0, 1, 0, 0, 0]], bool))}),
    ("scaled_dot_product_attention", [normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 4)],
     {"attn_mask": Constant(np.array([[0, 0.5, 1, 1, 0], [-np.inf] * 5, [0, -np.inf, 0, 0, 0]]))}),
    ("scaled_dot_product_attention", [normal(2, 4, 3, 4), normal(2, 2, 5, 4), normal(2, 2, 5, 4)], {"enable_gqa": True}),
    # softmax without a dimension
    *[(name, [normal(*shape)], {}) for name in ("softmax", "log_softmax", "softmin") for shape in ((3,), (3, 2), (2, 3, 2), (1, 2, 3, 2))],
]  # fmt: skip
# PyTorch has no second derivative of these
FIRST_ONLY = {"fractional_max_pool3d", "fractional_max_pool3d_with_indices", "pdist", "embedding_bag", "scaled_dot_product_attention"}


@pytest.mark.parametrize(("name", "args", "kwargs"), [pytest.param(*c, id=f"{c[0]}-{i}") for i, c in enumerate(CASES)])
def test_function(name, args, kwargs):
    first_only = name in FIRST_ONLY or kwargs.get("mode") == "lanczos"
    assert_twins(getattr(F, name), getattr(T, name), args, kwargs, second=not first_only)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_the_nearest_pixel_is_pytorchs(mode, dims, dtype):
    """To the last rounding, which decides between two pixels where a new one falls on their border."""
    for n in range(1, 26):
        x = np.arange(n, dtype=dtype).reshape(1, 1, n, *[1] * (dims - 1))
        settings = [{"scale_factor": (s, *[1.0] * (dims - 1))} for s in (0.3, 0.45, 0.6, 0.7, 0.9, 1.1, 1.2, 1.5, 1.7, 2.0, 2.1, 2.3, 3.7)]
        settings += [{"size": (m, *[1] * (dims - 1))} for m in range(1, 40, 3)]
        for options in settings:
            if "size" in options or int(n * options["scale_factor"][0]):
                close(
                    F.interpolate(mg.tensor(x), mode=mode, **options),
                    T.interpolate(torch.tensor(x), mode=mode, **options),
                    f"{n} {options}",
                )


# ------------------------------------------------------------------------------------------ points of a grid


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_sample_of_images(mode, padding_mode, align_corners):
    for x, points in (
        (image, grid(2, 4, 3, 2)),
        (image, grid(2, 3, 5, 2, reach=4.0)),
        (normal(1, 2, 1, 3), grid(1, 4, 4, 2)),
        (image, np.stack(np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 4)), -1)[None].repeat(2, 0)),
    ):
        options = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
        assert_twins(F.grid_sample, T.grid_sample, [x, points], options, second=False)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_grid_sample_of_volumes(mode, padding_mode, align_corners):
    options = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    assert_twins(F.grid_sample, T.grid_sample, [volume, grid(2, 2, 4, 3, 3, reach=2.5)], options, second=False)


@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_sample_of_points_that_are_no_numbers(mode, padding_mode):
    """They are outside, wherever that is; no NaN comes out, and none goes into a gradient."""
    points = np.array([[[[np.nan, 0.0], [0.0, np.inf], [-np.inf, 0.5], [0.1, 0.2]]]])
    x, g = mg.tensor(image[:1], requires_grad=True), mg.tensor(points, requires_grad=True)
    y = F.grid_sample(x, g, mode, padding_mode, False)
    y.sum().backward()
    assert np.isfinite(y.detach().numpy()).all() and np.isfinite(x.grad.numpy()).all() and np.isfinite(g.grad.numpy()).all()
    expected = T.grid_sample(torch.tensor(image[:1]), torch.tensor(points[:, :, 3:]), mode, padding_mode, False)
    close(y[:, :, :, 3:], expected, "the point that is one")


@pytest.mark.parametrize("align_corners", [False, True, None])
def test_affine_grid(align_corners):
    for theta, size in ((normal(2, 2, 3), (2, 1, 3, 4)), (normal(2, 3, 4), (2, 1, 3, 1, 4)), (normal(1, 2, 3), (1, 3, 1, 1))):
        assert_twins(F.affine_grid, T.affine_grid, [theta, size], {"align_corners": align_corners})


def test_a_spatial_transformer():
    """Both together, through the matrix."""

    def ours(theta, x):
        return F.grid_sample(x, F.affine_grid(theta, (2, 3, 4, 4), False), align_corners=False)

    def theirs(theta, x):
        return T.grid_sample(x, T.affine_grid(theta, (2, 3, 4, 4), False), align_corners=False)

    assert_twins(ours, theirs, [normal(2, 2, 3), image], {}, second=False)


# ------------------------------------------------------------------------------------------------------ in place


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("relu_", []),
        ("elu_", [0.7]),
        ("celu_", [0.7]),
        ("selu_", []),
        ("leaky_relu_", [0.2]),
        ("hardtanh_", [-0.5, 0.7]),
        ("threshold_", [0.1, 9.0]),
        ("rrelu_", [0.2, 0.4]),
    ],
)
def test_in_place(name, args):
    """The tensor itself has the new value, and its gradient is right; a leaf is refused, as in PyTorch."""

    def ours(x):
        y = x * 1.0
        assert getattr(F, name)(y, *args) is y
        return y

    def theirs(x):
        y = x * 1.0
        getattr(T, name)(y, *args)
        return y

    assert_twins(ours, theirs, [normal(4, 3)], {})
    with pytest.raises(RuntimeError, match="leaf"):
        getattr(F, name)(mg.ones(2, requires_grad=True), *args)
    before = mg.ones(2)
    other = before * 1.0
    getattr(F, name)(other, *args)
    assert before.tolist() == [1.0, 1.0]


def test_normalize_into_out():
    x = mg.tensor([[3.0, 4.0]], requires_grad=True)
    out = mg.zeros(1, 2)
    assert F.normalize(x, out=out) is out and not out.requires_grad
    np.testing.assert_allclose(out.numpy(), [[0.6, 0.8]], rtol=1e-6)


# ----------------------------------------------------------------------------------------------------- embeddings


def test_max_norm_shortens_the_table_itself():
    weight = _rng.normal(size=(5, 3)) * 3
    index = np.array([[0, 2], [2, 4]])
    for ours, theirs in ((F.embedding, T.embedding), (F.embedding_bag, T.embedding_bag)):
        a, b = mg.tensor(weight, requires_grad=True), torch.tensor(weight, requires_grad=True)
        close(ours(mg.tensor(index), a, max_norm=1.0), theirs(torch.tensor(index), b, max_norm=1.0), "rows")
        close(a, b, "table")
        assert a.is_leaf and a.requires_grad


def test_scale_grad_by_freq():
    index, weight = np.array([3, 1, 3, 3, 0]), normal(5, 2)
    a, b = mg.tensor(weight, requires_grad=True), torch.tensor(weight, requires_grad=True)
    (F.embedding(mg.tensor(index), a, scale_grad_by_freq=True) ** 2).sum().backward()
    (T.embedding(torch.tensor(index), b, scale_grad_by_freq=True) ** 2).sum().backward()
    close(a.grad, b.grad, "gradient")
    # bags: as documented, by the count of the row itself
    a.grad = None
    F.embedding_bag(mg.tensor(index), a, mg.tensor([0, 2]), scale_grad_by_freq=True, mode="sum").sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), np.array([1, 1, 0, 1, 0])[:, None] * np.ones((5, 2)))


@pytest.mark.parametrize(("padding_idx", "sizes"), [(None, [3, 0, 4]), (2, [3, 0, 4]), (0, [7])])
def test_the_largest_of_each_bag(padding_idx, sizes):
    """Against a loop: PyTorch's gradient of bags with padding counts it."""
    weight, offsets = normal(5, 3), np.cumsum([0, *sizes[:-1]])
    w = mg.tensor(weight, requires_grad=True)
    y = F.embedding_bag(mg.tensor(bags), w, mg.tensor(offsets), mode="max", padding_idx=padding_idx)
    y.sum().backward()
    gradient = np.zeros_like(weight)
    for i, (start, size) in enumerate(zip(offsets, sizes, strict=True)):
        rows = [r for r in bags[start : start + size] if r != padding_idx]
        if not rows:
            assert (y[i] == 0).all()
            continue
        np.testing.assert_array_equal(y[i].detach().numpy(), weight[rows].max(0))
        for d, r in enumerate(np.array(rows)[weight[rows].argmax(0)]):
            gradient[r, d] += 1
    np.testing.assert_array_equal(w.grad.numpy(), gradient)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([0, 1],), {}, ValueError, "needs offsets"),
        (([[0, 1]], [0]), {}, ValueError, "goes without offsets"),
        (([0, 1], [1]), {}, ValueError, "begin with 0"),
        (([0, 1], [0]), {"mode": "median"}, ValueError, "'sum', 'mean' or 'max', not 'median'"),
        (([0, 1], [0]), {"mode": "max", "sparse": True}, ValueError, "do not go with mode='max'"),
        (([0, 9], [0]), {}, IndexError, "index 9 is out of range for 3 rows"),
        (([0, 1], [0]), {"per_sample_weights": mg.ones(3), "mode": "sum"}, ValueError, r"\(3,\) must have the shape of the input \(2,\)"),
        (([0, 1], [0]), {"per_sample_weights": mg.ones(2)}, NotImplementedError, "mode='sum' only, not with 'mean'"),
    ],
)
def test_what_bags_refuse(arguments, options, error, message):
    index, *offsets = [mg.tensor(a) for a in arguments]
    with pytest.raises(error, match=message):
        F.embedding_bag(index, mg.ones(3, 2), *offsets, **options)


# ---------------------------------------------------------------------------------------------- random functions


def test_random_places_of_windows():
    """Drawn with the seeded generator, one for each channel; every maximum is in its window."""
    x = mg.tensor(normal(2, 3, 9, 9))
    mg.manual_seed(1)
    y, index = F.fractional_max_pool2d(x, 2, output_size=5, return_indices=True)
    mg.manual_seed(1)
    assert (F.fractional_max_pool2d(x, 2, output_size=5) == y).all()
    assert any((F.fractional_max_pool2d(x, 2, output_size=5) != y).any() for _ in range(10))
    np.testing.assert_array_equal(
        np.take_along_axis(x.numpy().reshape(2, 3, 81), index.numpy().reshape(2, 3, 25), -1), y.numpy().reshape(2, 3, 25)
    )
    close(F.max_unpool2d(y, index, 2, output_size=(10, 10)).sum() > 0, torch.tensor(True), "indices fit max_unpool2d")


def test_fractional_pools_refuse():
    x = mg.ones(1, 1, 4, 4)
    for options, error, message in (
        ({}, ValueError, "either output_size or output_ratio"),
        ({"output_size": 4}, ValueError, "4x4 windows 2x2 do not fit the input 4x4"),
        ({"output_ratio": 1.5}, ValueError, "between 0 and 1"),
        ({"output_size": 2, "_random_samples": mg.ones(1, 2)}, ValueError, r"must have shape \(1, 1, 2\)"),
    ):
        with pytest.raises(error, match=message):
            F.fractional_max_pool2d(x, 2, **options)


# -------------------------------------------------------------------------------------------------------- layers


def twin_layers(name, *args, **kwargs):
    ours, theirs = getattr(nn, name)(*args, **kwargs).double(), getattr(torch.nn, name)(*args, **kwargs).double()
    assert list(ours.state_dict()) == list(theirs.state_dict()) and repr(ours) == repr(theirs)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return ours, theirs


@pytest.mark.parametrize(
    ("name", "options", "inputs"),
    [
        ("LPPool3d", {"norm_type": 2, "kernel_size": 2}, [np.abs(volume) + 0.1]),
        ("LPPool3d", {"norm_type": 3, "kernel_size": (2, 1, 2), "stride": 1, "ceil_mode": True}, [np.abs(volume) + 0.1]),
        ("MaxUnpool1d", {"kernel_size": 2}, [normal(2, 3, 4), np.array([0, 3, 4, 7]) + np.zeros((2, 3, 1), np.int64)]),
        ("MaxUnpool1d", {"kernel_size": 3, "stride": 2, "padding": 1}, [normal(2, 3), np.array([[0, 2, 4], [1, 0, 3]])]),
        ("MaxUnpool3d", {"kernel_size": 2}, [normal(1, 1, 1, 2, 1), np.array([[[[[5], [14]]]]])]),
        ("MaxUnpool3d", {"kernel_size": (1, 2, 2), "stride": (1, 1, 2)}, [normal(2, 1, 2, 2), np.array([[[[1, 3], [10, 0]]], [[[11, 2], [5, 6]]]])]),
        ("ZeroPad1d", {"padding": (1, 2)}, [row]),
        ("ZeroPad1d", {"padding": (-1, 2)}, [row]),
        ("ZeroPad3d", {"padding": (1, 0, 2, 1, -1, 3)}, [volume]),
        ("ZeroPad3d", {"padding": 2}, [volume[0]]),
        ("FractionalMaxPool2d", {"kernel_size": 7, "output_size": 1}, [normal(1, 2, 7, 7)]),
        ("FractionalMaxPool3d", {"kernel_size": 3, "output_size": 1, "return_indices": True, "_random_samples": None}, [normal(1, 2, 4, 4, 4)]),
        ("Embedding", {"num_embeddings": 5, "embedding_dim": 3, "max_norm": 1.0, "norm_type": 1.0}, [bags]),
        ("Embedding", {"num_embeddings": 5, "embedding_dim": 3, "scale_grad_by_freq": True, "sparse": True, "padding_idx": 0}, None),
        ("EmbeddingBag", {"num_embeddings": 5, "embedding_dim": 3}, [bags, np.array([0, 3])]),
        ("EmbeddingBag", {"num_embeddings": 5, "embedding_dim": 3, "mode": "sum", "padding_idx": -2}, [bags, np.array([0, 3])]),
        ("EmbeddingBag", {"num_embeddings": 5, "embedding_dim": 3, "max_norm": 1.5}, [bags.reshape(1, 7)]),
        ("Hardtanh", {"min_val": -0.2, "max_val": 0.3}, [normal(5)]),
        ("LinearCrossEntropyLoss", {"in_features": 3, "num_classes": 4, "bias": True}, [normal(5, 3), np.array([0, 1, 3, 3, -100])]),
        ("LinearCrossEntropyLoss", {"in_features": 3, "num_classes": 4, "out_features": (2,)}, [normal(2, 3), np.array([[0, 1], [3, 3]])]),
    ],
)  # fmt: skip
def test_layer(name, options, inputs):
    ours, theirs = twin_layers(name, **options)
    if inputs is None:
        return
    parameters = [list(layer.parameters()) for layer in (ours, theirs)]
    assert_twins(ours, theirs, inputs, {}, second=name not in ("EmbeddingBag", "FractionalMaxPool3d")) if not parameters[0] else None
    if parameters[0]:
        y, z = ours(*map(mg.tensor, inputs)), theirs(*map(torch.tensor, inputs))
        close(y, z, "output")
        (y * y).sum().backward()
        (z * z).sum().backward()
        for p, q in zip(*parameters, strict=True):
            close(p.grad, q.grad, "gradient")
            close(p, q, "parameter")


def test_old_names_of_hardtanh():
    with pytest.warns(FutureWarning, match="min_value is deprecated, use min_val"):
        assert nn.Hardtanh(min_value=-0.5)(mg.tensor([-3.0, 3.0])).tolist() == [-0.5, 1.0]


def test_embeddings_from_a_table():
    table = normal(4, 2)
    for ours, theirs in ((nn.Embedding, torch.nn.Embedding), (nn.EmbeddingBag, torch.nn.EmbeddingBag)):
        a, b = ours.from_pretrained(mg.tensor(table), max_norm=1.0), theirs.from_pretrained(torch.tensor(table), max_norm=1.0)
        assert repr(a) == repr(b) and a.weight.requires_grad == b.weight.requires_grad
        index = np.array([[0, 3], [1, 1]])
        close(a(mg.tensor(index)), b(torch.tensor(index)), "rows")
        assert ours.from_pretrained(mg.tensor(table), freeze=False).weight.requires_grad
    assert not nn.Embedding(3, 2, _freeze=True).weight.requires_grad


@pytest.mark.parametrize("head_bias", [False, True])
def test_adaptive_softmax(head_bias):
    ours, theirs = twin_layers("AdaptiveLogSoftmaxWithLoss", 8, 20, [4, 10, 15], div_value=2.0, head_bias=head_bias)
    x, target = normal(9, 8), np.array([0, 3, 4, 9, 10, 14, 15, 19, 2])
    a, b = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, z = ours(a, mg.tensor(target)), theirs(b, torch.tensor(target))
    close(y.output, z.output, "log-probabilities")
    close(y.loss, z.loss, "loss")
    y.loss.backward()
    z.loss.backward()
    close(a.grad, b.grad, "gradient")
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        close(p.grad, q.grad, "gradient of a parameter")
    close(ours.log_prob(a), theirs.log_prob(b), "all log-probabilities")
    close(ours.predict(a), theirs.predict(b), "classes")
    close(ours(a[0], mg.tensor(7)).output, theirs(b[0], torch.tensor(7)).output, "one example")
    with pytest.raises(IndexError, match=r"0\.\.20 are not all in 0\.\.19"):
        ours(a, mg.tensor([*target[:-1], 20]))
    for cutoffs in ([], [4, 4], [0, 3], [5, 20], [2.5]):
        with pytest.raises(ValueError, match="cutoffs must rise between 1 and n_classes - 1 = 19"):
            nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs)


# -------------------------------------------------------------------------------------------------------- errors


def test_what_is_no_int_is_named():
    x, w = mg.ones(1, 1, 5, 5), mg.ones(1, 1, 3, 3)
    with pytest.raises(TypeError, match=r"conv2d: padding must be an int or 2 of them, not \(\(1, 2\), \(0, 1\)\)"):
        F.conv2d(x, w, padding=((1, 2), (0, 1)))
    with pytest.raises(TypeError, match=r"Conv2d: padding must be an int or 2 of them, not \(\(1, 2\), \(0, 1\)\)"):
        nn.Conv2d(1, 1, 3, padding=((1, 2), (0, 1)))
    with pytest.raises(TypeError, match=r"max_pool2d: kernel_size must be an int or 2 of them, not 2\.5"):
        F.max_pool2d(x, 2.5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: F.interpolate(x, 3, mode="bilinear", antialias=True).sum(), None, None),
        (lambda x: F.interpolate(x, 3, antialias=True), ValueError, "antialias goes with"),
        (lambda x: F.interpolate(x, 3, mode="lanczos"), ValueError, "needs antialias=True"),
        (lambda x: F.interpolate(x, 3, mode="area", align_corners=True), ValueError, "no meaning for mode 'area'"),
        (lambda x: F.interpolate(x, 3, recompute_scale_factor=True), ValueError, "no meaning with a size"),
        (lambda x: F.interpolate(x.long(), 3, mode="bilinear"), TypeError, "needs floating pixels, not int64"),
        (lambda x: F.interpolate(x, 3, mode="linear"), ValueError, "does not fit an input of shape"),
        (lambda x: F.grid_sample(x, mg.zeros(1, 2, 2, 3)), mg.ShapeError, "needs .N, C, H, W. and .N, OH, OW, 2."),
        (lambda x: F.grid_sample(x, mg.zeros(1, 2, 2, 2), "cubic"), ValueError, "not 'cubic'"),
        (lambda x: F.grid_sample(x, mg.zeros(1, 2, 2, 2), padding_mode="wrap"), ValueError, "not 'wrap'"),
        (lambda x: F.grid_sample(x, mg.zeros(1, 2, 2, 2).double()), RuntimeError, "not float32 and float64"),
        (lambda x: F.affine_grid(mg.zeros(1, 2, 2), (1, 1, 2, 2)), mg.ShapeError, "must be .N, 2, 3. and"),
        (lambda x: F.pdist(x), mg.ShapeError, r"must be \(N, M\)"),
        (lambda x: F.pdist(x[0, 0], -1), ValueError, "not be negative"),
        (lambda x: F.conv_tbc(x, x, None), mg.ShapeError, "must be .T, N, C."),
        (lambda x: F.linear_cross_entropy(x[0, 0], x[0, 0], mg.zeros(4).long(), options=1), NotImplementedError, "leave them at None"),
        (lambda x: F.linear_cross_entropy(x[0], x[0, 0], mg.zeros(4).long()), mg.ShapeError, r"needs an input \(N, in\)"),
    ],
)
def test_errors(call, error, message):
    x = mg.ones(1, 2, 4, 4)
    if error is None:
        assert call(x).item() == pytest.approx(18.0)
        return
    with pytest.raises(error, match=message):
        call(x)


def test_pdist_of_equal_rows_and_other_norms():
    """Distances of 0 have the gradient 0; orders 0 and infinity."""
    x = np.array([[1.0, 2.0], [1.0, 2.0], [4.0, -2.0]])
    for p in (1.0, 2.0, float("inf")):
        assert_twins(F.pdist, T.pdist, [x], {"p": p}, second=False)
    close(F.pdist(mg.tensor(x), 0.0), T.pdist(torch.tensor(x), 0.0), "how many coordinates differ")


def test_the_cases_cover_every_mode():
    modes = {kwargs.get("mode", "nearest") for name, _, kwargs in CASES if name == "interpolate"}
    assert modes >= {"nearest", "nearest-exact", "area", "bilinear", "bicubic", "lanczos"}
    assert len(list(itertools.chain(*[args for _, args, _ in CASES]))) > 100
