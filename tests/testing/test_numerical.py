"""Numerical derivatives: each threshold from both sides, on functions whose slopes are known exactly."""

import numpy as np
import pytest

from minigrad.testing.numerical import EPS, STEP, Columns, along, extrapolate, step_of


def columns(f, *points, elements=None):
    """Columns of a function of one number each, with as many outputs as ``f`` gives."""
    flat = np.array(points, float)
    before = flat.copy()

    def evaluate(row):
        row[:] = f(flat[0] if len(points) == 1 else flat)

    center = np.atleast_1d(np.asarray(f(flat[0] if len(points) == 1 else flat), float)).copy()
    with np.errstate(all="ignore"):
        found = Columns(evaluate, flat, elements or range(len(points)), center)
    np.testing.assert_array_equal(flat, before)
    return found


def test_steps():
    assert pytest.approx(6.0554544523933429e-06) == STEP and EPS == 2.0**-52
    assert step_of(0.0) == step_of(1.0) == step_of(-0.5) == step_of(9 * STEP) == STEP
    assert step_of(-3.0) == 3 * STEP and step_of(1.5) == 1.5 * STEP
    assert step_of(8 * STEP) == STEP and step_of(-4 * STEP) == STEP / 2 and step_of(1e-12) == 1.25e-13


# -------------------------------------------------------------------------------------------------- central differences


def test_slopes_and_noise():
    found = columns(lambda x: [3 * x, 7.0, x + 1000.0], 2.0)
    np.testing.assert_allclose(found.slopes, [[3.0, 0.0, 1.0]], rtol=1e-8)
    h = 2 * STEP
    np.testing.assert_allclose(found.noise, [[8 * EPS * 12 / (2 * h), 0.0, 8 * EPS * 2004 / (2 * h)]], rtol=1e-4)
    assert found.finite.all() and not found.kinks.any() and not found.nowhere.any()


def test_some_of_the_elements():
    found = columns(lambda x: [x[0] * x[1], x[2] ** 2], 2.0, 3.0, 4.0, elements=range(1, 3))
    np.testing.assert_allclose(found.slopes, [[2.0, 0.0], [0.0, 8.0]], rtol=1e-8)


def test_infinite_elements_have_no_derivative():
    found = columns(lambda x: [x[1] * 2.0, x[0]], np.inf, 1.0, np.nan)
    assert found.nowhere.tolist() == [True, False, True] and found.finite.tolist() == [True, False, True]
    assert found.slopes[0].tolist() == [0, 0] and found.slopes[2].tolist() == [0, 0]
    assert found.slopes[1, 0] == pytest.approx(2.0) and not found.kinks.any()


def test_where_the_function_is_not_finite():
    with np.errstate(all="ignore"):
        found = columns(lambda x: [np.log(x[0]), abs(x[1])], 0.0, 0.0)
    assert found.finite.tolist() == [False, False]  # log(0) is -inf wherever the second element is
    found = columns(lambda x: [np.nan if x[0] > 0.5 else x[0], abs(x[1])], 0.5, 0.0)
    assert found.finite.tolist() == [False, True]
    assert found.kinks.tolist() == [[False, False], [False, True]]


# --------------------------------------------------------------------------------------------------------------- kinks


@pytest.mark.parametrize(("gap", "kink"), [(0.5e-3, False), (2e-3, True), (-2e-3, True), (0.5, True)])
def test_slopes_must_differ_by_a_thousandth(gap, kink):
    found = columns(lambda x: x + gap * max(x, 0.0), 0.0)
    assert found.kinks[0, 0] == kink
    if kink:
        assert found.low[0, 0] == pytest.approx(min(1.0, 1 + gap), abs=1e-9) and found.high[0, 0] == pytest.approx(
            max(1.0, 1 + gap), abs=1e-9
        )
        assert found.slack[0, 0] == pytest.approx(1e-6 * max(1.0, 1 + gap) + 1e-7)
        assert not found.jumps


@pytest.mark.parametrize("x", [0.0, 2.0, -0.5])
def test_a_kink_beside_large_values_is_no_noise(x):
    found = columns(lambda v: 1e3 + abs(v - x), x)
    assert found.kinks[0, 0] and (found.low[0, 0], found.high[0, 0]) == (pytest.approx(-1.0, abs=1e-5), pytest.approx(1.0, abs=1e-5))


def test_noise_is_no_kink():
    rng = np.random.default_rng(0)
    found = columns(lambda x: 1e6 + x + 1e-10 * rng.standard_normal(4), 0.3)
    assert not found.kinks.any()


def test_curvature_is_no_kink():
    for scale in (1.0, 1e2, 1e4):
        assert not columns(lambda x, s=scale: s * x * x, 0.0).kinks.any()
        assert not columns(lambda x, s=scale: np.exp(s * x), 0.0).kinks.any()


def test_the_step_does_not_reach_over_a_kink_nearby():
    """A kink between h / 16 and h: the short step is right, and less exact."""
    for sign in (1.0, -1.0):
        far = columns(lambda x, s=sign: abs(x - s * STEP / 4), 0.0)
        assert not far.kinks.any() and far.slopes[0, 0] == pytest.approx(-sign, abs=1e-6)
        assert far.noise[0, 0] == pytest.approx(16 * 8 * EPS, rel=0.01, abs=0.0)


def test_a_kink_nearby_beside_curvature():
    """The curvature hides how much nearer the slopes come on the short step; what was crossed is mended all the same."""
    found = columns(lambda x: abs(x - STEP / 4) + 1e3 / STEP * x * x / 2, 0.0)
    assert not found.kinks.any() and found.slopes[0, 0] == pytest.approx(-1.0, abs=1e-6)


def test_small_slopes_are_mended_too():
    found = columns(lambda x: 4e-6 * abs(x - STEP / 4), 0.0)
    assert not found.kinks.any() and found.slopes[0, 0] == pytest.approx(-4e-6, rel=1e-6)


def slope_by_distance(far, near, closer):
    """0 left of 0; on the right its slopes are ``far``, ``near`` and ``closer`` at steps of 16, 1 and a sixteenth."""
    return lambda x: max(x, 0.0) * (far if x > 12 * STEP else near if x > 0.6 * STEP else closer)


@pytest.mark.parametrize(
    ("size", "off", "kink"),
    [
        (1.0, 0.95e-2, True),
        (1.0, -0.95e-2, True),
        (1.0, 1.1e-2, False),
        (1.0, -1.1e-2, False),
        (1e-3, 1.05e-4, True),
        (1e-3, 1.2e-4, False),
    ],
)
def test_slopes_beside_a_second_kink_settle_at_small_steps(size, off, kink):
    """Within 1e-2 of their size and 1e-4. They are less exact then."""
    found = columns(slope_by_distance(2 * size, size, size + off), 0.0)
    assert found.kinks[0, 0] == kink
    if kink:
        assert (found.low[0, 0], found.high[0, 0]) == (0.0, pytest.approx(size, rel=1e-9))
        assert found.slack[0, 0] == pytest.approx(1e-4 * size + 1e-6)
    mirrored = columns(lambda x: slope_by_distance(2 * size, size, size + off)(-x), 0.0)
    assert mirrored.kinks[0, 0] == kink


@pytest.mark.parametrize(
    ("size", "off", "exact"),
    [
        (1.0, 0.95e-4, True),
        (1.0, -0.95e-4, True),
        (1.0, 1.1e-4, False),
        (1.0, -1.1e-4, False),
        (1e-3, 1.05e-6, True),
        (1e-3, 1.2e-6, False),
    ],
)
def test_slopes_of_the_long_step_are_taken_where_the_short_one_agrees(size, off, exact):
    for sign in (1, -1):
        found = columns(lambda x, s=sign: slope_by_distance(size + off, size, size + max(1e-3 * size, 1.05e-4))(s * x), 0.0)
        slope = found.high[0, 0] if sign == 1 else -found.low[0, 0]
        assert slope == pytest.approx(size + off if exact else size, abs=1e-9)
        assert found.slack[0, 0] == pytest.approx(1e-6 * size + 1e-7 if exact else 1e-4 * size + 1e-6)


@pytest.mark.parametrize("center", [0.0, 1.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_jump_is_higher_than_1e_9_of_the_value_and_a_thousandth(center, sign):
    least = 1e-9 * (1e-3 + center)
    assert columns(lambda x: center + 2 * least * (sign * x > 0), 0.0).jumps == {(0, 0)}
    assert not columns(lambda x: center + 0.5 * least * (sign * x > 0), 0.0).jumps
    assert columns(lambda x: center + 2 * least * np.sign(x), 0.0).look_for_jumps(0)
    assert not columns(lambda x: center + 0.5 * least * np.sign(x), 0.0).look_for_jumps(0)


def test_several_outputs_of_which_one_bends():
    found = columns(lambda x: [x, abs(x), -2 * abs(x), x * x], 0.0)
    assert found.kinks.tolist() == [[False, True, True, False]]
    assert (found.low[0, 2], found.high[0, 2]) == (pytest.approx(-2, abs=1e-8), pytest.approx(2, abs=1e-8))


def test_curved_on_both_sides_of_a_kink():
    found = columns(lambda x: np.exp(x) if x > 0 else np.cos(3 * x) + 0.5 * x, 0.0)
    assert found.kinks[0, 0] and not found.jumps
    assert (found.low[0, 0], found.high[0, 0]) == (pytest.approx(0.5, abs=1e-6), pytest.approx(1.0, abs=1e-6))


@pytest.mark.parametrize("distance", [20, 100, 400])
def test_another_kink_not_far_away(distance):
    """A second kink within the long step of the one-sided slopes: the shorter one decides."""
    found = columns(lambda x: abs(x) + 3 * abs(x - distance * STEP), 0.0)
    assert found.kinks[0, 0]
    assert (found.low[0, 0], found.high[0, 0]) == (pytest.approx(-4.0, abs=1e-3), pytest.approx(-2.0, abs=1e-3))


@pytest.mark.parametrize("side", [1, -1])
def test_an_infinite_value_beside_a_kink_leaves_no_slope(side):
    """At the short step the slope on that side would be infinite, and anything within its accuracy."""
    assert not columns(lambda x: np.inf if 2.5 < side * x / STEP < 3.5 else abs(x) * (2 if side * x > 4 * STEP else 1), 0.0).kinks.any()


def test_slopes_without_a_limit_are_no_kink():
    """Roots are too steep for a slope on either side."""
    found = columns(lambda x: np.sign(x) * np.sqrt(abs(x)) + np.sqrt(abs(x)), 0.0)
    assert not found.kinks.any()
    with np.errstate(all="ignore"):
        assert not columns(lambda x: x * np.sin(np.log(abs(x) + 1e-300)), 0.0).kinks.any()


# --------------------------------------------------------------------------------------------------------------- jumps


@pytest.mark.parametrize("height", [1.0, 1e-3, -5.0])
def test_jumps(height):
    found = columns(lambda x: 2 * x + height * (x >= 0), 0.0)
    assert found.kinks[0, 0] and found.jumps == {(0, 0)}
    assert found.low[0, 0] == pytest.approx(2.0, abs=1e-6) and found.high[0, 0] == pytest.approx(2.0, abs=1e-6)


def test_a_jump_as_small_as_rounding_is_none():
    assert not columns(lambda x: 1.0 + 1e-10 * (x >= 0), 0.0).jumps
    assert columns(lambda x: 1.0 + 1e-8 * (x >= 0), 0.0).jumps == {(0, 0)}


def test_even_jumps_are_looked_for():
    """The sign jumps as far on the right as on the left of 0: its one-sided differences do not differ."""
    found = columns(lambda x: [np.sign(x) + x, x * x, abs(x), 3.0 + 0 * x], 0.0)
    assert found.kinks.tolist() == [[False, False, True, False]]
    assert found.look_for_jumps(0)
    assert found.kinks.tolist() == [[True, False, True, False]] and found.jumps == {(0, 0)}
    assert (found.low[0, 0], found.high[0, 0]) == (pytest.approx(1.0, abs=1e-6), pytest.approx(1.0, abs=1e-6))
    assert not found.look_for_jumps(0)  # no new ones


@pytest.mark.parametrize("distance", [4.1, 20, 60])
def test_a_jump_with_a_kink_not_far_away(distance):
    """The long step of the one-sided slopes reaches over the kink, the short one, four times, does not."""
    even = columns(lambda x: np.sign(x) + x + max(x - distance * STEP, 0.0), 0.0)
    assert not even.kinks.any() and even.look_for_jumps(0)
    uneven = columns(lambda x: (x > 0) + x + max(x - distance * STEP, 0.0), 0.0)
    for found in (even, uneven):
        assert found.jumps == {(0, 0)}
        assert (found.low[0, 0], found.high[0, 0]) == (pytest.approx(1.0, abs=1e-4), pytest.approx(1.0, abs=1e-4))


@pytest.mark.parametrize(("height", "found"), [(1.0, True), (1e-8, True), (1e-10, False), (0.0, False)])
def test_jumps_that_are_looked_for_are_higher_than_rounding(height, found):
    assert columns(lambda x: 1.0 + height * np.sign(x), 0.0).look_for_jumps(0) == found


def test_a_steep_curve_is_no_jump():
    assert not columns(lambda x: 1e3 * x, 0.5).look_for_jumps(0)
    assert not columns(lambda x: np.sign(x) * np.sqrt(abs(x)), 0.0).look_for_jumps(0)


# ------------------------------------------------------------------------------------------------------- extrapolation


def derivative(f, x):
    flat = np.array([float(x)])

    def evaluate(row):
        row[:] = f(flat[0])

    with np.errstate(all="ignore"):
        value, error = extrapolate(evaluate, flat, 0, np.size(f(flat[0])))
    assert flat[0] == x
    return value, error


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [
        (np.sin, 0.3, np.cos(0.3)), (np.exp, -20.0, np.exp(-20.0)), (lambda x: x**5, 1e3, 5e12), (np.log, 1e-6, 1e6),
        (np.sqrt, 1e-4, 50.0), (lambda x: 1 / x, 0.01, -1e4), (np.sin, 1e3, np.cos(1e3)), (lambda x: x, 0.0, 1.0),
        (np.log, 0.15, 1 / 0.15), (lambda x: np.exp(300 * x), 0.0, 300.0),
    ],
)  # fmt: skip
def test_extrapolation(f, x, slope):
    value, error = derivative(f, x)
    assert abs(value[0] - slope) <= 1e-9 * abs(slope)
    assert abs(value[0] - slope) <= 3 * error[0] + 1e-15 * abs(slope) and error[0] <= 1e-7 * abs(slope)


def test_extrapolation_of_a_bent_derivative_is_first_order():
    value, error = derivative(lambda x: x * abs(x) + 1.0, 0.0)
    assert abs(value[0]) < 1e-6 and abs(value[0]) <= 2 * error[0] + 1e-9


def test_small_slopes_beside_large_values():
    """Where small steps are lost in rounding, no change is no proof of a derivative of 0."""
    value, error = derivative(lambda x: 631.0 + 1.6e-9 * x, 1.0)
    assert value[0] == pytest.approx(1.6e-9, rel=0.1) and error[0] > 0
    value, error = derivative(lambda x: [5.0 + 0 * x, x], 1.0)
    assert value.tolist() == [0.0, pytest.approx(1.0)] and error[0] == 0.0


def test_noise_has_a_large_error():
    rng = np.random.default_rng(0)
    _, error = derivative(lambda x: x + 1e-3 * rng.standard_normal(), 0.5)
    assert error[0] > 1e-4


def test_nan_is_never_the_best():
    value, _ = derivative(lambda x: np.log(x) if x > 0.04 else np.nan, 0.05)
    assert value[0] == pytest.approx(20.0, rel=1e-8)


def test_along_a_direction():
    slope, error, right, left = along(lambda t: np.array([np.sin(2 * t), abs(t) + t, np.exp(t)]))
    np.testing.assert_allclose(slope[[0, 2]], [2.0, 1.0], rtol=1e-9)
    assert error[[0, 2]].max() < 1e-8
    np.testing.assert_allclose(right, [2.0, 2.0, 1.0], atol=1e-7)
    np.testing.assert_allclose(left, [2.0, 0.0, 1.0], atol=1e-7)
