"""Rows for ``minigrad/ops/arithmetic.py``."""

import numpy as np
from hypothesis import strategies as hs

from cases import Case
from cases.elementwise import NONZERO, PAIR, SCALED, powers, special, whole
from minigrad.ops import arithmetic
from minigrad.testing import strategies as st


@hs.composite
def exponents(draw):
    x = draw(st.arrays())
    return st.Call((x, draw(st.integers_array(x.shape, -9, 9))))


@hs.composite
def whole_numbers(draw):
    shape = draw(st.shapes())
    return st.Call([draw(st.integers_array(shape, -20, 20)) for _ in range(2)])


CASES = [
    Case(arithmetic.copysign, st.broadcastable(2, avoid=(0.0,), margin=0.2), numpy=np.copysign, torch="copysign"),
    Case(arithmetic.copysign, NONZERO, hs.sampled_from([2, -0.0]), numpy=np.copysign, torch="copysign", name="copysign of a number"),
    Case(arithmetic.heaviside, st.broadcastable(2, each=({"avoid": (0.0,), "margin": 0.2}, {})), numpy=np.heaviside),
    Case(
        arithmetic.heaviside,
        whole(2, -1, 1),
        numpy=np.heaviside,
        torch=lambda torch, x, v: torch.heaviside(x.detach(), v.detach()),
        wrt=(),
        name="heaviside at 0",
    ),
    Case(arithmetic.signbit, special(), numpy=np.signbit, torch="signbit"),
    Case(arithmetic.isposinf, special(), numpy=np.isposinf, torch="isposinf"),
    Case(arithmetic.isneginf, special(), numpy=np.isneginf, torch="isneginf"),
    Case(arithmetic.positive, st.arrays(), numpy=np.positive, torch="positive"),
    Case(arithmetic.rsub, st.call(PAIR, **SCALED), torch="rsub"),
    Case(arithmetic.float_power, powers(), numpy=np.float_power, torch="float_power", float32=False),
    Case(arithmetic.deg2rad, st.arrays(), numpy=np.deg2rad, torch="deg2rad"),
    Case(arithmetic.rad2deg, st.arrays(), numpy=np.rad2deg, torch="rad2deg"),
    Case(arithmetic.ldexp, PAIR, torch="ldexp"),
    Case(arithmetic.scaled, exponents(), numpy=np.ldexp),
    Case(arithmetic._frexp, st.arrays(avoid=(-2.0, -1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 2.0), margin=0.05), numpy=np.frexp),
    Case(
        arithmetic.frexp,
        st.arrays(avoid=(-2.0, -1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 2.0), margin=0.05),
        numpy=np.frexp,
        torch="frexp",
    ),
    Case(arithmetic.nextafter, PAIR, numpy=np.nextafter, torch="nextafter", wrt=()),
    Case(arithmetic.gcd, whole_numbers(), numpy=np.gcd, torch="gcd"),
    Case(arithmetic.lcm, whole_numbers(), numpy=np.lcm, torch="lcm"),
]
