"""Rows for ``minigrad/ops/special.py``."""

import numpy as np
from hypothesis import strategies as hs

from cases import Case
from minigrad.ops import special
from minigrad.testing import strategies as st

ANY = st.arrays()
POSITIVE = st.arrays(low=0.3, high=6.0)
BETWEEN_POLES = st.arrays(low=-3.0, high=6.0, avoid=(-3.0, -2.0, -1.0, 0.0), margin=0.2)
PROBABILITY = st.arrays(low=0.02, high=0.98)
FEW = st.arrays(low=-4.0, high=4.0)
SOME = {"examples": 15}  # of what is composed of an op that has its own row

CASES = [
    Case(special.lgamma, BETWEEN_POLES, torch="lgamma"),
    Case(special.digamma, BETWEEN_POLES, torch="digamma"),
    Case(special.polygamma, hs.integers(0, 4), BETWEEN_POLES, torch="polygamma"),
    Case(special.multigammaln, st.arrays(low=1.2, high=5.0), hs.sampled_from([1, 2, 3]), torch="special.multigammaln", **SOME),
    Case(
        special.zeta,
        st.broadcastable(2, each=({"low": 1.2, "high": 5.0}, {"low": 0.3, "high": 20.0})),
        torch="special.zeta",
        wrt="other",
    ),
    *[
        Case(
            function,
            st.broadcastable(2, each=({"low": 0.3, "high": 30.0}, {"low": 0.5, "high": 40.0})),
            torch=f"special.{function.__name__}",
            wrt="other",
        )
        for function in (special.gammainc, special.gammaincc)
    ],
    Case(special.ndtr, ANY, torch="special.ndtr"),
    Case(special.ndtri, PROBABILITY, torch="special.ndtri"),
    Case(special._excess, ANY),
    Case(special._hazard, ANY),
    Case(special.log_ndtr, ANY, torch="special.log_ndtr"),
    Case(special.erfcx, st.arrays(low=-20.0), torch="special.erfcx"),
    Case(special.entr, POSITIVE, torch="special.entr"),
    Case(special.xlog1py, st.broadcastable(2, each=({}, {"low": -0.7, "high": 3.0})), torch="special.xlog1py"),
    Case(special.xlog1py, ANY, hs.sampled_from([2.0, -0.5]), torch="special.xlog1py", name="xlog1py with a number"),
    Case(special.xlog1py, hs.sampled_from([2.0, 0.0]), st.arrays(low=-0.7, high=3.0), torch="special.xlog1py", name="xlog1py of a number"),
    Case(special.bessel_i, FEW, hs.integers(0, 3)),
    Case(special.bessel_ie, st.arrays(avoid=(0.0,), margin=0.1), hs.integers(0, 3)),
    Case(special.i0, FEW, numpy=np.i0, torch="special.i0", **SOME),
    Case(special.i1, FEW, torch="special.i1", **SOME),
    Case(special.i0e, st.arrays(avoid=(0.0,), margin=0.1), torch="special.i0e", **SOME),
    Case(special.i1e, st.arrays(avoid=(0.0,), margin=0.1), torch="special.i1e", **SOME),
    Case(special.spherical_bessel_j0, st.arrays(low=-40.0, high=40.0), torch="special.spherical_bessel_j0", wrt=()),
    *[Case(function, st.arrays(low=-40.0, high=40.0), wrt=()) for function in (special.bessel_j0, special.bessel_j1)],
    *[
        Case(function, st.arrays(low=0.01, high=60.0), wrt=()) for function in (special.bessel_y0, special.bessel_y1)
    ],  # see tests/ops/test_special.py
    *[
        Case(function, st.arrays(low=0.01, high=60.0), torch=f"special.{function.__name__}", wrt=())
        for function in (
            special.modified_bessel_k0,
            special.modified_bessel_k1,
            special.scaled_modified_bessel_k0,
            special.scaled_modified_bessel_k1,
        )
    ],
    *[
        Case(function, FEW, torch=f"special.{function.__name__}", wrt=(), **SOME)
        for function in (special.modified_bessel_i0, special.modified_bessel_i1)
    ],
    Case(special.sinc_derivative, FEW, hs.integers(0, 3)),
    Case(special.sinc, FEW, numpy=np.sinc, torch="sinc", **SOME),
]
