"""Distributions are PyTorch's in every number and gradient; draws have the moments that they say; arguments are looked at."""

import math

import numpy as np
import pytest
from answers import noted, torch

import minigrad as mg
import minigrad.torch
from minigrad import ShapeError
from minigrad import distributions as D
from minigrad.testing import gradcheck

inf = math.inf
L = [[1.5, 0.0], [-0.4, 0.8]]
COVARIANCE = [[2.0, 0.6], [0.6, 1.0]]

# name of a row -> class, parameters, values that can be drawn
ROWS = {
    "Normal": ("Normal", {"loc": [0.3, -1.0], "scale": [0.5, 2.0]}, [[0.1, 4.0], [-2.0, 0.0]]),
    "LogNormal": ("LogNormal", {"loc": [0.3, -1.0], "scale": [0.5, 1.2]}, [[0.1, 4.0], [2.0, 0.3]]),
    "Uniform": ("Uniform", {"low": [0.0, -1.0], "high": [2.0, 3.0]}, [[0.1, 2.5], [2.0, -1.0]]),
    "Exponential": ("Exponential", {"rate": [0.5, 2.0]}, [[0.1, 4.0], [2.0, 0.0]]),
    "Laplace": ("Laplace", {"loc": [0.3, -1.0], "scale": [0.5, 2.0]}, [[0.1, 4.0], [-2.0, 0.7]]),
    "Cauchy": ("Cauchy", {"loc": [0.3, -1.0], "scale": [0.5, 2.0]}, [[0.1, 4.0], [-2.0, 0.7]]),
    "Gamma": ("Gamma", {"concentration": [0.5, 3.0], "rate": [2.0, 0.7]}, [[0.1, 4.0], [2.0, 0.7]]),
    "Beta": ("Beta", {"concentration1": [0.5, 3.0], "concentration0": [0.4, 1.5]}, [[0.1, 0.4], [0.9, 0.7]]),
    "Dirichlet": ("Dirichlet", {"concentration": [[0.5, 3.0, 1.2], [0.3, 2.0, 0.9]]}, [[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]),
    "Chi2": ("Chi2", {"df": [0.5, 3.0]}, [[0.1, 4.0], [2.0, 0.7]]),
    "InverseGamma": ("InverseGamma", {"concentration": [2.5, 6.0], "rate": [2.0, 0.7]}, [[0.1, 4.0], [2.0, 0.7]]),
    "StudentT": ("StudentT", {"df": [2.5, 7.0], "loc": [0.3, -1.0], "scale": [0.5, 2.0]}, [[0.1, 4.0], [-2.0, 0.7]]),
    "FisherSnedecor": ("FisherSnedecor", {"df1": [3.5, 7.0], "df2": [9.0, 12.0]}, [[0.1, 4.0], [2.0, 0.7]]),
    "HalfNormal": ("HalfNormal", {"scale": [0.5, 2.0]}, [[0.1, 4.0], [2.0, 0.0]]),
    "HalfCauchy": ("HalfCauchy", {"scale": [0.5, 2.0]}, [[0.1, 4.0], [2.0, 0.0]]),
    "Gumbel": ("Gumbel", {"loc": [0.3, -1.0], "scale": [0.5, 2.0]}, [[0.1, 4.0], [-2.0, 0.7]]),
    "Weibull": ("Weibull", {"scale": [0.5, 2.0], "concentration": [1.5, 3.0]}, [[0.1, 4.0], [2.0, 0.7]]),
    "Pareto": ("Pareto", {"scale": [0.5, 2.0], "alpha": [4.5, 9.0]}, [[0.6, 4.0], [2.0, 2.1]]),
    "Wishart": ("Wishart", {"df": [4.0, 5.5], "covariance_matrix": COVARIANCE}, [[[[1.0, 0.2], [0.2, 2.0]], [[0.7, -0.4], [-0.4, 1.0]]]]),
    "Wishart of a precision": ("Wishart", {"df": [4.0, 5.5], "precision_matrix": COVARIANCE}, [[[[1.0, 0.2], [0.2, 2.0]], [[0.7, -0.4], [-0.4, 1.0]]]]),
    "LogisticNormal": ("LogisticNormal", {"loc": [[0.3, -1.0], [1.0, 0.0]], "scale": [[0.5, 2.0], [1.0, 1.5]]}, [[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]),
    "RelaxedBernoulli": ("RelaxedBernoulli", {"temperature": 0.7, "probs": [0.2, 0.9]}, [[0.1, 0.4], [0.9, 0.7]]),
    "RelaxedOneHotCategorical": ("RelaxedOneHotCategorical", {"temperature": 0.7, "logits": [[0.2, -0.5, 0.9], [3.0, 1.0, 1.0]]}, [[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]),
    "Binomial": ("Binomial", {"total_count": [3.0, 3.0], "probs": [0.2, 0.9]}, [[1.0, 0.0], [3.0, 2.0]]),
    "Binomial of logits": ("Binomial", {"total_count": [3.0, 3.0], "logits": [-0.4, 2.0]}, [[1.0, 0.0], [3.0, 2.0]]),
    "NegativeBinomial": ("NegativeBinomial", {"total_count": [3.0, 2.5], "probs": [0.2, 0.6]}, [[1.0, 0.0], [3.0, 2.0]]),
    "Multinomial": ("Multinomial", {"probs": [[0.2, 0.5, 0.9], [3.0, 1.0, 1.0]]}, [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
    "Bernoulli": ("Bernoulli", {"probs": [0.2, 0.9]}, [[1.0, 0.0], [0.0, 1.0]]),
    "Bernoulli of logits": ("Bernoulli", {"logits": [-0.4, 30.0]}, [[1.0, 0.0], [0.0, 1.0]]),
    "ContinuousBernoulli": ("ContinuousBernoulli", {"probs": [0.2, 0.9]}, [[0.1, 0.4], [0.9, 0.7]]),
    "ContinuousBernoulli near 1/2": ("ContinuousBernoulli", {"probs": [0.4995, 0.5004]}, [[0.1, 0.4], [0.9, 0.7]]),
    "ContinuousBernoulli of logits": ("ContinuousBernoulli", {"logits": [-0.4, 3.0]}, [[0.1, 0.4], [0.9, 0.7]]),
    "Kumaraswamy": ("Kumaraswamy", {"concentration1": [1.5, 3.0], "concentration0": [2.4, 1.5]}, [[0.1, 0.4], [0.9, 0.7]]),
    "Geometric": ("Geometric", {"probs": [0.2, 0.9]}, [[1.0, 0.0], [5.0, 2.0]]),
    "Geometric of logits": ("Geometric", {"logits": [-0.4, 3.0]}, [[1.0, 0.0], [5.0, 2.0]]),
    "Poisson": ("Poisson", {"rate": [0.2, 9.5]}, [[1.0, 0.0], [5.0, 2.0]]),
    "Categorical": ("Categorical", {"probs": [[0.2, 0.5, 0.9], [3.0, 1.0, 1.0]]}, [[1, 0], [2, 2]]),
    "Categorical of logits": ("Categorical", {"logits": [[0.2, -0.5, 0.9], [3.0, 1.0, 1.0]]}, [[1, 0], [2, 2]]),
    "OneHotCategorical": ("OneHotCategorical", {"logits": [[0.2, -0.5, 0.9], [3.0, 1.0, 1.0]]}, [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
    "MultivariateNormal": ("MultivariateNormal", {"loc": [0.1, 0.3], "covariance_matrix": COVARIANCE}, [[0.4, 2.0], [-1.0, 0.5]]),
    "MultivariateNormal of a factor": ("MultivariateNormal", {"loc": [[0.1, 0.3], [1.0, 0.0]], "scale_tril": L}, [[0.4, 2.0], [-1.0, 0.5]]),
    "MultivariateNormal of a precision": ("MultivariateNormal", {"loc": [0.1, 0.3], "precision_matrix": COVARIANCE}, [[0.4, 2.0], [-1.0, 0.5]]),
    "LowRankMultivariateNormal": (
        "LowRankMultivariateNormal", {"loc": [[0.1, 0.3, -1.0], [1.0, 0.0, 0.5]], "cov_factor": [[0.5, 1.0], [-0.4, 0.2], [0.3, 0.9]], "cov_diag": [0.5, 1.0, 2.0]},
        [[0.4, 2.0, 1.0], [-1.0, 0.5, 0.0]],
    ),
}  # fmt: skip
DISCRETE = {"Bernoulli", "Binomial", "NegativeBinomial", "Multinomial", "Geometric", "Poisson", "Categorical", "OneHotCategorical"}
OF_GAMMA = {"Wishart", "Gamma", "Beta", "Dirichlet", "Chi2", "InverseGamma", "StudentT", "FisherSnedecor"}
RELAXED = {"LogisticNormal", "RelaxedBernoulli", "RelaxedOneHotCategorical"}
HEAVY = {"StudentT", "InverseGamma"}  # with a fourth moment that is infinite: the variance of draws goes astray
WITHOUT = {  # what PyTorch has not, or not right
    "cdf": DISCRETE | OF_GAMMA | RELAXED | {"MultivariateNormal", "LowRankMultivariateNormal"},
    "entropy": {"Poisson", "NegativeBinomial", "FisherSnedecor"} | RELAXED,
    "moments": RELAXED,
    "mode": RELAXED | {"Multinomial", "ContinuousBernoulli", "Kumaraswamy"},
    "kl": {"Kumaraswamy", "StudentT", "FisherSnedecor", "Weibull", "NegativeBinomial", "Multinomial", "GeneralizedPareto", "Wishart"}
    | RELAXED,
}


def built(lib, row, grad=True):
    """The distribution of a row in one library, and its parameters."""
    name, parameters, _ = ROWS[row]
    tensors = {k: lib.tensor(v, dtype=lib.float64, requires_grad=grad) for k, v in parameters.items()}
    return getattr(lib.distributions, name)(**tensors), list(tensors.values())


def theirs_and_ours(row):
    return built(minigrad.torch, row), built(torch, row)


def compare(mine, other, leaves, t_leaves):
    assert tuple(mine.shape) == tuple(other.shape)
    np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), rtol=1e-9, atol=1e-12)
    if not other.requires_grad:
        return
    found = mg.grad(mine.sum(), leaves, retain_graph=True, allow_unused=True, materialize_grads=True)
    wanted = torch.autograd.grad(other.sum(), t_leaves, retain_graph=True, allow_unused=True)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), 0.0 if b is None else b.numpy(), rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("row", ROWS)
def test_numbers_and_gradients(row):
    (mine, leaves), (other, t_leaves) = theirs_and_ours(row)
    values = ROWS[row][2]
    dtype = "int64" if ROWS[row][0] == "Categorical" else "float64"
    assert mine.batch_shape == tuple(other.batch_shape) and mine.event_shape == tuple(other.event_shape)
    x, t = mg.tensor(values, dtype=getattr(mg, dtype)), torch.tensor(values, dtype=getattr(torch, dtype))
    compare(mine.log_prob(x), other.log_prob(t), leaves, t_leaves)
    for what in ("mean", "variance", "stddev", "mode"):
        if ROWS[row][0] not in WITHOUT["mode" if what == "mode" else "moments"]:
            compare(getattr(mine, what), getattr(other, what), leaves, t_leaves)
    if ROWS[row][0] not in WITHOUT["entropy"]:
        compare(mine.entropy(), other.entropy(), leaves, t_leaves)
        compare(mine.perplexity(), other.perplexity(), leaves, t_leaves)
    if ROWS[row][0] not in WITHOUT["cdf"]:
        compare(mine.cdf(x), other.cdf(t), leaves, t_leaves)
        p = [[0.1, 0.5], [0.7, 0.99]]
        compare(mine.icdf(mg.tensor(p, dtype=mg.float64)), other.icdf(torch.tensor(p, dtype=torch.float64)), leaves, t_leaves)
    for what in ("probs", "logits", "scale_tril", "covariance_matrix", "precision_matrix"):
        if what in type(mine).parameters or hasattr(type(mine), what):
            compare(getattr(mine, what), getattr(other, what), leaves, t_leaves)
    if mine.has_enumerate_support:
        for expand in (True, False):
            compare(mine.enumerate_support(expand), other.enumerate_support(expand), [], [])


PAIRS = {name: {row for row in ROWS if ROWS[row][0] == name} for name in {r[0] for r in ROWS.values()}}


@pytest.mark.parametrize("row", [row for row in ROWS if ROWS[row][0] not in WITHOUT["kl"]])
def test_divergence(row):
    """From the row to itself moved: parameters times 1.1, in the direction in which all are allowed."""
    (mine, leaves), (other, t_leaves) = theirs_and_ours(row)
    name, parameters, _ = ROWS[row]

    def moved(lib):
        factors = {"probs": 0.9, "low": 0.9, "total_count": 1.0}
        parts = {k: np.array(v) * factors.get(k, 1.1) - 0.05 * (k == "low") for k, v in parameters.items()}
        return getattr(lib.distributions, name)(**{k: lib.tensor(v) for k, v in parts.items()})

    compare(D.kl_divergence(mine, moved(minigrad.torch)), torch.distributions.kl_divergence(other, moved(torch)), leaves, t_leaves)
    if name not in ("Uniform", "Pareto"):  # inf
        compare(D.kl_divergence(moved(minigrad.torch), mine), torch.distributions.kl_divergence(moved(torch), other), leaves, t_leaves)


def test_divergence_of_what_one_of_them_never_draws():
    assert D.kl_divergence(D.Uniform(0.0, 2.0), D.Uniform(0.0, 1.0)).item() == inf
    assert D.kl_divergence(D.Bernoulli(mg.tensor([0.5, 0.0])), D.Bernoulli(mg.tensor([0.0, 0.0]))).tolist() == [inf, 0.0]
    assert D.kl_divergence(D.Categorical(mg.tensor([0.5, 0.5])), D.Categorical(mg.tensor([1.0, 0.0]))).item() == inf


@pytest.mark.parametrize("row", ROWS)
def test_draws(row):
    """Shapes, dtypes, no gradient, and the mean and the variance of 20,000."""
    mg.manual_seed(0)
    p, _ = built(minigrad.torch, row)
    assert p.sample().shape == p.batch_shape + p.event_shape and p.sample((3, 2)).shape == (3, 2, *p.batch_shape, *p.event_shape)
    assert p.sample((0,)).shape == (0, *p.batch_shape, *p.event_shape)
    assert not p.sample().requires_grad and p.sample().dtype == (mg.int64 if type(p) is D.Categorical else mg.float64)
    drawn = p.sample((20_000,))
    p.log_prob(drawn)  # all are in the support
    if type(p) is D.Categorical:
        np.testing.assert_allclose([(drawn == i).double().mean(0).numpy() for i in range(3)], p.probs.detach().numpy().T, atol=0.015)
    elif ROWS[row][0] in ("Cauchy", "HalfCauchy"):
        np.testing.assert_allclose(drawn.median(0).values.numpy(), p.icdf(0.5).detach().numpy(), atol=0.06)
    elif ROWS[row][0] in RELAXED:  # there is no formula of the mean
        assert (drawn >= 0).all() and (drawn <= 1).all()
    else:
        sd = p.stddev.detach().numpy()
        assert (np.abs(drawn.mean(0).numpy() - p.mean.detach().numpy()) < 0.04 * sd).all()
        np.testing.assert_allclose(drawn.std(0).numpy(), sd, rtol=0.1 if ROWS[row][0] not in HEAVY else 0.5, atol=1e-6)


@pytest.mark.parametrize("row", ["Gamma", "Chi2", "InverseGamma"])
def test_the_cdf_of_gamma_distributions(row):
    """PyTorch has no gradient in the concentration, and neither has it minigrad; in the value it is the density."""
    (mine, _), (other, _) = built(minigrad.torch, row, grad=False), built(torch, row, grad=False)
    x = mg.tensor(ROWS[row][2], dtype=mg.float64, requires_grad=True)
    found = mine.cdf(x)
    np.testing.assert_allclose(found.detach().numpy(), other.cdf(torch.tensor(ROWS[row][2], dtype=torch.float64)).numpy(), rtol=1e-9)
    (slope,) = mg.grad(found.sum(), x)
    np.testing.assert_allclose(slope.numpy(), mine.log_prob(x).exp().detach().numpy(), rtol=1e-9)


@pytest.mark.parametrize("row", [row for row in ROWS if ROWS[row][0] not in DISCRETE | OF_GAMMA])
def test_draws_have_the_gradient_of_the_path(row):
    """The derivative of cdf(draw) is 0: a draw keeps its place as the parameters move. Of vectors, the standard draw behind them does not move."""
    p, leaves = built(minigrad.torch, row)

    def draw(*parameters):
        mg.manual_seed(3)
        return type(p)(**dict(zip(ROWS[row][1], parameters, strict=True)), validate_args=False).rsample((2,))

    arrays = [leaf.detach().numpy() for leaf in leaves]
    if ROWS[row][0] != "MultivariateNormal" or "scale_tril" in ROWS[row][1]:
        assert gradcheck(draw, *arrays, order=2)
    if ROWS[row][0] not in WITHOUT["cdf"]:
        gradients = mg.grad(p.cdf(draw(*leaves)).sum(), leaves)
        assert all(np.abs(g.numpy()).max() < 1e-12 for g in gradients)


@pytest.mark.parametrize("row", ["Poisson", "Categorical", "Binomial", "NegativeBinomial", "Multinomial"])
def test_draws_without_a_gradient_say_so(row):
    p, _ = built(minigrad.torch, row)
    assert not p.has_rsample
    with pytest.raises(NotImplementedError, match="draws have no gradient in the parameters here; use sample"):
        p.rsample()


@pytest.mark.parametrize("row", ["Normal", "Gamma", "Beta", "Bernoulli", "Categorical of logits", "MultivariateNormal of a factor"])
def test_second_order(row):
    name, parameters, values = ROWS[row]

    def density(*tensors):
        p = getattr(D, name)(**dict(zip(parameters, tensors, strict=True)), validate_args=False)
        return p.log_prob(mg.tensor(values)) if name == "Categorical" else p.log_prob(mg.tensor(np.array(values)))

    assert gradcheck(density, *[np.array(v) for v in parameters.values()], order=2)


@pytest.mark.parametrize("row", ROWS)
def test_expand(row):
    (p, leaves), (q, t_leaves) = theirs_and_ours(row)
    wide, t_wide = p.expand((3, 2)), q.expand((3, 2))
    assert wide.batch_shape == (3, 2) and wide.event_shape == p.event_shape and type(wide) is type(p)
    x, t = [lib.tensor(ROWS[row][2], dtype=lib.int64 if type(p) is D.Categorical else lib.float64)[:1] for lib in (minigrad.torch, torch)]
    compare(wide.log_prob(x), t_wide.log_prob(t), leaves, t_leaves)
    assert wide.sample().shape == (3, 2, *p.event_shape)


def test_independent():
    (p, leaves), (q, t_leaves) = theirs_and_ours("Normal")
    mine, other = D.Independent(p.expand((3, 2)), 1), torch.distributions.Independent(q.expand((3, 2)), 1)
    assert (mine.batch_shape, mine.event_shape) == ((3,), (2,)) and mine.has_rsample and not mine.has_enumerate_support
    compare(mine.log_prob(mg.zeros(3, 2)), other.log_prob(torch.zeros(3, 2)), leaves, t_leaves)
    compare(mine.entropy(), other.entropy(), leaves, t_leaves)
    compare(mine.expand((4, 3)).log_prob(mg.zeros(2)), other.expand((4, 3)).log_prob(torch.zeros(2)), leaves, t_leaves)
    assert mine.mean.shape == mine.rsample().shape == (3, 2) and mine.sample((5,)).shape == (5, 3, 2)
    assert D.kl_divergence(mine, mine).tolist() == [0.0] * 3
    with pytest.raises(NotImplementedError, match="1 and 2 dimensions are part of the events"):
        D.kl_divergence(mine, D.Independent(mine.base_dist, 2))
    assert repr(mine) == "Independent(Normal(loc: torch.Size([3, 2]), scale: torch.Size([3, 2])), 1)"


def test_the_corner_of_a_dirichlet():
    """PyTorch takes the first one, whichever is the largest."""
    assert D.Dirichlet(mg.tensor([0.3, 0.2, 0.9])).mode.tolist() == [0.0, 0.0, 1.0]


def test_a_concentration_near_0_is_drawn():
    x = D.Dirichlet(mg.full((3,), 1e-4)).sample((100,))
    assert x.isfinite().all() and (x.sum(-1) - 1).abs().max().item() < 1e-6


def test_one_distribution_in_several_backward_passes():
    loc = mg.zeros(2, requires_grad=True)
    p = D.Normal(loc, mg.ones(2))
    for _ in range(2):
        p.log_prob(mg.ones(2)).sum().backward()
    assert loc.grad.tolist() == [2.0, 2.0]


def test_numbers_are_parameters():
    p = D.Normal(0, 1)
    assert p.batch_shape == () and p.loc.dtype == mg.float32 and p.log_prob(0).item() == pytest.approx(-0.9189385)
    assert D.Normal(mg.zeros(2, dtype=mg.float64), 1.0).scale.dtype == mg.float64
    assert D.Bernoulli(0.3).sample((4,)).shape == (4,) and D.Uniform(0, 1).sample((2,)).dtype == mg.float32
    assert repr(D.Normal(0, 1)) == "Normal(loc: 0.0, scale: 1.0)"


def test_registered_divergences():
    class Mine(D.Normal):
        pass

    assert D.kl_divergence(Mine(0.0, 1.0), D.Normal(1.0, 1.0)).item() == 0.5

    @D.register_kl(Mine, D.Normal)
    def divergence(p, q):
        return p.loc * 7

    assert D.kl_divergence(Mine(1.0, 1.0), D.Normal(1.0, 1.0)).item() == 7
    assert D.kl_divergence(D.Normal(1.0, 1.0), Mine(1.0, 1.0)).item() == 0


def test_whether_arguments_are_looked_at():
    D.Normal(0.0, -1.0, validate_args=False)
    assert D.Uniform(0.0, 1.0, validate_args=False).log_prob(2.0).item() == -inf
    D.Distribution.set_default_validate_args(False)
    try:
        D.Normal(0.0, -1.0)
    finally:
        D.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError, match="Normal: scale must be positive"):
        D.Normal(0.0, -1.0)


def normal():
    return D.Normal(mg.zeros(2), mg.ones(2))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: D.Normal(mg.zeros(2), mg.tensor([1.0, -2.0])), ValueError, r"Normal: scale must be positive, but is -2\.0"),
        (lambda: D.Normal(math.nan, 1.0), ValueError, "Normal: loc must be real, but is nan"),
        (lambda: D.Normal("0", 1.0), TypeError, "Normal: loc must be a Tensor or a number, not '0'"),
        (lambda: D.Normal(mg.zeros(2), mg.ones(3)), ValueError, r"Normal: loc \(2,\) and scale \(3,\) do not broadcast"),
        (lambda: D.Uniform(1.0, 1.0), ValueError, r"Uniform: low must be below high everywhere, but they are 1\.0 and 1\.0"),
        (lambda: D.Uniform(0.0, 1.0).log_prob(2.0), ValueError, "Uniform: the value must be from .* but is 2"),
        (lambda: D.Bernoulli(), ValueError, "Bernoulli: either probs or logits must be given, and not both"),
        (lambda: D.Bernoulli(1.5), ValueError, r"Bernoulli: probs must be from 0 to 1, but is 1\.5"),
        (lambda: D.Bernoulli(0.5).log_prob(0.5), ValueError, "Bernoulli: the value must be 0 or 1"),
        (lambda: D.Categorical(mg.tensor(1.0)), ValueError, "Categorical: probs must have at least 1 dimension"),
        (lambda: D.Categorical(mg.tensor([-1.0, 2.0])), ValueError, "Categorical: probs must be 0 or above with a positive sum"),
        (lambda: D.Categorical(mg.ones(3)).log_prob(3), ValueError, "Categorical: the value must be whole, from 0 to 2, but is 3"),
        (lambda: D.OneHotCategorical(mg.ones(3)).log_prob(mg.ones(3)), ValueError, "OneHotCategorical: the value must be one 1 among zeros"),
        (lambda: normal().log_prob(mg.zeros(3)), ValueError, r"Normal: a value of shape \(3,\) does not fit batch_shape \(2,\)"),
        (lambda: D.Dirichlet(mg.ones(3)).log_prob(mg.ones(2)), ValueError, r"Dirichlet: a value of shape \(2,\) does not fit .* \(3,\)"),
        (lambda: D.Dirichlet(1.0), ValueError, "Dirichlet: the concentration must have at least 1 dimension"),
        (lambda: D.MultivariateNormal(mg.zeros(2)), ValueError, "MultivariateNormal: exactly one of covariance_matrix"),
        (lambda: D.MultivariateNormal(mg.zeros(2), mg.eye(3)), ValueError, r"MultivariateNormal: loc \(..., n\) and covariance_matrix"),
        (lambda: D.MultivariateNormal(mg.zeros(2), -mg.eye(2)), ValueError, "covariance_matrix must be symmetric and positive definite"),
        (lambda: D.MultivariateNormal(mg.zeros(2), scale_tril=mg.ones(2, 2)), ValueError, "scale_tril must be lower triangular with a positive"),
        (lambda: D.Independent(normal(), 2), ValueError, "Independent: reinterpreted_batch_ndims must be from 0 to 1"),
        (lambda: D.kl_divergence(normal(), D.Gamma(1.0, 1.0)), NotImplementedError, "kl_divergence: no formula for Normal and Gamma"),
        (lambda: D.kl_divergence(normal(), D.LogNormal(0.0, 1.0)), NotImplementedError, "kl_divergence: no formula for Normal and LogNormal"),
        (lambda: D.register_kl(int, D.Normal), TypeError, "register_kl: classes of distributions are needed"),
        (lambda: D.Beta(1.0, 1.0).cdf(1.0), NotImplementedError, "Beta: there is no cdf"),
        (lambda: D.Gamma(1.0, 1.0).icdf(0.5), NotImplementedError, "Gamma: there is no icdf"),
        (lambda: D.Distribution.set_default_validate_args(3), ValueError, "set_default_validate_args: True or False is needed"),
    ],
)  # fmt: skip
def test_messages(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("name", sorted({row[0] for row in ROWS.values()} - {"Uniform", "Wishart"}))  # theirs are properties
def test_constraints_of_arguments(name):
    theirs, mine = getattr(torch.distributions, name).arg_constraints, getattr(D, name).arg_constraints
    whole = {"GreaterThanEq(lower_bound=0)": "GreaterThanEq(lower_bound=0.0)"}  # of counts
    assert {k: str(v) for k, v in mine.items()} == {k: whole.get(str(v), str(v)) for k, v in theirs.items()}


def test_a_refused_argument_has_the_name_that_it_was_given():
    with pytest.raises(ValueError, match=r"Chi2: df must be positive, but is -1\.0"):
        D.Chi2(mg.tensor([1.0, -1.0]))
    assert D.Chi2(-1.0, validate_args=False).df.item() == -1.0


def test_constraints():
    C = D.constraints
    assert C.simplex.check(mg.tensor([[0.5, 0.5], [0.5, 0.6]])).tolist() == [True, False]
    assert C.greater_than(1).check(mg.tensor([1, 2])).tolist() == [False, True] and C.less_than(1).check(mg.tensor(0)).item()
    assert C.greater_than_eq(mg.tensor([0, 5])).check(mg.tensor([0, 4])).tolist() == [True, False]
    assert C.positive_integer.check(mg.tensor([0.0, 1.0, 1.5])).tolist() == [False, True, False] and C.boolean.is_discrete
    assert C.symmetric.check(mg.eye(2)).item() and C.real_vector.event_dim == 1 and C.dependent.check(mg.ones(2)).all()
    assert C.positive.lower_bound == 0 and C.unit_interval.upper_bound == 1 and not C.real.check(mg.tensor(math.nan)).item()


def test_texts_of_constraints():
    def texts(lib):
        D = lib.distributions
        C = D.constraints
        sets = [
            C.real, C.real_vector, C.positive, C.nonnegative, C.unit_interval, C.boolean, C.nonnegative_integer, C.positive_integer, C.simplex, C.one_hot,
            C.symmetric, C.positive_definite, C.lower_cholesky, C.square, C.lower_triangular, C.positive_semidefinite, C.corr_cholesky, C.dependent,
            C.greater_than(0.5), C.greater_than_eq(1), C.less_than(lib.tensor(2.0)), C.interval(0, 1), C.half_open_interval(lib.zeros(2), 1.0),
            C.integer_interval(0, 3), C.independent(C.positive, 2), C.independent(C.independent(C.real, 1), 1), C.cat([C.real]), C.stack([C.real]),
            D.Normal(0.0, 1.0).arg_constraints, D.Bernoulli(0.5).arg_constraints, D.Geometric(0.5).arg_constraints, D.NegativeBinomial(3, 0.5).support,
            D.Categorical(lib.ones(3)).arg_constraints, D.Categorical(lib.ones(3)).support, D.Multinomial(3, lib.ones(2)).support, D.Uniform(0.0, 2.0).support,
            D.NegativeBinomial(3, 0.5).arg_constraints["probs"], D.MultivariateNormal(lib.zeros(2), lib.eye(2)).arg_constraints, D.Pareto(2.0, 1.0).support,
            D.Dirichlet(lib.ones(2)).arg_constraints, D.Independent(D.Normal(lib.zeros(2), 1.0), 1).support, D.ExpTransform().codomain, D.TanhTransform().codomain,
        ]  # fmt: skip
        return list(map(str, sets))

    assert texts(minigrad.torch) == noted(texts)
    set_ = D.constraints.Constraint("even", lambda x: x % 2 == 0)
    assert repr(set_) == "even" and set_.check(mg.tensor([1, 2])).tolist() == [False, True]


TEXTS = [
    "Normal(0.0, 1.0)", "Bernoulli(logits=t([0.1, 2.0]))", "Categorical(t([0.2, 0.8]))", "Beta(1.0, 2.0)", "Chi2(2.0)", "Gumbel(0.0, 1.0)", "HalfNormal(1.0)",
    "LogNormal(0.0, 1.0)", "Weibull(1.0, 2.0)", "Pareto(1.0, 2.0)", "InverseGamma(1.0, 2.0)", "Kumaraswamy(1.0, 2.0)", "Normal(t([0.5]), t([1.0]))",
    "OneHotCategorical(t([0.2, 0.8]))", "Multinomial(5, t([1.0, 1.0]))", "VonMises(0.0, 1.0)", "ContinuousBernoulli(t([0.3, 0.4]))",
    "MixtureSameFamily(D.Bernoulli(t([0.5, 0.5])) and D.Categorical(logits=t([1.0, 1.0])), D.Normal(t([0.0, 1.0]), t([1.0, 1.0])))",
    "TransformedDistribution(D.Normal(0.0, 1.0), [D.ExpTransform()])", "Independent(D.Normal(t([0.0, 1.0]), t([1.0, 1.0])), 1)",
    "ComposeTransform([D.ExpTransform(), D.AffineTransform(1.0, 2.0)])", "RelaxedBernoulli(t(0.5), probs=0.3)",
]  # fmt: skip


def test_texts():
    def texts(lib):
        p = lib.distributions.Categorical(lib.ones(2, 3, 4))
        return [str(p.batch_shape), str(p.event_shape)] + [
            repr(eval(f"D.{text}", {"D": lib.distributions, "t": lib.tensor})) for text in TEXTS
        ]

    assert texts(minigrad.torch) == noted(texts)


def test_angles():
    """PyTorch's Bessel functions have 7 digits. The density sums up to 1; the mean and the variance are those of directions."""

    def numbers(lib):
        loc, k = (lib.tensor(v, dtype=lib.float64, requires_grad=True) for v in ([0.3, -1.0, 2.0], [0.5, 3.0, 300.0]))
        p = lib.distributions.VonMises(loc, k)
        density = p.log_prob(lib.tensor([0.1, 3.0, 2.1], dtype=lib.float64))
        return [
            x.tolist() for x in (density, p.mean, p.mode, p.variance, p.expand((2, 3)).mean, *lib.autograd.grad(density.sum(), [loc, k]))
        ]

    for mine, other in zip(numbers(minigrad.torch), noted(numbers), strict=True):
        np.testing.assert_allclose(mine, other, rtol=2e-6, atol=1e-6)
    p = D.VonMises(mg.tensor([0.3, -1.0], dtype=mg.float64), mg.tensor([0.5, 3.0], dtype=mg.float64))
    circle = mg.linspace(-math.pi, math.pi, 2001, dtype=mg.float64)[1:, None]
    np.testing.assert_allclose(p.log_prob(circle).exp().mean(0).numpy() * 2 * math.pi, 1.0, rtol=1e-12)
    mg.manual_seed(0)
    drawn = p.sample((20_000,))
    c, s = drawn.cos().mean(0), drawn.sin().mean(0)
    assert drawn.abs().max() <= math.pi and not p.has_rsample and drawn.dtype == mg.float64
    np.testing.assert_allclose(mg.atan2(s, c).numpy(), [0.3, -1.0], atol=0.05)
    np.testing.assert_allclose(1 - (c * c + s * s).sqrt().numpy(), p.variance.numpy(), atol=0.01)


def custom(torch):
    """A distribution that a script writes, with PyTorch's own helpers: its shapes, what it refuses, and what an expanded one draws."""
    D = torch.distributions

    class Shifted(D.Distribution):
        arg_constraints = {"loc": D.constraints.real, "width": D.constraints.positive}
        has_rsample = True

        def __init__(self, loc, width, validate_args=None):
            self.loc, self.width = loc, width
            super().__init__(loc.size(), validate_args=validate_args)

        @property
        def support(self):
            return D.constraints.greater_than_eq(0.0)

        def expand(self, batch_shape, _instance=None):
            new = self._get_checked_instance(Shifted, _instance)
            new.loc, new.width = self.loc.expand(batch_shape), self.width.expand(batch_shape)
            super(Shifted, new).__init__(batch_shape, validate_args=False)
            new._validate_args = self._validate_args
            return new

        def rsample(self, sample_shape=()):
            return self.loc + self.width * torch.ones(self._extended_shape(sample_shape))

        def log_prob(self, value):
            if self._validate_args:
                self._validate_sample(value)
            return -(value - self.loc) / self.width - self.width.log()

    class Named(Shifted):
        def __init__(self, loc):
            super().__init__(loc, torch.ones(2))

    d = Shifted(torch.zeros(2), torch.tensor([1.0, 2.0]))
    wide = d.expand((3, 2))
    refused = []
    for attempt in (
        lambda: d.log_prob(torch.tensor([-1.0, 0.0])),
        lambda: d.log_prob(torch.ones(3)),
        lambda: Named(torch.zeros(2)).expand((3, 2)),
    ):
        try:
            attempt()
        except (ValueError, NotImplementedError) as error:
            refused.append(isinstance(error, ValueError))
    return [
        list(d._extended_shape((4,))),
        list(wide.sample((5,)).shape),
        type(wide).__name__,
        wide.log_prob(torch.ones(2)).tolist(),
        refused,
    ]


def test_a_distribution_of_a_script():
    assert custom(minigrad.torch) == noted(custom)


def test_factors_of_correlations():
    for dim, concentration in ((2, [0.5, 2.0]), (4, [1.5, 3.0])):
        numbers = np.linalg.cholesky(np.full((dim, dim), 0.3) + 0.7 * np.eye(dim)).tolist()

        def density(lib, dim=dim, concentration=concentration, numbers=numbers):
            c = lib.tensor(concentration, dtype=lib.float64, requires_grad=True)
            p = lib.distributions.LKJCholesky(dim, c)
            found = p.log_prob(lib.tensor(numbers, dtype=lib.float64))
            (slope,) = lib.autograd.grad(found.sum(), c)
            wide = p.expand((3, 2)).log_prob(lib.tensor(numbers, dtype=lib.float64))
            return [found.tolist(), slope.tolist(), wide.tolist(), list(p.event_shape)]

        for a, b in zip(density(minigrad.torch), noted(lambda torch, density=density: density(torch)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9)
    mg.manual_seed(0)
    p = D.LKJCholesky(3, mg.tensor([0.6, 4.0], dtype=mg.float64))
    drawn = p.sample((20_000,))
    p.log_prob(drawn)  # all are in the support
    correlations = (drawn @ drawn.mT).numpy()
    np.testing.assert_allclose(correlations.mean(0), np.tile(np.eye(3), (2, 1, 1)), atol=0.02)
    # an element r of such a matrix is 2 b - 1 with a beta distribution of concentrations c + (n - 2) / 2: the variance 1 / (2 c + n - 1)
    np.testing.assert_allclose(correlations[..., 2, 1].var(0), [1 / 3.2, 1 / 10.0], rtol=0.04)
    assert p.expand((3, 2)).sample().shape == (3, 2, 3, 3) and not p.has_rsample
    with pytest.raises(ShapeError, match="LKJCholesky: dim"):
        D.LKJCholesky(1)


def test_what_a_wishart_distribution_refuses():
    with pytest.raises(ValueError, match="Wishart: exactly one of covariance_matrix, precision_matrix and scale_tril must be given, not 0"):
        D.Wishart(3.0)
    with pytest.raises(ValueError, match=r"Wishart: df must be above 1, but is 1.0"):
        D.Wishart(1.0, mg.eye(2))
    with pytest.raises(ShapeError, match=r"Wishart: scale_tril \(..., n, n\) is needed, not \(2, 3\)"):
        D.Wishart(3.0, scale_tril=mg.ones(2, 3))


def test_a_generalised_pareto_distribution():
    """In float32: PyTorch's compares the concentration with a float32 zero, and raises for float64."""
    parameters = [[0.3, -1.0, 0.0, 0.3, 0.5], [0.5, 2.0, 1.0, 2.0, 1.5], [0.15, -0.4, 0.0, 0.7, 1.5]]
    values = [[0.6, 0.5, 2.0, 0.4, 5.0], [0.4, 3.0, 0.1, 9.0, 0.6]]

    def numbers(lib):
        given = [lib.tensor(v, requires_grad=True) for v in parameters]
        p, x = lib.distributions.GeneralizedPareto(*given), lib.tensor(values)
        found = [p.log_prob(x), p.cdf(x), p.icdf(lib.tensor([0.1, 0.9, 0.5, 0.3, 0.99])), p.entropy()]
        moments = [
            p.mean,
            p.variance,
            p.stddev,
            p.mode,
            p.log_survival_function(x),
            p.log_cdf(x),
            p.support.lower_bound,
            p.support.upper_bound,
        ]
        gradients = [list(lib.autograd.grad(y.sum(), given, retain_graph=True)) for y in found[:3]]
        for of_each in gradients:
            of_each[2] = of_each[2] * lib.tensor([1.0, 1.0, 0.0, 1.0, 1.0])  # PyTorch's is 0 at a concentration of 0
        return [v.tolist() for v in [*found, *moments, *[g for of_each in gradients for g in of_each]]]

    for a, b in zip(numbers(minigrad.torch), noted(lambda torch: numbers(torch)), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)

    def density(*given):
        p = D.GeneralizedPareto(*given, validate_args=False)
        return p.log_prob(mg.tensor(values, dtype=mg.float64)), p.icdf(mg.tensor([0.1, 0.9, 0.5, 0.3, 0.99], dtype=mg.float64))

    assert gradcheck(lambda *given: mg.cat([y.reshape(-1) for y in density(*given)]), *[np.array(v) for v in parameters], order=2)
    mg.manual_seed(0)
    p = D.GeneralizedPareto(0.5, 2.0, mg.tensor([0.1, 0.0, -0.5, -1.0], dtype=mg.float64))
    drawn = p.sample((20_000,))
    assert mg.isfinite(p.log_prob(drawn)).all()  # all are in the support
    np.testing.assert_allclose(drawn.mean(0).numpy(), p.mean.numpy(), rtol=0.03)
    np.testing.assert_allclose(p.cdf(drawn).mean(0).numpy(), 0.5, atol=0.01)
    assert D.GeneralizedPareto(0.0, 1.0, -1.0).log_prob(1.0).item() == 0.0 and p.expand((3, 4)).sample().shape == (3, 4)
    with pytest.raises(ValueError, match="GeneralizedPareto: the value must be"):
        D.GeneralizedPareto(0.0, 1.0, -0.5).log_prob(2.5)


def test_a_wishart_distribution_of_a_factor():
    factor, x = mg.tensor(L, dtype=mg.float64, requires_grad=True), mg.tensor(COVARIANCE, dtype=mg.float64)
    p, q = D.Wishart(4.5, scale_tril=factor), D.Wishart(4.5, factor @ factor.mT)
    for mine, other in ((p.log_prob(x), q.log_prob(x)), (p.entropy(), q.entropy()), (p.mean.sum(), q.mean.sum())):
        (a,), (b,) = mg.grad(mine, factor, retain_graph=True), mg.grad(other, factor, retain_graph=True)
        np.testing.assert_allclose(
            [mine.item(), *a.tril().flatten().tolist()], [other.item(), *b.tril().flatten().tolist()], rtol=1e-9, atol=1e-12
        )
    mg.manual_seed(0)
    drawn = p.rsample((20_000,))
    np.testing.assert_allclose(drawn.mean(0).detach().numpy(), p.mean.detach().numpy(), rtol=0.05)
    (slope,) = mg.grad(drawn.mean(0).sum(), factor, retain_graph=True)
    (wanted,) = mg.grad(p.mean.sum(), factor)
    np.testing.assert_allclose(slope.numpy(), wanted.numpy(), rtol=0.05, atol=0.1)


MATRICES = [[[0.5, -2.0, 4.0], [1.0, 3.0, 9.0], [-1.5, 2.5, 7.0]], [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]


class TestUtils:
    """torch.distributions.utils, with PyTorch's numbers and gradients."""

    @pytest.mark.parametrize(
        ("function", "values", "options"),
        [
            ("logits_to_probs", [[0.3, -1.0, 8.0]], {}),
            ("logits_to_probs", [[0.3, -1.0, 8.0]], {"is_binary": True}),
            ("clamp_probs", [0.0, 0.4, 1.0], {}),
            ("probs_to_logits", [[0.2, 0.3, 0.5]], {}),
            ("probs_to_logits", [0.0, 0.4, 1.0], {"is_binary": True}),
            *[("tril_matrix_to_vec", MATRICES, {"diag": diag}) for diag in range(-3, 3)],
            *[("vec_to_tril_matrix", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], {"diag": diag}) for diag in (-2, -1, 0)],
            ("vec_to_tril_matrix", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], {"diag": 1}),
        ],
    )
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_numbers_and_gradients(self, function, values, options, dtype):
        found = []
        for lib in (torch, minigrad.torch):
            x = lib.tensor(values, dtype=getattr(lib, dtype), requires_grad=True)
            y = getattr(lib.distributions.utils, function)(x, **options)
            (y * lib.arange(y.numel()).reshape(y.shape)).sum().backward()
            found.append((y.detach().numpy(), x.grad.numpy()))
        for theirs, mine in zip(*found, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-6 if dtype == "float32" else 1e-12)
            assert mine.dtype == theirs.dtype

    def test_broadcast_all(self):
        for values in ([1, 2.5, True], [[0.5, 1.0], 2], [2, [[1], [2]], [0.5, 1.5]]):
            both = [
                lib.distributions.utils.broadcast_all(*[lib.tensor(v) if isinstance(v, list) else v for v in values])
                for lib in (torch, minigrad.torch)
            ]
            for theirs, mine in zip(*both, strict=True):
                assert repr(mine) == repr(theirs)

    def test_lazy_property(self):
        """Computed once, with a graph even where none is recorded; a value that was set stays."""
        lazy_property = minigrad.torch.distributions.utils.lazy_property

        class Both:
            calls = 0

            def __init__(self, logits):
                self.logits = logits

            @lazy_property
            def probs(self):
                """sigmoid"""
                self.calls += 1
                return self.logits.sigmoid()

        both = Both(mg.zeros(2, requires_grad=True))
        with mg.no_grad():
            assert both.probs is both.probs and both.calls == 1
        assert both.probs.requires_grad
        assert isinstance(Both.probs, lazy_property) and Both.probs.__doc__ == "sigmoid"
        other = Both(None)
        other.probs = 3
        assert other.probs == 3 and other.calls == 0

    @pytest.mark.parametrize(
        ("call", "error", "message"),
        [
            (lambda u: u.broadcast_all([1.0], 2.0), ValueError, r"Tensors and numbers are needed, not \[1.0\] \(list\)"),
            (lambda u: u.broadcast_all(mg.ones(2), mg.ones(3)), ShapeError, "broadcast"),
            (lambda u: u.tril_matrix_to_vec(mg.ones(2, 3)), ShapeError, r"square matrices \(..., n, n\) are needed, not shape \(2, 3\)"),
            (lambda u: u.tril_matrix_to_vec(mg.ones(2, 2), diag=2), ValueError, "diag must be from -2 to 1, but is 2"),
            (lambda u: u.vec_to_tril_matrix(mg.ones(2)), ShapeError, r"no square matrix has \(2,\) elements on and below its diagonal 0"),
            (lambda u: u.vec_to_tril_matrix(mg.tensor(1.0)), ShapeError, "no square matrix"),
        ],
    )
    def test_messages(self, call, error, message):
        with pytest.raises(error, match=message):
            call(D.utils)
