"""Rows for ``minigrad/ops/elementwise.py``."""

import numpy as np
from hypothesis import strategies as hs

from cases import Case
from minigrad.ops import elementwise
from minigrad.testing import strategies as st

ANY = st.arrays()
BELOW_OVERFLOW = st.arrays(low=-700.0, high=700.0)  # the largest float64 is e ** 709.78
POSITIVE = st.arrays(low=0.1, high=4.0)
NONZERO = st.arrays(avoid=(0.0,), margin=0.2)
INSIDE = st.arrays(low=-0.9, high=0.9)
PAIR = st.broadcastable(2)
DIVISION = st.broadcastable(2, each=({}, {"avoid": (0.0,), "margin": 0.2}))


@hs.composite
def whole(draw, n=1, low=-3, high=3):
    """Broadcastable float arrays of whole numbers, so that there are ties."""
    call = draw(st.broadcastable(n, low=low, high=high))
    return st.Call([np.asarray(np.round(a)) for a in call.args])


@hs.composite
def integers(draw, n=2, low=-9, high=9):
    """Integer or boolean arrays of one shape."""
    shape = draw(st.shapes())
    if draw(hs.booleans()):
        return st.Call([draw(st.booleans_array(shape)) for _ in range(n)])
    return st.Call([draw(st.integers_array(shape, low, high)) for _ in range(n)])


@hs.composite
def shifts(draw):
    shape = draw(st.shapes())
    return st.Call((draw(st.integers_array(shape, -9, 9)), draw(st.integers_array(shape, 0, 5))))


@hs.composite
def moduli(draw):
    """Operands of a remainder whose quotient is not near a whole number, where it jumps."""
    call = draw(st.broadcastable(2, each=({"low": -4.0, "high": 4.0}, {"low": 0.5, "high": 3.0})))
    quotient, divisor = call.args
    divisor = divisor * draw(hs.sampled_from([1.0, -1.0]))
    shape = np.broadcast_shapes(quotient.shape, divisor.shape)
    whole_part = np.round(np.broadcast_to(quotient, shape))
    rest = draw(st.arrays(shape, low=0.2, high=0.8))
    return st.Call((np.asarray((whole_part + rest) * divisor), np.asarray(divisor)))


@hs.composite
def powers(draw):
    """A positive base with any exponent, or a base of any sign with an integer."""
    if draw(hs.booleans()):
        return draw(st.broadcastable(2, each=({"low": 0.2, "high": 3.0}, {"low": -2.0, "high": 2.0})))
    return draw(st.call(ANY, hs.sampled_from([0, 1, 2, 3, 2.0, 0.0])))


@hs.composite
def bounds(draw, **options):
    """An array with bounds that are missing, numbers, or arrays that differ (at x = min = max the gradient is PyTorch's: 1 for x)."""
    low, high, x = draw(st.broadcastable(3, each=({"low": -2.0, "high": 0.5}, {"low": -0.5, "high": 2.0}), **options)).args
    low = np.asarray(low + 0.0123)
    kind = draw(hs.sampled_from(["numbers", "arrays", "min", "max", "min array", "max array"]))
    if kind == "numbers":
        return st.Call((x, -1.0, 1.5))
    return st.Call((x,), {"arrays": {"min": low, "max": high}, "min": {"min": -1.0}, "max": {"max": 1.0}, "min array": {"min": low},
                          "max array": {"max": high}}[kind])  # fmt: skip


@hs.composite
def number_and_array(draw, numbers, **options):
    """A Python number and an array, in one order or the other."""
    number, array = draw(hs.sampled_from(numbers)), draw(st.arrays(**options))
    return st.Call((number, array) if draw(hs.booleans()) else (array, number))


@hs.composite
def choices(draw, numbers=True):
    """A mask and two arrays, one of which may be a number."""
    a, b, mask = draw(st.broadcastable(3)).args
    mask = np.asarray(mask > 0)
    kind = draw(hs.sampled_from(["arrays", "other", "input"])) if numbers else "arrays"
    number = draw(hs.sampled_from([0.0, 0, 2.5]))
    return st.Call((mask, number if kind == "input" else a, number if kind == "other" else b))


@hs.composite
def special(draw):
    """Arrays in which NaN, infinities and zeros of both signs are among the numbers."""
    x = draw(ANY)
    which = draw(st.integers_array(x.shape, 0, 6))
    return np.asarray(np.choose(which, [x, np.nan, np.inf, -np.inf, 0.0, -0.0, x]))


SCALED = {"alpha": hs.sampled_from([1, 2, -0.5])}
VALUED = {"value": hs.sampled_from([1, 2.0, -0.5])}


def torch_sized(name):
    """A function of torch that takes tensors only, given numbers too."""

    def function(torch, *args):
        dtype = torch.result_type(*args)
        return getattr(torch, name)(*[torch.tensor(a, dtype=dtype) if isinstance(a, (int, float)) else a for a in args])

    return function


CASES = [
    # arithmetic
    Case(elementwise.plus, PAIR, numpy=np.add, torch="add", name="plus"),
    Case(elementwise.plus, number_and_array([2, 0.5]), numpy=np.add, torch=lambda torch, a, b: a + b, name="add a number"),
    Case(elementwise.minus, PAIR, numpy=np.subtract, torch="sub", name="minus"),
    Case(elementwise.minus, number_and_array([2, 0.5]), numpy=np.subtract, torch=lambda torch, a, b: a - b, name="sub a number"),
    Case(elementwise.mul, PAIR, numpy=np.multiply, torch="mul"),
    Case(elementwise.mul, number_and_array([2, 0.5]), numpy=np.multiply, torch=lambda torch, a, b: a * b, name="mul a number"),
    Case(elementwise.over, DIVISION, numpy=np.divide, torch="div", name="over"),
    Case(elementwise.over, number_and_array([2, 0.5], avoid=(0.0,), margin=0.2), torch=lambda torch, a, b: a / b, name="div a number"),
    Case(elementwise.neg, ANY, numpy=np.negative, torch="neg"),
    Case(elementwise.floor_divide, moduli(), numpy=np.floor_divide, wrt=()),
    Case(elementwise.div_trunc, moduli(), numpy=lambda x, y: np.trunc(x / y), wrt=()),
    Case(elementwise.remainder, moduli(), numpy=np.remainder, torch="remainder"),
    Case(elementwise.fmod, moduli(), numpy=np.fmod, torch="fmod"),
    Case(elementwise.add, st.call(PAIR, **SCALED), torch="add"),
    Case(elementwise.sub, st.call(PAIR, **SCALED), torch="sub"),
    Case(elementwise.div, st.call(moduli(), rounding_mode=hs.sampled_from([None, "trunc", "floor"])), torch="div"),
    Case(elementwise.addcmul, st.call(st.broadcastable(3), **VALUED), torch="addcmul"),
    Case(elementwise.addcdiv, st.call(st.broadcastable(3, each=({}, {}, {"avoid": (0.0,), "margin": 0.2})), **VALUED), torch="addcdiv"),
    Case(elementwise.lerp, st.broadcastable(3), torch="lerp"),
    Case(elementwise.lerp, st.call(PAIR, hs.sampled_from([0.0, 0.25, 0.75, 1.0])), torch="lerp", name="lerp by a number"),
    # powers and roots
    Case(elementwise.pow, powers(), numpy=np.power, torch="pow"),
    Case(elementwise.pow, POSITIVE, hs.sampled_from([0.5, -1, -0.5, 1.5]), numpy=np.power, torch="pow", name="pow with a number"),
    Case(elementwise.pow, hs.sampled_from([2, 0.5, 1]), ANY, torch="pow", name="pow of a number"),
    Case(elementwise.pow, 0, POSITIVE, torch="pow", name="pow of 0"),
    Case(elementwise.square, ANY, numpy=np.square, torch="square"),
    Case(elementwise.sqrt, POSITIVE, numpy=np.sqrt, torch="sqrt"),
    Case(elementwise.rsqrt, POSITIVE, numpy=lambda x: 1 / np.sqrt(x), torch="rsqrt"),
    Case(elementwise.reciprocal, NONZERO, numpy=np.reciprocal, torch="reciprocal"),
    Case(elementwise.hypot, st.broadcastable(2, avoid=(0.0,), margin=0.2), numpy=np.hypot, torch=torch_sized("hypot")),
    # exponentials and logarithms
    Case(elementwise.exp, BELOW_OVERFLOW, numpy=np.exp, torch="exp"),
    Case(elementwise.exp2, ANY, numpy=np.exp2, torch="exp2"),
    Case(elementwise.expm1, BELOW_OVERFLOW, numpy=np.expm1, torch="expm1"),
    Case(elementwise.log, POSITIVE, numpy=np.log, torch="log"),
    Case(elementwise.log2, POSITIVE, numpy=np.log2, torch="log2"),
    Case(elementwise.log10, POSITIVE, numpy=np.log10, torch="log10"),
    Case(elementwise.log1p, st.arrays(low=-0.8, high=4.0), numpy=np.log1p, torch="log1p"),
    Case(elementwise.logaddexp, PAIR, numpy=np.logaddexp, torch="logaddexp"),
    Case(elementwise.logaddexp2, PAIR, numpy=np.logaddexp2, torch="logaddexp2"),
    Case(elementwise.xlogy, st.broadcastable(2, each=({}, {"low": 0.2, "high": 3.0})), torch="xlogy"),
    Case(elementwise.xlogy, ANY, hs.sampled_from([2.0, 0.5]), torch="xlogy", name="xlogy with a number"),
    Case(elementwise.xlogy, hs.sampled_from([2.0, 0.0]), POSITIVE, torch="xlogy", name="xlogy of a number"),
    Case(elementwise._logit, st.arrays(low=0.05, high=0.95), torch="logit"),
    Case(elementwise.logit, st.arrays(low=0.02, high=0.98), hs.sampled_from([None, 0.1]), torch="logit"),
    # circular and hyperbolic
    Case(elementwise.sin, ANY, numpy=np.sin, torch="sin"),
    Case(elementwise.cos, ANY, numpy=np.cos, torch="cos"),
    Case(elementwise.tan, st.arrays(low=-1.3, high=1.3), numpy=np.tan, torch="tan"),
    Case(elementwise.asin, INSIDE, numpy=np.arcsin, torch="asin"),
    Case(elementwise.acos, INSIDE, numpy=np.arccos, torch="acos"),
    Case(elementwise.atan, ANY, numpy=np.arctan, torch="atan"),
    Case(elementwise.atan2, st.broadcastable(2, avoid=(0.0,), margin=0.2), numpy=np.arctan2, torch="atan2"),
    Case(elementwise.atan2, number_and_array([2, 0.5]), numpy=np.arctan2, torch=torch_sized("atan2"), name="atan2 of a number"),
    Case(elementwise.sinh, BELOW_OVERFLOW, numpy=np.sinh, torch="sinh"),
    Case(elementwise.cosh, BELOW_OVERFLOW, numpy=np.cosh, torch="cosh"),
    Case(elementwise.tanh, ANY, numpy=np.tanh, torch="tanh"),
    Case(elementwise.asinh, ANY, numpy=np.arcsinh, torch="asinh"),
    Case(elementwise.acosh, st.arrays(low=1.2, high=5.0), numpy=np.arccosh, torch="acosh"),
    Case(elementwise.atanh, INSIDE, numpy=np.arctanh, torch="atanh"),
    Case(elementwise.sigmoid, st.arrays(low=-8.0, high=8.0), numpy=lambda x: 1 / (1 + np.exp(-x)), torch="sigmoid"),
    Case(elementwise.erf, ANY, torch="erf"),
    Case(elementwise.erfc, ANY, torch="erfc"),
    Case(elementwise.erfinv, INSIDE, torch="erfinv"),
    # sign, rounding, bounds
    Case(elementwise.abs, ANY, numpy=np.abs, torch="abs"),
    Case(elementwise.sign, ANY, numpy=np.sign, torch="sign"),
    Case(elementwise.floor, st.arrays(avoid=range(-3, 4)), numpy=np.floor, torch="floor"),
    Case(elementwise.ceil, st.arrays(avoid=range(-3, 4)), numpy=np.ceil, torch="ceil"),
    Case(elementwise.trunc, st.arrays(avoid=range(-3, 4)), numpy=np.trunc, torch="trunc"),
    Case(elementwise.round, st.arrays(avoid=np.arange(-3.5, 4)), numpy=np.round, torch="round"),
    Case(elementwise.round, st.call(st.arrays(), decimals=1), numpy=np.round, torch="round", wrt=(), name="round to decimals"),
    Case(elementwise.frac, st.arrays(avoid=range(-3, 4)), numpy=lambda x: x - np.trunc(x), torch="frac"),
    Case(elementwise.clamp, bounds()),
    Case(elementwise.clamp, bounds(min_side=1), torch="clamp", name="clamp as PyTorch's"),  # which cannot broadcast 1 to 0
    Case(elementwise.clamp_min, ANY, hs.sampled_from([0.0, -1.0]), numpy=np.maximum, torch="clamp_min"),
    Case(elementwise.clamp_max, ANY, hs.sampled_from([0.0, 1.0]), numpy=np.minimum, torch="clamp_max"),
    Case(elementwise.maximum, PAIR, numpy=np.maximum, torch="maximum"),
    Case(elementwise.maximum, whole(2, -1, 1), numpy=np.maximum, torch="maximum", name="maximum with ties"),
    Case(elementwise.minimum, PAIR, numpy=np.minimum, torch="minimum"),
    Case(elementwise.minimum, whole(2, -1, 1), numpy=np.minimum, torch="minimum", name="minimum with ties"),
    Case(elementwise.fmax, PAIR, numpy=np.fmax, torch="fmax"),
    Case(elementwise.fmin, PAIR, numpy=np.fmin, torch="fmin"),
    Case(elementwise.nan_to_num, ANY, numpy=np.nan_to_num, torch="nan_to_num"),
    Case(elementwise.clone, ANY, numpy=np.copy, torch="clone"),
    # choosing
    Case(elementwise.where, choices(), numpy=np.where, torch="where"),
    # questions
    Case(elementwise.eq, whole(2), numpy=np.equal, torch="eq"),
    Case(elementwise.ne, whole(2), numpy=np.not_equal, torch="ne"),
    Case(elementwise.lt, whole(2), numpy=np.less, torch="lt"),
    Case(elementwise.le, whole(2), numpy=np.less_equal, torch="le"),
    Case(elementwise.gt, whole(2), numpy=np.greater, torch="gt"),
    Case(elementwise.ge, whole(2), numpy=np.greater_equal, torch="ge"),
    Case(elementwise.logical_and, whole(2, -1, 1), numpy=np.logical_and, torch="logical_and"),
    Case(elementwise.logical_or, whole(2, -1, 1), numpy=np.logical_or, torch="logical_or"),
    Case(elementwise.logical_xor, whole(2, -1, 1), numpy=np.logical_xor, torch="logical_xor"),
    Case(elementwise.logical_not, whole(), numpy=np.logical_not, torch="logical_not"),
    Case(elementwise.bitwise_and, integers(), numpy=np.bitwise_and, torch="bitwise_and"),
    Case(elementwise.bitwise_or, integers(), numpy=np.bitwise_or, torch="bitwise_or"),
    Case(elementwise.bitwise_xor, integers(), numpy=np.bitwise_xor, torch="bitwise_xor"),
    Case(elementwise.bitwise_not, integers(1), numpy=np.invert, torch="bitwise_not"),
    Case(elementwise.bitwise_left_shift, shifts(), numpy=np.left_shift, torch="bitwise_left_shift"),
    Case(elementwise.bitwise_right_shift, shifts(), numpy=np.right_shift, torch="bitwise_right_shift"),
    Case(elementwise.isnan, special(), numpy=np.isnan, torch="isnan"),
    Case(elementwise.isinf, special(), numpy=np.isinf, torch="isinf"),
    Case(elementwise.isfinite, special(), numpy=np.isfinite, torch="isfinite"),
    Case(elementwise.isclose, st.call(whole(2), atol=hs.sampled_from([0.0, 1.0]), rtol=hs.sampled_from([1e-5, 0.5])), torch="isclose"),
    Case(elementwise.allclose, whole(2, -1, 1), numpy=np.allclose, wrt=()),
    Case(elementwise.equal, whole(2, -1, 1), numpy=np.array_equal, wrt=()),
]
