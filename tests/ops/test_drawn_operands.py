"""Every function of several operands, or with a dim, on drawn shapes: 0-d, empty, broadcast and misfitting ones, beside PyTorch.

``CALLS`` says how each function is called, in one line. Result, dtype, gradients and refusal must be PyTorch's; what differs on purpose stands in
``MORE``, ``LESS`` and ``DIFFER`` with its reason. A function without a line fails :func:`test_no_function_is_left_out`.
"""

import inspect
import re

import hypothesis
import numpy as np
import pytest
from answers import noted, on_drawn
from hypothesis import strategies as hs
from test_broadcasting import ELEMENTWISE
from test_dims import DIMS

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.testing import strategies as st

ERRORS = (TypeError, RuntimeError, ValueError, IndexError, NotImplementedError, AttributeError, np.linalg.LinAlgError)
ONE, SOME, ANY = "a dim", "a dim or several", "a dim or None"
REDUCTION = {"reduction": ["none", "mean", "sum"]}
KEEP = {"keepdim": [False, True]}

# A call: its operands, separated by commas, and its options. An operand is a letter for each dimension (the same letter, the same size), * for dimensions
# that broadcast, @ for up to four of any size; then what it holds, if not numbers: p (a probability), s (1 or -1), b (a bool), c (a class below
# the size c), i (0), o (0, 1, 2 ...), w (whole numbers), a (in order). `[...]` is a list of operands. Options: their choices, or a dim.
CALLS = {
    # products
    "matmul": "*nk,*km", "matmul of vectors": "k,*km", "mm": "nk,km", "bmm": "bnk,bkm", "mv": "nk,k", "dot": "k,k", "vdot": "k,k", "inner": "@,k", "outer": "n,m",
    "addmm": "*m,nk,km", "addmv": "*,nk,k", "addr": "*m,n,m", "baddbmm": "*m,bnk,bkm", "addbmm": "*m,bnk,bkm", "linear": "*k,mk,m", "bilinear": "*i,*j,oij,o",
    "kron": "@,nm", "chain_matmul": "nk,km,ml", "multi_dot": "[nk,km,ml]", "cross": ("*n,*n", {"dim": ONE}), "tensordot": ("nkm,kml", {"dims": [0, 1, 2, 3]}),
    "tensordot of pairs": ("nkm,mkl", {"dims": [([1, 2], [1, 0]), ([-1], [0]), ([0], [2])]}), "linalg.solve": "*nn,*nm",
    # elementwise
    **dict.fromkeys(("copysign", "float_power", "heaviside", "nextafter", "rsub"), "*,*"), "ldexp": "*,*:w", "gcd": "*:w,*:w", "lcm": "*:w,*:w",
    # distances
    "cdist": ("*nk,*mk", {"p": [2.0, 1.0, 0.0, float("inf")]}), "renorm": ("@", {"p": [2, 1], "dim": ONE, "maxnorm": [0.5]}),
    "cosine_similarity": ("*k,*k", {"dim": ONE}), "pairwise_distance": ("*k,*k", KEEP), "dist": "*,*", "normalize": ("@", {"dim": ONE}),
    # losses
    **dict.fromkeys(("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss"), ("*,*", REDUCTION)),
    "kl_div": ("*,*:p", REDUCTION), "soft_margin_loss": ("*,*:s", REDUCTION), "hinge_embedding_loss": ("*,*:s", REDUCTION),
    "binary_cross_entropy": ("*:p,*:p", REDUCTION), "binary_cross_entropy_with_logits": ("*,*:p,*,*", REDUCTION), "gaussian_nll_loss": ("*,*,*", REDUCTION),
    "cross_entropy": ("nck,nk:c", REDUCTION), "cross_entropy weighted": ("nc,n:c,c", REDUCTION), "nll_loss": ("nc,n:c,c", REDUCTION),
    "linear_cross_entropy": ("nk,ck,n:c", REDUCTION), "cosine_embedding_loss": ("nk,nk,n:s", REDUCTION), "margin_ranking_loss": ("*,*,*:s", REDUCTION),
    "multi_margin_loss": ("nc,n:c", REDUCTION), "multilabel_margin_loss": ("nc,nc:i", REDUCTION), "multilabel_soft_margin_loss": ("nc,nc:p,c", REDUCTION),
    "triplet_margin_loss": ("*k,*k,*k", REDUCTION), "triplet_margin_with_distance_loss": ("*k,*k,*k", REDUCTION),
    # layers
    "prelu": "nck,c", "scaled_dot_product_attention": "*lk,*sk,*sv", "scaled_dot_product_attention masked": "*lk,*sk,*sv,*ls:b",
    "layer_norm": ("nk,k,k", {"normalized_shape": [[1], [2], [3]]}), "rms_norm": ("nk,k", {"normalized_shape": [[1], [2], [3]]}),
    "batch_norm": "nck,c,c,c,c", "instance_norm": "nck,c,c,c,c", "group_norm": ("nck,c,c", {"num_groups": [1, 2]}), "glu": ("@", {"dim": ONE}),
    # places
    "gather": ("@,@:i", {"dim": ONE}), "scatter": ("@,@:i,@", {"dim": ONE}), "scatter_add": ("@,@:i,@", {"dim": ONE}), "take": "@,@:i",
    "take_along_dim": ("@,@:i", {"dim": ANY}), "index_select": ("@,n:i", {"dim": ONE}), "index_add": ("nm,k:i,km", {"dim": ONE}), "index_copy": ("nm,j:o,jm", {"dim": ONE}),
    "index_fill": ("@,n:i", {"dim": ONE, "value": [1.5]}), "masked_fill": ("*,*:b", {"value": [1.5]}), "masked_select": "*,*:b", "masked_scatter": "*,*:b,@",
    "bincount": "n:i,n", "where": "*:b,*,*",
    "index_reduce": ("nm,j:o,jm", {"dim": ONE, "reduce": ["prod", "mean", "amax", "amin"]}), "put": "nm,k:o,k",
    "scatter_reduce": ("@,@:i,@", {"dim": ONE, "reduce": ["sum", "prod", "mean", "amax", "amin"]}),
    "searchsorted": "*n:a,*m", "bucketize": "@,n:a", "isin": "@,@",
    "select_scatter": ("nm,m", {"dim": ONE, "index": [0, 1, -1]}), "diagonal_scatter": ("nn,n", {"offset": [0, 1, -1], "dim1": ONE, "dim2": ONE}),
    "slice_scatter": ("nm,nm", {"dim": ONE, "start": [0, 1, None], "end": [None, 1, -1], "step": [1, 2]}),
    # reductions
    **{name: ("@", {"dim": ONE, **KEEP}) for name in ("mode", "nanmedian")}, "cov": ("nm", {"correction": [0, 1]}),
    **{name: ("@", {"q": [0.0, 0.3, 1.0], "dim": ANY, **KEEP}) for name in ("quantile", "nanquantile")}, "unique_consecutive": ("@", {"dim": ANY}),
    **{name: ("@", {"dim": ONE}) for name in ("trapezoid", "cumulative_trapezoid")},
    "diff": ("@", {"n": [0, 1, 2], "dim": ONE}), "gradient": ("@", {"dim": SOME}),
    **{name: ("@", {"dim": SOME, **KEEP}) for name in ("sum", "mean", "nansum", "nanmean", "amax", "amin", "all", "any", "logsumexp", "var", "std", "var_mean", "std_mean")},
    **{name: ("@", {"dim": ANY, **KEEP}) for name in ("argmax", "argmin", "aminmax")}, "count_nonzero": ("@", {"dim": SOME}),
    **{name: ("@", {"dim": ONE, **KEEP}) for name in ("max", "min", "median", "prod")}, "kthvalue": ("@", {"k": [1, 2], "dim": ONE, **KEEP}),
    "norm": ("@", {"p": [2, 1, 3.0, float("inf")], "dim": SOME, **KEEP}), "vector_norm": ("@", {"ord": [2, 1, 0, float("inf")], "dim": SOME, **KEEP}),
    "matrix_norm": ("@", {"ord": ["fro", 1, float("inf")], "dim": [(0, 1), (-1, -2), (0, 0), (2, 0)], **KEEP}), "linalg.norm": ("@", {"dim": SOME, **KEEP}),
    **{name: ("@", {"dim": ONE}) for name in ("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin", "softmax", "log_softmax", "softmin")},
    "sort": ("@", {"dim": ONE, "descending": [False, True], "stable": [True]}), "argsort": ("@", {"dim": ONE, "stable": [True]}), "topk": ("@", {"k": [0, 1, 2], "dim": ONE}),
    "unique": ("@", {"dim": ANY}),
    # shapes
    "block_diag": "nm,k", "cartesian_prod": "n,m", "split_with_sizes": ("@", {"split_sizes": [[1, 2], [0, 3], [1]], "dim": ONE}),
    **dict.fromkeys(("broadcast_tensors", "hstack", "vstack", "dstack", "column_stack", "meshgrid"), "[*,*]"), "cat": ("[nmk,nmk]", {"dim": ONE}), "stack": ("[nm,nm]", {"dim": ONE}),
    "flip": ("@", {"dims": SOME}), "roll": ("@", {"shifts": [1, -2, (1, 2)], "dims": SOME}), "rot90": ("@", {"k": [1, 2], "dims": [(0, 1), (1, -1), (0, 0), (2, 0)]}),
    "flatten": ("@", {"start_dim": ONE, "end_dim": ONE}), "unflatten": ("@", {"dim": ONE, "sizes": [(1, -1), (2, 1), (-1, 3), (3,)]}), "squeeze": ("@", {"dim": SOME}),
    "unsqueeze": ("@", {"dim": ONE}), "movedim": ("@", {"source": SOME, "destination": SOME}), "transpose": ("@", {"dim0": ONE, "dim1": ONE}),
    "permute": ("@", {"dims": SOME}), "narrow": ("@", {"dim": ONE, "start": [0, 1, -1], "length": [0, 1, 2]}), "select": ("@", {"dim": ONE, "index": [0, 1, -1, -2]}),
    "chunk": ("@", {"chunks": [1, 2, 5], "dim": ONE}), "split": ("@", {"split_size_or_sections": [1, 2, [1, 2], [0, 3]], "dim": ONE}),
    "tensor_split": ("@", {"indices_or_sections": [2, (1, 2), (1,)], "dim": ONE}), "unbind": ("@", {"dim": ONE}), "tile": ("@", {"dims": [(2,), (1, 2), (0,)]}),
    "repeat_interleave": ("@", {"repeats": [0, 2], "dim": ANY}), "diagonal": ("@", {"offset": [0, 1, -1], "dim1": ONE, "dim2": ONE}),
    "diag_embed": ("@", {"offset": [0, 1], "dim1": ONE, "dim2": ONE}),
}  # fmt: skip
FIRST_OPTION = {  # their first option is their second argument
    "gather", "scatter", "scatter_add", "index_select", "index_add", "index_copy", "index_fill", "index_reduce", "scatter_reduce", "layer_norm", "rms_norm", "group_norm", "tensor_split",
}  # fmt: skip
OTHERWISE = {
    "add": "elementwise", "true_divide": "div under another name", "contract": "an op inside einsum", "allclose": "a bool", "equal": "a bool",
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "conv_tbc"), "tests/ops/test_conv.py"),
    "multi_head_attention_forward": "tests/ops/test_attention.py", "ctc_loss": "tests/ops/test_ctc.py", "gumbel_softmax": "random", "binomial": "random", "trapz": "trapezoid under another name",
    **dict.fromkeys(("max_unpool1d", "max_unpool2d", "max_unpool3d"), "tests/ops/test_pool.py"), "index_put": "tests/ops/test_index.py",
    **dict.fromkeys(("lu_solve", "solve_triangular", "tensorsolve", "lstsq", "vecdot", "cholesky_solve", "lu_unpack", "triangular_solve", "householder_product", "orgqr", "ormqr", "solve_ex"), "tests/ops/test_linalg.py"),
    "nuclear_norm": "matrix_norm", "old_norm": "norm", "frobenius_norm": "matrix_norm", "stft": "tests/ops/test_fft.py",
    "complex": "tests/ops/test_fft.py", "polar": "tests/ops/test_fft.py", "embedding_bag": "tests/ops/cases/embedding.py",
    "grid_sample": "tests/ops/test_functional_twin.py", **dict.fromkeys(("histogram", "histogramdd"), "tests/ops/test_statistics.py"),
    "igamma": "gammainc under another name", "igammac": "gammaincc under another name",
    "positive_dim": "of no tensor", "positive_dims": "of no tensor",
}  # fmt: skip
# Where PyTorch refuses and minigrad computes: function (or *) -> a pattern of PyTorch's message, and why.
MORE = {
    "*": {
        "is not implemented|not implemented for|is not differentiable": "PyTorch lacks a derivative, or a kernel",
        "must be tuple of ints, not (int|None)|invalid combination of arguments": "a dim stands for a tuple of one, None for all, everywhere",
    },
    "addmv": {"size mismatch|outer:": "(1,) broadcasts to (0,)"},
    "bilinear": {"cannot reshape": "nothing is summed: zeros, as of a matrix product"},
    "chain_matmul": {"expected 2 instead": "vectors at the ends, as for multi_dot"},
    "binary_cross_entropy_with_logits": {"Boolean value of Tensor": "PyTorch asks a tensor for its truth before it broadcasts"},
    "batch_norm": {"index 0 out of range": "no channel is normalised to nothing"},
    "instance_norm": {"index 0 out of range": "as batch_norm"},
    "scaled_dot_product_attention": {"doesn't match the broadcast shape": "the batches of a mask and of values broadcast like the others"},
    "scatter": {"Expected index|invalid gradient": "a 0-d tensor is a vector of one, and an index of any length may name its place"},
    "scatter_add": {"Expected index|invalid gradient": "as scatter"},
    "scatter_reduce": {"Expected index|Index tensor must have": "as scatter"},
    "unique_consecutive": {"(zero|0) sized dimensions": "as unique"},
    "logsumexp": {"doesn't match the broadcast shape": "no dim stands for all"},
    "norm": {"If dim is specified": "a 0-d tensor has a norm"},
    "linalg.norm": {"If dim is specified": "a 0-d tensor has a norm"},
    "unique": {"(zero|0) sized dimensions": "nothing has no unique slices"},
}
# Where PyTorch computes and minigrad refuses: function -> a pattern of minigrad's message, and why.
LESS = {
    "linear": {"bias has shape": "a bias has an element for each output; PyTorch broadcasts a single number"},
    "multilabel_soft_margin_loss": {
        "must have the same shape": "a target of another shape is a mistake; PyTorch broadcasts without a word"
    },
    "scaled_dot_product_attention": {"inner sizes differ|do not broadcast": "PyTorch does not look at the other sizes if one is 0"},
    "batch_norm": {"has shape": "PyTorch does not look at the parameters of an empty batch"},
    "scatter": {"must have as many dimensions": "of a 0-d tensor PyTorch does not look at an empty index"},
    "scatter_add": {"must have as many dimensions": "as scatter"},
    "index_fill": {"out of bounds": "PyTorch does not look at an index into nothing"},
    "bincount": {"must have the shape": "PyTorch does not look at the weights of nothing"},
    "diff": {"is out of range": "PyTorch does not look at the dim for a difference of order 0"},
    "cummax": {"is out of range": "PyTorch does not look at the dim of an empty tensor"},
    "cummin": {"is out of range": "as cummax"},
}
# Calls whose results differ: which, and why.
DIFFER = {
    "scaled_dot_product_attention": ("empty", "the shape is that of the products; PyTorch gives the query's if one size is 0"),
    "group_norm": ("empty", "the gradient of a weight that meets nothing is 0; PyTorch's is NaN"),
    **dict.fromkeys(
        ("var", "std", "var_mean", "std_mean"), ("no dim", "the value is that of all dims in PyTorch too, but its gradient is infinite")
    ),
    "bincount": ("empty", "weights make floats; PyTorch counts nothing in integers"),
    **dict.fromkeys(
        ("multi_margin_loss", "multilabel_margin_loss"), ("empty", "the mean of nothing is NaN; PyTorch gives whatever stands in memory")
    ),
    **dict.fromkeys(("any", "all"), ("no dim", "over no dim is over all dims, as for sums; PyTorch gives one for each element")),
}


@hs.composite
def calls(draw, name):
    operands, options = CALLS[name] if isinstance(CALLS[name], tuple) else (CALLS[name], {})
    sizes = {letter: draw(hs.sampled_from([2, 1, 3, 2, 0])) for letter in sorted(set(re.sub(":.|[^a-z]", "", operands)))}
    broadcast = tuple(draw(hs.lists(hs.sampled_from([2, 1, 3, 0]), max_size=2)))
    spoilt = draw(hs.integers(0, 2 * (operands.count(",") + 1)))  # which operand gets another shape; mostly none
    arrays = []
    for n, text in enumerate(operands.strip("[]").split(",")):
        shape = []
        letters, _, kind = text.partition(":")
        for letter in letters:
            if letter == "*":
                shape += [draw(hs.sampled_from((k, k, 1))) for k in broadcast][draw(hs.integers(0, 3)) // 2 :]
            elif letter == "@":
                shape += draw(hs.lists(hs.sampled_from([2, 1, 3, 0]), max_size=4))
            else:
                shape.append(sizes[letter])
        if n == spoilt:
            shape = draw(
                hs.sampled_from([[*shape, 2], [1, *shape], shape[1:], [3, *shape[1:]], [0, *shape[1:]], shape[:-1], [*shape[:-1], 1]])
            )
        values = np.random.default_rng(draw(hs.integers(0, 99))).uniform(0.2, 2.5, shape)
        arrays.append(
            np.asarray(
                {
                    "f": lambda v: v, "p": lambda v: v / 3, "s": lambda v: np.sign(v - 1), "b": lambda v: v > 1,
                    "c": lambda v: (v * 7).astype(np.int64) % max(sizes.get("c", 1), 1), "i": lambda v: np.zeros(v.shape, np.int64),
                    "w": lambda v: (v * 4).astype(np.int64), "a": lambda v: np.sort(v, -1) if v.ndim else v,
                    "o": lambda v: np.arange(v.size).reshape(v.shape),
                }[kind or "f"](values)
            )
        )  # fmt: skip
    n = arrays[0].ndim
    one = hs.integers(-n - 1, n)
    kinds = {ONE: one, ANY: hs.none() | one, SOME: hs.none() | one | hs.lists(one, max_size=3).map(tuple)}
    kwargs = {name: draw(kinds[choice] if isinstance(choice, str) else hs.sampled_from(choice)) for name, choice in options.items()}
    args = [arrays] if operands.startswith("[") else arrays
    if name in FIRST_OPTION:
        args.insert(1, kwargs.pop(next(iter(options))))
    return st.Call(args, kwargs)


def resolved(library, name):
    name = name.split(" ")[0]
    places = (library.nn.functional, library, library.linalg)
    if "." in name:
        return getattr(library.linalg, name.split(".")[1])
    return next(getattr(place, name) for place in places if callable(getattr(place, name, None)))


def outcome(library, name, call):
    """Results and gradients, or the text of a refusal."""
    leaves = []

    def given(value):
        if isinstance(value, list) and any(isinstance(v, np.ndarray) for v in value):
            return [given(v) for v in value]
        if not isinstance(value, np.ndarray):
            return value
        leaves.append(
            library.tensor(value.copy(), requires_grad=value.dtype.kind == "f" and not name.startswith(("batch_norm", "instance_norm")))
        )
        return leaves[-1]

    try:
        with np.errstate(all="ignore"):
            args = [given(a) for a in call.args]
            found = resolved(library, name)(*args, **call.kwargs)
            outputs = list(found) if isinstance(found, (tuple, list)) else [found]
            results = [np.asarray(y.detach().numpy()) for y in outputs]
            outputs = [y for y in outputs if y.requires_grad]
            inputs = [x for x in leaves if x.requires_grad]
            weights = [library.tensor(np.cos(np.arange(y.numel(), dtype=float)).reshape(tuple(y.shape))) for y in outputs]
            gradient = library.grad if library is mg else library.autograd.grad
            gradients = gradient(outputs, inputs, weights, allow_unused=True) if outputs else [None] * len(inputs)
    except ERRORS as error:
        return f"{type(error).__name__}: {error}".partition("\n")[0][:160]
    return results, [np.zeros(tuple(x.shape)) if g is None else g.detach().numpy() for x, g in zip(inputs, gradients, strict=True)]


def excused(table, name, text):
    return any(re.search(pattern, text) for key in (name.split(" ")[0], "*") for pattern in table.get(key, {}))


def differs(name, call):
    which, _ = DIFFER.get(name.split(" ")[0], ("", ""))
    return (which == "empty" and any(np.size(a) == 0 for a in call.args)) or (which == "no dim" and call.kwargs.get("dim") == ())


def over(name, test):
    @hypothesis.settings(
        max_examples=20, deadline=None, database=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck)
    )
    @hypothesis.given(call=calls(name))
    def run(call):
        test(call)

    run()


@pytest.mark.filterwarnings("ignore")  # PyTorch's own advice, and ours
@pytest.mark.parametrize("name", CALLS)
def test_drawn_operands(name):
    def test(call):
        if differs(name, call):
            return
        mine, theirs = outcome(mg, name, call), noted(lambda torch: outcome(torch, name, call))
        if isinstance(theirs, str):
            assert isinstance(mine, str) or excused(MORE, name, theirs), f"{name}: {call} is computed, but PyTorch: {theirs}"
            return
        assert not isinstance(mine, str) or excused(LESS, name, mine), f"{name}: {call} is refused: {mine}"
        if isinstance(mine, str):
            return
        for kind, a, b in zip(("results", "gradients"), mine, theirs, strict=True):
            assert [(x.shape, x.dtype) for x in a] == [(x.shape, x.dtype) for x in b], f"{name}: {call}: {kind} {a}, not {b}"
            for x, y in zip(a, b, strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-7, atol=1e-9, err_msg=f"{name}: {call}: {kind}")

    on_drawn(lambda run: over(name, run), test)


def test_no_function_is_left_out():
    drawn = {name.split(" ")[0].removeprefix("linalg.") for name in CALLS} | {name for names in ELEMENTWISE.values() for name in names}
    missing = []
    for name, function in {**vars(mg.linalg), **vars(F), **{name: getattr(mg, name) for name in mg.__all__}}.items():
        if inspect.isfunction(function) and not name.startswith("_") and function.__module__.startswith("minigrad.ops"):
            parameters, op = inspect.signature(function).parameters, getattr(function, "op", None)
            operands = [
                p for p, value in parameters.items()
                if (op and (p in op.inputs or p == op.variadic)) or re.search("Tensor|Operand", str(value.annotation))
            ]  # fmt: skip
            many = len(operands) > 1 or any("Sequence" in str(parameters[p].annotation) or parameters[p].kind == 2 for p in operands)
            if (many or DIMS & {*parameters}) and not {name, function.__name__} & (drawn | {*OTHERWISE}):
                missing.append(name)
    assert not missing, f"functions of several operands, or with a dim, that are not drawn: {missing}"
