"""Probability distributions with PyTorch's names: densities, entropies, draws and Kullback-Leibler divergences.

A distribution holds its parameters, Tensors that may require gradients. Their dimensions are the ``batch_shape``, one distribution for each
element, and those of a single draw the ``event_shape``. ``rsample()`` draws with a gradient in the parameters, where ``has_rsample`` says so.

>>> import minigrad as mg
>>> from minigrad.distributions import Normal, kl_divergence
>>> p, q = Normal(mg.tensor([0.0, 1.0]), 1.0), Normal(0.0, 2.0)
>>> p.log_prob(mg.zeros(2)), kl_divergence(p, q)
(tensor([-0.9189, -1.4189]), tensor([0.3181, 0.4431]))
"""

from minigrad.distributions import constraints
from minigrad.distributions.continuous import Beta, Cauchy, Dirichlet, Exponential, Gamma, Laplace, LogNormal, Normal, Uniform
from minigrad.distributions.discrete import Bernoulli, Categorical, Geometric, OneHotCategorical, OneHotCategoricalStraightThrough, Poisson
from minigrad.distributions.distribution import Distribution, Independent
from minigrad.distributions.kl import kl_divergence, register_kl
from minigrad.distributions.multivariate import MultivariateNormal

__all__ = [
    "Bernoulli", "Beta", "Categorical", "Cauchy", "Dirichlet", "Distribution", "Exponential", "Gamma", "Geometric", "Independent", "Laplace",
    "LogNormal", "MultivariateNormal", "Normal", "OneHotCategorical", "OneHotCategoricalStraightThrough", "Poisson", "Uniform", "constraints",
    "kl_divergence", "register_kl",
]  # fmt: skip
