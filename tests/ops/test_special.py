"""Special functions beyond the table of cases: accuracy, edges of their domains, derivatives of high order where formulas divide 0 by 0."""

import math

import numpy as np
import pytest
from answers import torch

import minigrad as mg
from minigrad import special
from minigrad.testing import gradcheck

inf, nan = math.inf, math.nan

# Computed with mpmath in 60 digits.
# fmt: off
EXACT = {
    "lgamma": {1e-08: 18.42068073818021, 0.3: 1.0957979948180756, 0.999: 0.0005780385328913802, 1.0001: -5.771334222047127e-05, 1.75: -0.08440112102048555, 2.001: 0.000423106734800117, 3.7: 1.428072326665388, 12.9: 19.735015850713005, 13.1: 20.240212723401434, 250.0: 1128.5237708729908, -0.4: 1.31452458994339, -7.3: -7.779101629826852, 10000000000.0: 220258509288.81058},
    "digamma": {1e-08: -100000000.57721564, 0.3: -3.502524222200133, 1.0: -0.5772156649015329, 3.7: 1.1671535393615113, 12.9: 2.5179671503279155, 13.1: 2.5339589762735106, 250.0: 5.519459584531046, -0.4: 0.9593807861068093, -7.3: 4.33730730551005},
    "trigamma": {0.001: 1000001.6425331958, 0.3: 12.245364546107732, 1.0: 1.6449340668482264, 12.9: 0.08060155300131694, 250.0: 0.004008010666632534, -0.4: 9.886209670902357, -7.3: 14.951383181433922},
    "polygamma 4": {0.1: -2400015.6072031953, 1.0: -24.88626612344088, 12.9: -0.00025241954942197, 250.0: -1.5483289595412606e-09, -0.4: 2032.5572680707373, -7.3: 9738.758702660793},
    "i0": {0.001: 1.0000002500000156, 0.7: 1.1263030183068092, -5.0: 27.239871823604446, 19.9: 39513376.52006682, 20.1: 48017874.1071365, 300.0: 4.475847367935052e+128, 700.0: 1.5295933476718737e+302},
    "i1": {0.001: 0.0005000000625000026, 0.7: 0.37187967777700864, -5.0: -24.335642142450528, 19.9: 38507423.87486228, 20.1: 46807739.533029884, 300.0: 4.468381385036955e+128, 700.0: 1.5285003902339006e+302},
    "i0e": {0.001: 0.9990007495835156, 0.7: 0.5593055265070683, -5.0: 0.18354081260932836, 19.9: 0.0900085888643896, 20.1: 0.08955376362061344, 1000000.0: 0.00039894233026924577},
    "i1e": {0.001: 0.0004995003123542213, 0.7: 0.18466998276274732, -5.0: -0.16397226694454237, 19.9: 0.0877171021317061, 20.1: 0.08729685184320159, 1000000.0: 0.0003989421307980308},
    "erfcx": {-20.0: 1.0442939379528289e+174, -0.6: 2.2988541117340935, -0.1: 1.1236433541992095, 0.3: 0.7345993345676551, 3.9: 0.14031418160068973, 4.1: 0.133834116418652, 100000.0: 5.6418958351954685e-06},
    "ndtr": {-37.0: 5.725571222524577e-300, -8.0: 6.220960574271784e-16, -0.6: 0.2742531177500736, 0.3: 0.6179114221889527, 5.0: 0.9999997133484281},
    "ndtri": {1e-10: -6.361340902404057, 0.001: -3.0902323061678136, 0.07: -1.4757910281791706, 0.08: -1.4050715603096327, 0.6: 0.2533471031357997, 0.99: 2.3263478740408408},
    "log_ndtr": {-300.0: -45006.62273211866, -37.0: -689.0305855768906, -1.01: -1.8563130623431785, -0.99: -1.8258103178428124, 0.3: -0.4814101615884812, 8.0: -6.220960574271786e-16},
    "entr": {1e-300: 6.9077552789821376e-298, 0.3: 0.3611918412977808, 7.0: -13.621371043387192},
    "sinc": {1e-09: 1.0, 0.3: 0.8583936913341398, -0.64: 0.4500240563851148, 2.5: 0.12732395447351627, 100.3: 0.002567478638088138},
    "zeta": {(1.1, 0.5): 12.103813495683747, (2.0, 1.0): 1.6449340668482264, (3.0, -2.3): -34.356896264635154, (7.0, 13.2): 3.929610465574982e-08, (30.5, 3.0): 2.8045873254038248e-15, (2.5, 10000.0): 6.6671666875e-07},
    "gammainc": {(0.001, 1e-08): 0.9823139793538469, (1e-10, 0.3): 0.9999999999094323, (0.5, 0.4): 0.6289066304773024, (0.7, 1.05): 0.7749089568777723, (1.0, 1.2): 0.6988057880877979, (2.5, 2.6): 0.6080371084003663, (7.0, 0.3): 3.3393124414936824e-08, (15.0, 40.0): 0.9999980243767566, (19.9, 19.8): 0.5208900637188506, (20.5, 3.0): 3.149391910782171e-11, (40.0, 41.0): 0.5829485789294043, (60.0, 200.0): 1.0, (1000.0, 870.0): 8.801564927734047e-06, (1000000.0, 1003000.0): 0.9986382593537824},
    "gammaincc": {(0.001, 1e-08): 0.017686020646153065, (1e-10, 0.3): 9.056766516920478e-11, (0.5, 0.4): 0.37109336952269756, (0.7, 1.05): 0.22509104312222775, (1.0, 1.2): 0.30119421191220214, (2.5, 2.6): 0.39196289159963377, (7.0, 0.3): 0.9999999666068756, (15.0, 40.0): 1.975623243491064e-06, (19.9, 19.8): 0.47910993628114945, (20.5, 3.0): 0.9999999999685061, (40.0, 41.0): 0.4170514210705957, (60.0, 200.0): 8.135770434234848e-32, (1000.0, 870.0): 0.9999911984350722, (1000000.0, 1003000.0): 0.0013617406462175915},
}
# fmt: on
FUNCTIONS = {"trigamma": lambda x: mg.polygamma(1, x), "polygamma 4": lambda x: mg.polygamma(4, x)}


@pytest.mark.parametrize("name", EXACT)
def test_values_are_exact(name):
    """To 13 digits in float64, to the last but one in float32."""
    points, wanted = list(EXACT[name]), np.array(list(EXACT[name].values()))
    for dtype, rtol in ((np.float64, 1e-13), (np.float32, 3e-7)):
        if name in ("zeta", "gammainc", "gammaincc"):
            found = getattr(special, name)(*[mg.tensor(np.array(a)) for a in zip(*points, strict=True)]).numpy()
            rtol = 1e-13 if name == "zeta" else 2e-13
        else:
            x = np.array(points)
            if dtype is np.float32:
                x, wanted = (
                    np.array([2.5, -1.5, 0.75], dtype),
                    FUNCTIONS.get(name, getattr(special, name, None))(np.array([2.5, -1.5, 0.75])),
                )
            found = FUNCTIONS.get(name, getattr(special, name, None))(mg.tensor(x)).numpy()
            assert found.dtype == dtype
        np.testing.assert_allclose(found, wanted, rtol=rtol)


EDGES = [0.0, -0.0, -1.0, -2.0, inf, nan, 0.5, -0.5, 1.0, 2.0, 30.0, -30.0]
# Where the limit of the function or of its gradient is given here, and PyTorch has NaN, a pole of 1e32, or another side.
DIFFERENT = {
    "lgamma": {-1.0: "gradient", -2.0: "gradient", -30.0: "gradient"}, "digamma": {-1.0: "gradient", -2.0: "gradient", -30.0: "gradient"},
    "trigamma": {-1.0: "", -2.0: "", -30.0: "", inf: "gradient"}, "polygamma 4": {inf: ""},
    "i0": {inf: "", -inf: ""}, "i1": {inf: "", nan: "gradient"}, "i1e": {nan: "gradient"}, "erfcx": {},
}  # fmt: skip


@pytest.mark.parametrize(
    "name", ["lgamma", "digamma", "trigamma", "polygamma 4", "i0", "i1", "i0e", "i1e", "erfcx", "ndtr", "ndtri", "log_ndtr", "entr", "sinc"]
)
def test_edges(name):
    """Value and gradient at zeros, poles, infinities and NaN are PyTorch's (whose trigamma has ten digits)."""
    theirs = {"trigamma": lambda x: torch.polygamma(1, x), "polygamma 4": lambda x: torch.polygamma(4, x)}
    theirs = theirs.get(name) or getattr(torch.special, "gammaln" if name == "lgamma" else name)
    x = np.array(EDGES)
    mine, other = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, t = FUNCTIONS.get(name, getattr(special, name, None))(mine), theirs(other)
    y.backward(mg.ones_like(y))
    t.backward(torch.ones_like(t))
    for what, found, wanted in (("value", y, t.detach().numpy()), ("gradient", mine.grad, other.grad.numpy())):
        for edge, a, b in zip(EDGES, found.detach().numpy(), wanted, strict=True):
            meant = [k for k, v in DIFFERENT.get(name, {}).items() if v in ("", what)]
            if not any(edge == k or (math.isnan(edge) and math.isnan(k)) for k in meant):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12, err_msg=f"{what} of {name} at {edge}")


def test_limits():
    """What PyTorch does not give."""
    assert mg.lgamma(mg.tensor([0.0, -3.0, inf, -inf])).tolist() == [inf] * 4
    assert special.i0(mg.tensor([inf, -inf])).tolist() == [inf, inf]
    assert special.i1(mg.tensor([inf, -inf])).tolist() == [inf, -inf]
    assert mg.polygamma(4, mg.tensor([inf, 0.0, -3.0])).tolist() == [0.0, -inf, -inf]
    assert mg.polygamma(1, mg.tensor([inf, 0.0, -3.0])).tolist() == [0.0, inf, inf]
    assert special.zeta(mg.tensor([2.0, 1.0, 0.5, 2.5, 2.0]), mg.tensor([inf, 1.0, 1.0, -1.5, -1.0])).tolist()[:2] == [0.0, inf]
    assert np.isnan(special.zeta(mg.tensor([0.5, 2.5, nan]), mg.tensor([1.0, -1.5, 1.0])).numpy()).all()
    assert special.xlog1py(mg.tensor([0.0, 0.0, 1.0]), mg.tensor([-1.0, nan, -1.0])).tolist()[::2] == [0.0, -inf]


@pytest.mark.parametrize(
    ("function", "derivatives"),
    [
        (mg.sinc, [1.0, 0.0, -(math.pi**2) / 3, 0.0, math.pi**4 / 5, 0.0, -(math.pi**6) / 7]),
        (special.i0, [1.0, 0.0, 1 / 2, 0.0, 3 / 8, 0.0, 5 / 16]),
        (special.i1, [0.0, 1 / 2, 0.0, 3 / 8, 0.0, 5 / 16]),
    ],
)
def test_derivatives_of_any_order_at_zero(function, derivatives):
    """Where the usual formulas divide by zero, and PyTorch's second derivatives are wrong."""
    x = mg.tensor(0.0, dtype=mg.float64, requires_grad=True)
    y = function(x)
    for wanted in derivatives:
        assert y.item() == pytest.approx(wanted, abs=1e-13)
        (y,) = mg.grad(y, x, create_graph=True)


@pytest.mark.parametrize("name", ["lgamma", "digamma", "i0e", "log_ndtr", "ndtri", "erfcx", "entr"])
def test_third_order(name):
    assert gradcheck(getattr(special, name), np.array([0.3, 0.8]), order=3)


def test_second_derivative_far_out():
    """log_ndtr at -1e5, where the terms of the usual formula cancel: -1 + 1 / x**2."""
    x = mg.tensor(-1e5, dtype=mg.float64, requires_grad=True)
    (first,) = mg.grad(special.log_ndtr(x), x, create_graph=True)
    (second,) = mg.grad(first, x, create_graph=True)
    (third,) = mg.grad(second, x)
    assert first.item() == pytest.approx(1e5 + 1e-5, rel=1e-14)
    assert second.item() == pytest.approx(-1 + 1e-10, rel=1e-14)
    assert abs(third.item()) < 1e-5


def test_layouts_and_dtypes():
    x = np.linspace(0.1, 5.0, 12).reshape(3, 4)
    for name in ("lgamma", "digamma", "i0", "sinc", "ndtr", "entr"):
        function = getattr(special, name)
        np.testing.assert_array_equal(function(mg.tensor(x).T).numpy(), function(mg.tensor(x)).numpy().T)
        assert function(mg.tensor([1, 2])).dtype == mg.float32
        assert function(mg.tensor(x).half()).dtype == mg.float16
        assert function(mg.zeros(0, 3)).shape == (0, 3)
    big = mg.tensor(np.linspace(0.1, 5.0, 40_000))  # several blocks
    np.testing.assert_array_equal(mg.lgamma(big)[::1000].numpy(), mg.lgamma(big[::1000]).numpy())


def test_messages():
    with pytest.raises(ValueError, match="polygamma: n must be 0 or above, but is -1"):
        mg.polygamma(-1, mg.ones(2))
    with pytest.raises(TypeError, match=r"polygamma: n must be a whole number, not 1\.5"):
        mg.polygamma(1.5, mg.ones(2))
    with pytest.raises(ValueError, match=r"multigammaln: every a must be above \(p - 1\) / 2 = 1.0"):
        special.multigammaln(mg.ones(2), 3)
    with pytest.raises(NotImplementedError, match="zeta: there is no derivative in its first argument"):
        special.zeta(mg.tensor(2.0, requires_grad=True), 1.0).backward()
    with pytest.raises(NotImplementedError, match="gammainc: there is no derivative in its first argument"):
        mg.igammac(mg.tensor(2.0, requires_grad=True), 1.0).backward()


def test_the_incomplete_gamma_function_at_its_edges_and_over_blocks():
    a, x = (v.ravel() for v in np.meshgrid([-1.0, 0.0, 0.5, 3.0, 25.0, inf, nan], [-1.0, 0.0, 1e-300, 2.0, 1e4, inf, nan]))
    for ours, theirs in ((special.gammainc, "gammainc"), (special.gammaincc, "gammaincc")):
        wanted = getattr(torch.special, theirs)(torch.tensor(a), torch.tensor(x)).numpy()
        wanted[np.isnan(a) | np.isnan(x)] = nan  # PyTorch has 0 or 1 where x is 0, or where one of them is infinite
        np.testing.assert_allclose(ours(mg.tensor(a), mg.tensor(x)).numpy(), wanted, rtol=1e-12)
    many = np.linspace(0.0, 60.0, 5001)
    for a in (0.3, 5.0, 30.0):
        below, above = special.gammainc(a, many), special.gammaincc(a, many)
        np.testing.assert_allclose(below + above, 1.0, rtol=1e-12)
        assert (np.diff(below) >= -1e-15).all() and below[0] == 0.0 and below.shape == many.shape
        np.testing.assert_allclose(below[::500], [special.gammainc(a, v) for v in many[::500].tolist()], rtol=1e-15)
    assert special.gammainc(mg.tensor([1, 2]), mg.tensor([[1], [2]])).shape == (2, 2)
    assert mg.tensor([1.0]).igamma_(mg.tensor([1.0])).item() == mg.tensor(1.0).igamma(mg.tensor(1.0)).item() == pytest.approx(0.6321206)


def test_methods():
    x = mg.tensor([0.5, 1.5])
    assert mg.equal(x.polygamma(1), mg.polygamma(1, x)) and mg.equal(x.clone().polygamma_(1), mg.polygamma(1, x))
    assert mg.equal(x.clone().lgamma_(), mg.lgamma(x)) and mg.equal(x.sinc(), mg.sinc(x)) and mg.equal(x.mvlgamma(1), mg.lgamma(x))


def test_bessel_functions_of_large_and_small_numbers():
    """By identities between them (Abramowitz and Stegun 9.1.16, 9.6.15), since PyTorch's J have errors of 1e-6 beyond 5; and at their edges."""
    x = np.concatenate([np.logspace(-6, 4, 500), np.linspace(4.0, 60.0, 500)])
    j0, j1, y0, y1 = (getattr(special, f"bessel_{name}")(x) for name in ("j0", "j1", "y0", "y1"))
    np.testing.assert_allclose((j1 * y0 - j0 * y1) * x * np.pi / 2, 1.0, rtol=3e-13)
    k0, k1 = special.scaled_modified_bessel_k0(x), special.scaled_modified_bessel_k1(x)
    np.testing.assert_allclose((special.i0e(x) * k1 + special.i1e(x) * k0) * x, 1.0, rtol=3e-13)
    np.testing.assert_allclose(special.modified_bessel_k0(x), k0 * np.exp(-x), rtol=1e-12)
    # J_0 at its first three zeros, and the values at 50 and 1000 to 15 digits
    assert np.abs(special.bessel_j0(np.array([2.404825557695773, 5.520078110286311, 8.653727912911013]))).max() < 2e-15
    np.testing.assert_allclose(special.bessel_j0(np.array([50.0, 1000.0])), [0.0558123276692518, 0.0247866861524201], rtol=1e-13)
    edges = np.array([0.0, inf, nan, -1.0])
    for name in (
        "bessel_j0",
        "bessel_y0",
        "bessel_y1",
        "modified_bessel_k0",
        "modified_bessel_k1",
        "scaled_modified_bessel_k1",
        "spherical_bessel_j0",
    ):
        at = getattr(special, name)(edges).tolist()
        first = 1.0 if name.endswith("_j0") else -inf if "_y" in name else inf
        assert at[0] == first and abs(at[1]) < 1e-100 and math.isnan(at[2]) and math.isnan(at[3]) == ("_j" not in name), name
    assert special.bessel_j1(-x[:5]).tolist() == (-special.bessel_j1(x[:5])).tolist() and special.bessel_j1(np.zeros(1)).item() == 0.0
    with pytest.raises(NotImplementedError, match="bessel_y1: there is no derivative, as in PyTorch"):
        special.bessel_y1(mg.ones(2).requires_grad_()).sum().backward()
