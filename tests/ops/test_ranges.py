"""No option of a function is taken and ignored: one that is no number, no whole number, out of its range or no choice is refused.

The table of cases gives calls that are right; in each an option is replaced by what it cannot be.
"""

import inspect
import math
import re

import hypothesis
import numpy as np
import pytest
from cases import Case
from hypothesis import strategies as hs
from test_cases import ROWS, results

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.testing import strategies as st

NUMBER = ["1", {}]
WHOLE = [*NUMBER, 1.5, math.nan]
WORDS = ["no such", 1.5]
FLAG = ["no such", 1.5, 2, None]


def at_least(n):
    return [*WHOLE, n - 1, n - 5]


# What an option refuses, by its name; by "op.name" where it means something else there.
WRONG = {
    # numbers
    **dict.fromkeys(["alpha", "beta", "value", "negative_slope", "threshold", "base", "momentum", "eps", "min_val", "max_val", "scale"], NUMBER),
    "lambd": NUMBER, "softshrink.lambd": [*NUMBER, -1.0, math.nan], "correction": NUMBER, "local_response_norm.k": NUMBER,
    "p": NUMBER, "margin": NUMBER, "multi_margin_loss.p": [*NUMBER, 0, 3, 1.5], "start": NUMBER, "end": NUMBER, "step": [*NUMBER, 0],
    **{key: [*NUMBER, -1.0] for key in ["pdist.p"]}, "delta": [*NUMBER, 0, -1.0], "smooth_l1_loss.beta": [*NUMBER, -1.0],
    **{f"{name}.p": [*NUMBER, -0.1, 1.1, math.nan] for name in ["dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"]},
    **{key: [*NUMBER, -0.001, math.nan] for key in ["rtol", "atol"]}, "label_smoothing": [*NUMBER, -0.1, 1.1, math.nan],
    **{key: [*NUMBER, 0, -1.0, math.nan] for key in ["triplet_margin_loss.margin", "triplet_margin_with_distance_loss.margin"]},
    "lower": [*NUMBER, math.nan, math.inf], "upper": [*NUMBER, math.nan, math.inf], "cosine_similarity.eps": [*NUMBER, -1.0],
    "cholesky.upper": [], "norm_type": [*NUMBER, 0], "max_norm": NUMBER, "celu.alpha": [*NUMBER, 0], "tau": NUMBER, "nan": NUMBER, "posinf": NUMBER, "neginf": NUMBER,
    # whole numbers
    **dict.fromkeys(["dim", "dims", "dim0", "dim1", "dim2", "start_dim", "end_dim", "decimals", "diagonal", "offset", "n", "index"], WHOLE),
    **{key: [*WHOLE, True] for key in ["k", "length", "select.index"]}, "chunks": [*at_least(1), True], "narrow.start": [*WHOLE, True],
    "minlength": at_least(0), "eye.n": at_least(0), "steps": at_least(0), "groups": at_least(1), "num_groups": at_least(1), "row": at_least(0), "col": at_least(0),
    "num_classes": [*WHOLE, -2], "num_samples": at_least(1), "ignore_index": WHOLE, "padding_idx": [*WHOLE, 100],
    "upscale_factor": at_least(1), "downscale_factor": at_least(1), "size": at_least(0), "local_response_norm.size": at_least(1),
    "output_size": at_least(0), "repeat_interleave.output_size": [*WHOLE, 100],
    **{key: ["1", {}, 1.5, 0, -1] for key in ["kernel_size", "stride", "dilation"]}, "padding": [{}, 1.5, -1], "output_padding": ["1", {}, 1.5, -1],
    # flags
    **dict.fromkeys(["ceil_mode", "count_include_pad", "scale_grad_by_freq", "sparse", "swap", "log_target", "log_input"], FLAG),
    "keepdim": FLAG, "unbiased": ["no such", 1.5, 2], "poisson_nll_loss.full": FLAG, "divisor_override": [*WHOLE, 0],
    # words
    **dict.fromkeys(["reduction", "mode", "padding_mode", "approximate", "indexing", "rounding_mode"], WORDS), "scatter.reduce": WORDS,
}  # fmt: skip
NOT_HERE = {
    "cast", "sum_to", "broadcast_to", "affine", "standardize", "blend", "centered_sums", "put_add", "unfold_add", "conv", "conv_input", "conv_weight",
    "max_pool", "avg_pool", "max_pool_index", "shift", "linear_recurrence", "contract", "diagonal_put", "take_cells", "add_cells", "crop", "pad_constant",
}  # fmt: skip  # ops inside functions, which have checked


def public(function):
    return any(function is getattr(place, function.__name__, None) for place in (mg, F, mg.linalg, mg.Tensor))


def refused(name, option):
    return WRONG.get(f"{name}.{option}", WRONG.get(option, []))


FIRST = {}
for row in ROWS:
    case = row.values[0]
    if public(case.op) and case.op.__name__ not in NOT_HERE:
        FIRST.setdefault(case.op.__name__, case)
X, X3, PLACES = np.ones((2, 3)), np.ones((2, 4, 3)), np.array([0, 1])
MORE = {  # functions that have no row
    mg.arange: (0.0, 3.0, 1.0), mg.linspace: (0.0, 1.0, 3), mg.logspace: (0.0, 1.0, 3), mg.eye: (3,), mg.tril_indices: (2, 2), mg.triu_indices: (2, 2),
    mg.multinomial: (np.ones(3), 2), F.local_response_norm: (X3, 2), F.triplet_margin_loss: (X, X, X), F.triplet_margin_with_distance_loss: (X, X, X),
    F.multi_margin_loss: (X, PLACES), F.hinge_embedding_loss: (X, X), F.cosine_embedding_loss: (X, X, np.ones(2)), F.margin_ranking_loss: (X, X, X),
    F.pairwise_distance: (X, X), F.pdist: (X,), F.cosine_similarity: (X, X), F.normalize: (X,), F.gumbel_softmax: (X,), F.mse_loss: (X, X),
    F.gaussian_nll_loss: (X, X, X), F.poisson_nll_loss: (X, X), F.kl_div: (X, X), F.channel_shuffle: (X3, 2), F.scaled_dot_product_attention: (X, X, X),
    F.dropout: (X,), F.dropout1d: (X3,), F.alpha_dropout: (X,), F.feature_alpha_dropout: (X3,), F.grid_sample: (np.ones((1, 1, 2, 2)), np.zeros((1, 2, 2, 2))),
    mg.meshgrid: (np.ones(2),), mg.div: (X, X), F.gelu: (X,),
}  # fmt: skip
for function, arguments in MORE.items():
    if function.__name__ not in FIRST:
        FIRST[function.__name__] = Case(function, st.call(*map(hs.just, arguments)))
CASES = [
    pytest.param(case, option, wrong, id=f"{name}-{option}-{wrong}")
    for name, case in FIRST.items()
    for option, p in inspect.signature(case.op).parameters.items()
    for wrong in refused(name, option)
]


def example(case):
    """A call of the row with arrays that have elements."""
    found = hypothesis.find(
        st.call(*case.strategies), lambda call: all(v.size for v in arrays([*call.args, *call.kwargs.values()])), settings=SETTINGS
    )
    return inspect.signature(case.op).bind(*found.args, **found.kwargs)


SETTINGS = hypothesis.settings(
    phases=[hypothesis.Phase.generate],
    max_examples=200,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
_examples = {}


def arrays(values):
    for v in values:
        if isinstance(v, np.ndarray):
            yield v
        elif isinstance(v, (list, tuple)):
            yield from arrays(v)


@pytest.mark.parametrize(("case", "option", "wrong"), CASES)
def test_an_option_that_cannot_be_is_refused(case, option, wrong):
    """By name, of the op or of the option; what is no number at all may be refused by Python, whose TypeError says what it is."""
    name = case.op.__name__
    if name not in _examples:
        _examples[name] = example(case)
    bound = _examples[name].signature.bind(*_examples[name].args, **_examples[name].kwargs)
    if isinstance(bound.arguments.get(option), np.ndarray):
        return  # an operand here
    bound.arguments[option] = wrong
    with np.errstate(all="ignore"), pytest.raises((TypeError, ValueError, IndexError, RuntimeError)) as caught:
        results(case, st.Call(bound.args, bound.kwargs))
    told = [str(caught.value), *getattr(caught.value, "__notes__", ())]
    assert any(re.search(rf"\b{name.rstrip('_')}\b|\b{option}\b", text) for text in told) or isinstance(caught.value, TypeError), told


def test_the_table_is_used():
    assert len(CASES) > 600
    used = {f"{name}.{option}" for name, case in FIRST.items() for option in inspect.signature(case.op).parameters}
    assert not [key for key in WRONG if key not in used and not any(u.endswith(f".{key}") for u in used)]
