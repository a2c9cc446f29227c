"""Transforms of draws, mixtures, and draws made of gamma distributions: PyTorch's numbers and gradients."""

import copy
import math
import pickle

import numpy as np
import pytest
from answers import noted

import minigrad as mg
import minigrad.torch
from minigrad import distributions as D
from minigrad.distributions import constraints
from minigrad.distributions.gamma import log_slope
from minigrad.testing import gradcheck

REAL = [[0.3, -1.2, 0.7], [2.0, 0.1, -0.4]]
POSITIVE = [[0.3, 1.2, 0.7], [2.0, 0.1, 0.4]]

# name -> how it is made of the library's tensor function and its transforms, values
TRANSFORMS = {
    "exp": (lambda t, T: T.ExpTransform(), REAL),
    "affine": (lambda t, T: T.AffineTransform(t([1.0, 2.0, 3.0]), t([2.0, -0.5, 1.0])), REAL),
    "affine of vectors": (lambda t, T: T.AffineTransform(1.0, t([2.0, -0.5, 1.0]), event_dim=1), REAL),
    "affine of numbers": (lambda t, T: T.AffineTransform(1.0, -2.0), REAL),
    "power": (lambda t, T: T.PowerTransform(t(2.5)), POSITIVE),
    "sigmoid": (lambda t, T: T.SigmoidTransform(), REAL),
    "tanh": (lambda t, T: T.TanhTransform(), REAL),
    "softplus": (lambda t, T: T.SoftplusTransform(), REAL),
    "stick breaking": (lambda t, T: T.StickBreakingTransform(), REAL),
    "inverse": (lambda t, T: T.ExpTransform().inv, POSITIVE),
    "independent": (lambda t, T: T.IndependentTransform(T.TanhTransform(), 1), REAL),
    "reshape": (lambda t, T: T.ReshapeTransform((3,), (3, 1)), REAL),
    "correlations": (lambda t, T: T.CorrCholeskyTransform(), REAL),
    "cat": (lambda t, T: T.CatTransform([T.ExpTransform(), T.AffineTransform(1.0, 2.0)], dim=1, lengths=[1, 2]), REAL),
    "stack": (lambda t, T: T.StackTransform([T.ExpTransform(), T.TanhTransform(), T.identity_transform], dim=1), REAL),
    "none": (lambda t, T: T.identity_transform, REAL),
    "several": (lambda t, T: T.ComposeTransform([T.AffineTransform(0.5, 2.0), T.TanhTransform(), T.ExpTransform()]), REAL),
    "several and vectors": (lambda t, T: T.ComposeTransform([T.TanhTransform(), T.StickBreakingTransform(), T.ExpTransform()]), REAL),
}  # fmt: skip


def made(lib, row):
    how, values = TRANSFORMS[row]
    return how(lambda x: lib.tensor(x, dtype=lib.float64), lib.distributions.transforms), lib.tensor(
        values, dtype=lib.float64, requires_grad=True
    )


def outcomes(lib, row):
    """y, what its inverse gives, the logarithm of the determinant, and the gradients of y and of it."""
    transform, x = made(lib, row)
    y = transform(x)
    log = transform.log_abs_det_jacobian(x, y)
    weights = lib.tensor(np.cos(np.arange(math.prod(y.shape))).reshape(tuple(y.shape)))
    (slope,) = lib.autograd.grad((y * weights).sum() + (log * 1.0).sum(), x, retain_graph=True)
    inverse = transform.inv
    back = inverse.log_abs_det_jacobian(y, x)
    return [v.detach().numpy() for v in (y, log, inverse(y), back, slope)]


@pytest.mark.parametrize("row", TRANSFORMS)
def test_a_transform(row):
    ours, theirs = outcomes(minigrad.torch, row), noted(lambda torch: outcomes(torch, row))
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.shape == other.shape
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-10)
    transform, x = made(minigrad.torch, row)
    assert transform.forward_shape(x.shape) == ours[0].shape and transform.inverse_shape(ours[0].shape) == x.shape
    assert transform.inv.inv is transform or transform.inv.inv.inv is transform.inv
    assert repr(transform.inv) == f"{transform}.inv" or repr(transform) == f"{transform.inv}.inv"
    assert transform.domain.check(x).all() and transform.codomain.check(transform(x)).all() and transform.bijective


def test_transforms_that_are_not_one_to_one():
    for transform, text in ((D.AbsTransform(), "AbsTransform"), (D.SoftmaxTransform(), "SoftmaxTransform")):
        y = transform(mg.tensor([-1.0, 2.0]))
        assert not transform.bijective and transform.codomain.check(y).all()
        with pytest.raises(NotImplementedError, match=f"{text}: there is no log_abs_det_jacobian"):
            transform.log_abs_det_jacobian(y, y)
    assert D.AbsTransform().inv(mg.tensor(2.0)).item() == 2.0
    assert mg.allclose(D.SoftmaxTransform()(D.SoftmaxTransform().inv(mg.tensor([0.25, 0.75]))), mg.tensor([0.25, 0.75]))


SETS = {
    "real": lambda c: c.real, "real_vector": lambda c: c.real_vector, "positive": lambda c: c.positive, "nonnegative": lambda c: c.nonnegative,
    "greater_than": lambda c: c.greater_than(1.5), "greater_than_eq": lambda c: c.greater_than_eq(-1.0), "less_than": lambda c: c.less_than(2.0),
    "interval": lambda c: c.interval(-1.0, 3.0), "unit": lambda c: c.interval(0, 1), "half_open": lambda c: c.half_open_interval(1.0, 2.0),
    "unit_interval": lambda c: c.unit_interval, "simplex": lambda c: c.simplex, "corr_cholesky": lambda c: c.corr_cholesky,
    "lower_cholesky": lambda c: c.lower_cholesky, "positive_definite": lambda c: c.positive_definite,
    "positive_semidefinite": lambda c: c.positive_semidefinite, "independent": lambda c: c.independent(c.greater_than(1.0), 1),
    "cat": lambda c: c.cat([c.positive, c.unit_interval], 1, [1, 2]), "stack": lambda c: c.stack([c.positive, c.real, c.less_than(0.0)], 1),
}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_the_transform_to_a_set(name):
    def body(torch):
        D, found = torch.distributions, []
        shape = (2, 3, 3) if name in ("lower_cholesky", "positive_definite", "positive_semidefinite") else (2, 3)
        x = torch.tensor(np.cos(np.arange(float(np.prod(shape)))).reshape(shape))
        constraint = SETS[name](D.constraints)
        for registry in (D.transform_to, D.biject_to):
            try:
                transform = registry(constraint)
            except NotImplementedError:
                found.append(None)
                continue
            y = transform(x)
            log = transform.log_abs_det_jacobian(x, y).numpy() if registry is D.biject_to else None
            found.append(
                [y.numpy(), transform.inv(y).numpy(), log, constraint.check(y).numpy(), constraint.event_dim, constraint.is_discrete]
            )
        return found

    ours, theirs = body(minigrad.torch), noted(body)
    assert [x is None for x in ours] == [x is None for x in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        for a, b in zip(mine or [], other or [], strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


def test_transforms_to_sets_are_found_by_class_and_by_set():
    registry = D.registry.ConstraintRegistry()
    registry.register(D.constraints.simplex, lambda c: D.SoftmaxTransform())

    @registry.register(D.constraints.interval)
    def between(constraint):
        return D.AffineTransform(constraint.lower_bound, 1.0)

    assert registry(D.constraints.interval(3.0, 4.0)).loc == 3.0 and isinstance(registry(D.constraints.simplex), D.SoftmaxTransform)
    with pytest.raises(NotImplementedError, match="there is no transform to numbers that are real"):
        registry(D.constraints.real)
    with pytest.raises(TypeError, match="a constraint or a class of constraints is needed, not 3"):
        registry(3)
    with pytest.raises(NotImplementedError, match="lower triangular"):
        D.biject_to(D.constraints.lower_cholesky)


def test_the_cumulative_distribution_as_a_transform():
    of = D.Laplace(mg.tensor(0.5, dtype=mg.float64), 2.0)
    transform, x = D.CumulativeDistributionTransform(of), mg.tensor(REAL, dtype=mg.float64)
    y = transform(x)
    assert mg.allclose(y, of.cdf(x)) and mg.allclose(transform.inv(y), x) and transform.domain is of.support
    assert mg.allclose(transform.log_abs_det_jacobian(x, y).exp(), mg.func.grad(lambda x: transform(x).sum())(x))


@pytest.mark.parametrize(("make", "x", "message"), [
    (lambda: D.CorrCholeskyTransform(), mg.zeros(2), r"the last dimension is n \(n - 1\) / 2"),
    (lambda: D.CatTransform([D.ExpTransform()], lengths=[2]), mg.zeros(3), r"\[2\] elements are 2, but dimension 0"),
    (lambda: D.StackTransform([D.ExpTransform()]), mg.zeros(3), "there are 1, but dimension 0"),
    (lambda: D.CatTransform([D.ExpTransform()], lengths=[2, 1]), mg.zeros(3), "2 lengths for 1 transforms"),
])  # fmt: skip
def test_shapes_that_do_not_fit_the_parts(make, x, message):
    with pytest.raises(ValueError, match=message):
        make()(x)


# how a distribution is made of the tensors, the tensors, a value
DISTRIBUTIONS = {
    "one": (lambda d, T, a, b: d.TransformedDistribution(d.Normal(a, b), T.TanhTransform()), ([0.3, -0.1], [0.5, 1.5]), [0.2, -0.6]),
    "falling": (lambda d, T, a, b: d.TransformedDistribution(d.Uniform(0.0, b), [T.AffineTransform(a, -2.0)]), ([0.3, -0.1], [0.5, 1.5]), [0.2, -0.6]),
    "logistic": (lambda d, T, a, b: d.TransformedDistribution(d.Uniform(0 * a, 1 + 0 * a), [T.SigmoidTransform().inv, T.AffineTransform(a, b)]), ([0.3, -0.1], [0.5, 1.5]), [0.2, -0.6]),
    "vectors": (lambda d, T, a, b: d.TransformedDistribution(d.MultivariateNormal(a, b), [T.ExpTransform(), T.AffineTransform(1.0, 2.0, 1)]), ([0.3, -0.1], [[1.0, 0.2], [0.2, 2.0]]), [1.2, 3.6]),
    "joined": (lambda d, T, a, b: d.TransformedDistribution(d.Normal(a, b), T.StickBreakingTransform()), ([0.3, -0.1], [0.5, 1.5]), [0.2, 0.5, 0.3]),
    "independent": (lambda d, T, a, b: d.TransformedDistribution(d.Independent(d.Normal(a, b), 1), T.TanhTransform()), ([0.3, -0.1], [0.5, 1.5]), [0.2, -0.6]),
    "mixture": (lambda d, T, a, b: d.MixtureSameFamily(d.Categorical(logits=a), d.Normal(a, b)), ([[0.3, -0.1, 0.0]], [[0.5, 1.5, 1.0]]), [0.4]),
    "mixture of vectors": (lambda d, T, a, b: d.MixtureSameFamily(d.Categorical(probs=b), d.Independent(d.Normal(a, 1.5), 1)), ([[0.3, -0.1], [1.0, 0.7]], [0.5, 1.5]), [0.4, 2.0]),
    "mixture of uniform ones": (lambda d, T, a, b: d.MixtureSameFamily(d.Categorical(probs=b), d.Uniform(a, a + 2.0, validate_args=False)), ([0.3, -0.1], [0.5, 1.5]), 0.4),
}  # fmt: skip


def described(lib, row):
    how, parameters, value = DISTRIBUTIONS[row]
    leaves = [lib.tensor(p, dtype=lib.float64, requires_grad=True) for p in parameters]
    p = how(lib.distributions, lib.distributions.transforms, *leaves)
    value = lib.tensor(value, dtype=lib.float64)
    found = [p.log_prob(value)]
    wide = p.expand((4, *p.batch_shape))
    found.append(wide.log_prob(value))
    if row.startswith("mixture"):
        found += [p.mean, p.variance]
    if row in ("one", "falling", "logistic", "mixture"):
        found.append(p.cdf(value))
    if row in ("one", "falling", "logistic"):
        found.append(p.icdf(lib.tensor([0.2, 0.7], dtype=lib.float64)))
    slopes = [g.numpy() for x in found for g in lib.autograd.grad(x.sum(), leaves, retain_graph=True, allow_unused=True) if g is not None]
    shapes = np.array([len(p.batch_shape), len(p.event_shape), *p.batch_shape, *p.event_shape])
    return [shapes, *[x.detach().numpy() for x in found], *slopes]


@pytest.mark.parametrize("row", DISTRIBUTIONS)
def test_a_distribution_of_transforms_or_components(row):
    for mine, other in zip(described(minigrad.torch, row), noted(lambda torch: described(torch, row)), strict=True):
        assert mine.shape == other.shape
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("row", DISTRIBUTIONS)
def test_what_it_draws(row):
    mg.manual_seed(0)
    how, parameters, _ = DISTRIBUTIONS[row]
    leaves = [mg.tensor(p, dtype=mg.float64, requires_grad=True) for p in parameters]
    p = how(D, D.transforms, *leaves)
    drawn = p.sample((4000,))
    assert drawn.shape == (4000, *p.batch_shape, *p.event_shape) and not drawn.requires_grad and p.log_prob(drawn).isfinite().all()
    if row.startswith("mixture"):
        assert not p.has_rsample
        assert ((drawn.mean(0) - p.mean).abs() < 0.06 * p.stddev).all()
        np.testing.assert_allclose(drawn.var(0).numpy(), p.variance.detach().numpy(), rtol=0.1)
    else:
        assert p.has_rsample and p.rsample().requires_grad
    if row in ("one", "falling", "logistic"):  # where draws are by their cdf is uniform
        assert (p.cdf(drawn).mean(0) - 0.5).abs().max().item() < 0.02


PAIRS = {
    "normal and laplace": (lambda d: d.Normal, lambda d: d.Laplace),
    "uniform and normal": (lambda d: lambda a, b: d.Uniform(a, a + b), lambda d: d.Normal),
    "exponential and gamma": (lambda d: lambda a, b: d.Exponential(b), lambda d: lambda a, b: d.Gamma(b + 1.0, b)),
    "transformed": (
        lambda d: lambda a, b: d.TransformedDistribution(d.Normal(a, b), [d.transforms.TanhTransform()]),
        lambda d: lambda a, b: d.TransformedDistribution(d.Normal(a * 2.0, b + 1.0), [d.transforms.TanhTransform()]),
    ),
}


def divergence(lib, row):
    p, q = PAIRS[row]
    leaves = [lib.tensor(x, dtype=lib.float64, requires_grad=True) for x in ([0.3, -1.0], [0.5, 2.0])]
    found = lib.distributions.kl_divergence(p(lib.distributions)(*leaves), q(lib.distributions)(*leaves))
    slopes = lib.autograd.grad(found.sum(), leaves, allow_unused=True)
    return [found.detach().numpy(), *[g.numpy() for g in slopes if g is not None]]


@pytest.mark.parametrize("row", PAIRS)
def test_divergence_of_two_kinds(row):
    for mine, other in zip(divergence(minigrad.torch, row), noted(lambda torch: divergence(torch, row)), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-10)


def test_divergence_of_transforms_that_differ():
    p = D.TransformedDistribution(D.Normal(0.0, 1.0), [D.AffineTransform(0.0, 2.0)])
    q = D.TransformedDistribution(D.Normal(0.0, 1.0), [D.AffineTransform(0.0, 3.0)])
    assert D.kl_divergence(p, p).item() == 0
    with pytest.raises(NotImplementedError, match="are not known to have the same transforms"):
        D.kl_divergence(p, q)
    with pytest.raises(NotImplementedError, match="no formula for LogNormal and Normal"):
        D.kl_divergence(D.LogNormal(0.0, 1.0), D.Normal(0.0, 1.0))


C = np.array([3.0, 3.5, 5.0, 25.0, 300.0])[:, None]
X = C * np.array([0.4, 0.8, 1.0, 1.05, 1.7])


def test_the_slope_of_a_gamma_draw():
    """-(dF / dc) / (x f), with a numerical derivative of PyTorch's cdf."""
    h = 1e-4

    def wanted(torch):
        c, x = torch.tensor(C), torch.tensor(X)
        change = (torch.special.gammainc(c + h, x) - torch.special.gammainc(c - h, x)) / (2 * h)
        density = torch.exp((c - 1) * x.log() - x - torch.lgamma(c))
        return (-change / (x * density)).numpy()

    near = (C * np.abs(X / C - 1) ** 2 < 20) | (X / C == 1)  # elsewhere the numerical derivative has no digits
    np.testing.assert_allclose(log_slope(C, X)[near], noted(wanted)[near], rtol=2e-6)
    assert gradcheck(log_slope, np.array([3.0, 4.5, 20.0]), np.array([2.0, 4.6, 31.0]), order=2, rtol=1e-4)


FAMILY = {
    "Gamma": {"concentration": [0.2, 0.9, 3.0], "rate": [2.0, 0.7, 1.0]},
    "Beta": {"concentration1": [0.5, 3.0], "concentration0": [0.4, 1.5]},
    "Dirichlet": {"concentration": [[0.5, 3.0, 1.2], [0.3, 2.0, 0.9]]},
    "Chi2": {"df": [0.5, 3.0]},
    "InverseGamma": {"concentration": [5.5, 6.0], "rate": [2.0, 0.7]},
    "StudentT": {"df": [9.5, 7.0], "loc": [0.3, -1.0], "scale": [0.5, 2.0]},
    "FisherSnedecor": {"df1": [3.5, 7.0], "df2": [15.0, 12.0]},
}


@pytest.mark.parametrize("name", FAMILY)
def test_the_mean_gradient_of_draws_is_that_of_the_mean(name):
    """Of the square too: to 5 standard errors of 20,000 draws, each with parameters of its own."""
    mg.manual_seed(1)
    n, kind = 20_000, getattr(D, name)
    leaves = {k: mg.tensor(np.broadcast_to(v, (n, *np.shape(v))), dtype=mg.float64, requires_grad=True) for k, v in FAMILY[name].items()}
    drawn = kind(**leaves).rsample()
    one = {k: mg.tensor(v, dtype=mg.float64, requires_grad=True) for k, v in FAMILY[name].items()}
    p = kind(**one)
    weights = mg.tensor(np.cos(np.arange(math.prod(p.mean.shape)).reshape(p.mean.shape)))  # those of a Dirichlet have the sum 1
    for of_draws, of_moments in ((drawn, p.mean), (drawn.square(), p.variance + p.mean.square())):
        each = mg.grad((of_draws * weights).sum(), list(leaves.values()), retain_graph=True, materialize_grads=True)
        wanted = mg.grad((of_moments * weights).sum(), list(one.values()), retain_graph=True, allow_unused=True, materialize_grads=True)
        for a, b in zip(each, wanted, strict=True):
            a = a.numpy()
            assert (np.abs(a.mean(0) - b.numpy()) <= 5 * a.std(0) / math.sqrt(n) + 1e-12).all()


def test_second_derivatives_of_draws():
    """By the rule for products of powers: x = exp(y) has them in both ways that it depends on the concentration."""
    c = mg.tensor([0.7, 4.0], dtype=mg.float64, requires_grad=True)
    n = 20_000
    leaf = mg.tensor(np.broadcast_to(c.detach().numpy(), (n, 2)), requires_grad=True)
    mg.manual_seed(2)
    drawn = D.Gamma(leaf, mg.ones((), dtype=mg.float64)).rsample()
    (first,) = mg.grad(drawn.square().sum(), leaf, create_graph=True)
    (second,) = mg.grad(first.sum(), leaf)
    found = second.numpy()  # E[x²] = c (c + 1), whose second derivative is 2
    assert (np.abs(found.mean(0) - 2) < 5 * found.std(0) / math.sqrt(n)).all()


def test_draws_of_single_precision_have_its_gradients():
    c = mg.tensor([1e-3, 0.5, 1e4], requires_grad=True)
    drawn = D.Gamma(c, 1.0).rsample((50,))
    drawn.sum().backward()
    assert drawn.dtype == c.grad.dtype == mg.float32 and c.grad.isfinite().all()
    assert (drawn > 0).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: D.TransformedDistribution(D.Normal(0.0, 1.0), [mg.exp]), TypeError, "TransformedDistribution: transforms are needed, not <"),
        (
            lambda: D.TransformedDistribution(D.Normal(0.0, 1.0), D.StickBreakingTransform()),
            ValueError,
            r"TransformedDistribution: the transforms take 1 dimensions together, but a draw has the shape \(\)",
        ),
        (lambda: D.Uniform(mg.zeros(2), 1.0).log_prob(2.0), ValueError, r"Uniform: the value must be from .* but is 2\.0"),
        (lambda: D.ReshapeTransform((2,), (3,)), ValueError, r"ReshapeTransform: \(2,\) and \(3,\) have different numbers of elements"),
        (lambda: D.ReshapeTransform((2,), (2, 1))(mg.ones(3)), ValueError, r"ReshapeTransform: the last dimensions must be \(2,\), but"),
        (lambda: D.ExpTransform(cache_size=2), ValueError, "ExpTransform: cache_size must be 0 or 1, not 2"),
        (lambda: D.MixtureSameFamily(D.Normal(0.0, 1.0), D.Normal(0.0, 1.0)), TypeError, "the mixture must be a Categorical, not Normal"),
        (
            lambda: D.MixtureSameFamily(D.Categorical(mg.ones(3)), D.Normal(mg.zeros(2), 1.0)),
            ValueError,
            r"the batch of the components must be \(3,\), a component in the last dimension, not \(2,\)",
        ),
        (lambda: D.LogNormal(0.0, 1.0).log_prob(-1.0), ValueError, "LogNormal: the value must be positive, but is -1"),
        (lambda: D.Multinomial(3, mg.ones(2)).log_prob(mg.ones(2)), ValueError, "with the sum 3, but is"),
        (lambda: D.Multinomial(3, mg.ones(2)).mode, NotImplementedError, "Multinomial: there is no mode"),
        (lambda: D.Binomial(mg.tensor([1.0, 2.0]), 0.5).entropy(), NotImplementedError, "Binomial: there is no list of all values where"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_more_trials_than_one():
    def of(lib):
        logits = lib.tensor([[0.2, -0.5, 0.9], [3.0, 1.0, 1.0]], dtype=lib.float64, requires_grad=True)
        p = lib.distributions.Multinomial(4, logits=logits)
        found = [p.log_prob(lib.tensor([1.0, 0.0, 3.0], dtype=lib.float64)), p.entropy(), p.mean, p.expand((2, 2)).variance]
        return [x.detach().numpy() for x in found] + [lib.autograd.grad(x.sum(), logits, retain_graph=True)[0].numpy() for x in found]

    for mine, other in zip(of(minigrad.torch), noted(of), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-7, atol=1e-12)  # PyTorch moves probabilities off 0 and 1
    drawn = D.Multinomial(4, mg.tensor([1.0, 3.0])).sample((5,))
    assert (drawn.sum(-1) == 4).all()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_constraints_and_what_has_them_are_copied(copied):
    """Those of the module stay themselves; others have the same bounds and say the same of values."""
    named = [value for value in vars(constraints).values() if isinstance(value, constraints.Constraint)]
    assert len(named) > 15 and all(copied(each) is each for each in named)
    x = mg.tensor([[-1.0, 0.5, 2.0]])
    of_user = [constraints.interval(0.0, 1.0), constraints.less_than(upper_bound=1.0), constraints.independent(constraints.positive, 1)]
    of_user += [constraints.cat([constraints.real, constraints.positive], 1, [1, 2]), constraints.stack([constraints.real] * 3, 1)]
    for each in of_user:
        new = copied(each)
        assert type(new) is type(each) and repr(new) == repr(each)
        np.testing.assert_array_equal(new.check(x).numpy(), each.check(x).numpy())
    gumbel = D.Gumbel(mg.tensor(0.5), mg.tensor(2.0))
    np.testing.assert_array_equal(copied(gumbel).log_prob(x).numpy(), gumbel.log_prob(x).numpy())
