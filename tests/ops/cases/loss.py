"""Rows for ``minigrad/ops/loss.py``."""

import numpy as np
from hypothesis import strategies as hs

from cases import Case
from minigrad.ops import loss
from minigrad.testing import strategies as st


@hs.composite
def picks(draw):
    """A batch of log-probabilities with a class and a weight for each place."""
    n, c = draw(hs.integers(0, 3)), draw(hs.integers(1, 4))
    space = draw(st.shapes(0, 2, 0, 3))
    index = draw(st.integers_array((n, *space), 0, c - 1))
    ignored = draw(hs.none() | st.integers_array((n, *space), 0, 1).map(lambda a: a == 1))
    return st.Call(
        (draw(st.arrays((n, c, *space))), index, draw(st.arrays((n, *space), low=0.0))),
        {"ignored": ignored, "summed": draw(hs.booleans())},
    )


@hs.composite
def transposed_picks(draw):
    call = draw(picks())
    x, index, scale = call.args
    shape = () if call.kwargs["summed"] else index.shape
    return st.Call((draw(st.arrays(shape)), index, scale), {"shape": x.shape, **call.kwargs})


@hs.composite
def pairs(draw, each=({}, {}), weight=True, **options):
    """An input and a target of one shape, a reduction, perhaps a weight for each element."""
    shape = draw(st.shapes(0, 3, 1, 3))
    arguments = [draw(st.arrays(shape, **e)) for e in each]
    static = {"reduction": draw(hs.sampled_from(["none", "sum", "mean"]))}
    if weight and draw(hs.booleans()):
        static["weight"] = draw(st.arrays(shape, low=0.2, high=2.0))
    static.update({k: draw(v) for k, v in options.items()})
    return st.Call(arguments, static)


PROBABILITY = {"low": 0.05, "high": 0.95}


def functional(name):
    return lambda torch, *args, **kwargs: getattr(torch.nn.functional, name)(*args, **kwargs)


CASES = [
    Case(loss._nll, picks()),
    Case(loss._nll_input, transposed_picks()),
    Case(loss._cross_entropy, picks()),
    Case(loss.nll_loss, st.logits_and_targets(soft=False, smoothing=False), torch=functional("nll_loss"), wrt="input"),
    Case(
        loss.cross_entropy,
        st.logits_and_targets(soft=False),
        torch=functional("cross_entropy"),
        name="cross_entropy of classes",
        wrt="input",
    ),
    Case(
        loss.cross_entropy,
        st.logits_and_targets(soft=True),
        torch=functional("cross_entropy"),
        name="cross_entropy of probabilities",
        wrt=("input", "target"),
    ),
    Case(loss.mse_loss, pairs(), torch=functional("mse_loss")),
    Case(loss.l1_loss, pairs(weight=False), torch=functional("l1_loss")),
    Case(
        loss._huber,
        st.call(st.arrays(avoid=(-1.25, 1.25)), delta=1.25, factor=0.5),
        numpy=lambda d, delta, factor: factor * np.where(abs(d) < delta, d * d / 2, delta * (abs(d) - delta / 2)),
    ),
    Case(loss.huber_loss, pairs(weight=False, delta=hs.sampled_from([0.5, 1.0])), torch=functional("huber_loss")),
    Case(loss.smooth_l1_loss, pairs(weight=False, beta=hs.sampled_from([0.0, 0.5, 1.0])), torch=functional("smooth_l1_loss")),
    Case(loss._binary_cross_entropy, st.broadcastable(2, each=(PROBABILITY, PROBABILITY))),
    Case(
        loss.binary_cross_entropy,
        pairs(each=(PROBABILITY, PROBABILITY)),
        torch=functional("binary_cross_entropy"),
        wrt=("input", "target"),
    ),
    Case(loss._with_logits, st.broadcastable(2, each=({}, PROBABILITY))),
    Case(loss._with_logits_slope, st.broadcastable(2, each=({}, PROBABILITY))),
    Case(
        loss.binary_cross_entropy_with_logits,
        pairs(each=({}, PROBABILITY)),
        torch=functional("binary_cross_entropy_with_logits"),
        wrt=("input", "target"),
    ),
    Case(
        loss.kl_div,
        pairs(each=({}, PROBABILITY), weight=False, log_target=hs.booleans()),
        torch=functional("kl_div"),
    ),
]
