"""Probability distributions with PyTorch's names: densities, entropies, draws and Kullback-Leibler divergences.

A distribution holds its parameters, Tensors that may require gradients. Their dimensions are the ``batch_shape``, one distribution for each
element, and those of a single draw the ``event_shape``. ``rsample()`` draws with a gradient in the parameters, where ``has_rsample`` says so.

>>> import minigrad as mg
>>> from minigrad.distributions import Normal, kl_divergence
>>> p, q = Normal(mg.tensor([0.0, 1.0]), 1.0), Normal(0.0, 2.0)
>>> p.log_prob(mg.zeros(2)), kl_divergence(p, q)
(tensor([-0.9189, -1.4189]), tensor([0.3181, 0.4431]))
"""

from minigrad.distributions import constraints, registry, transforms, utils
from minigrad.distributions.continuous import Cauchy, Exponential, GeneralizedPareto, Laplace, Normal, Uniform, VonMises
from minigrad.distributions.discrete import (
    Bernoulli,
    Binomial,
    Categorical,
    ContinuousBernoulli,
    Geometric,
    Multinomial,
    NegativeBinomial,
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
    Poisson,
)  # fmt: skip
from minigrad.distributions.distribution import Distribution, Independent
from minigrad.distributions.gamma import Beta, Chi2, Dirichlet, FisherSnedecor, Gamma, InverseGamma, StudentT
from minigrad.distributions.kl import kl_divergence, register_kl
from minigrad.distributions.matrices import LKJCholesky, Wishart
from minigrad.distributions.multivariate import LowRankMultivariateNormal, MultivariateNormal
from minigrad.distributions.registry import biject_to, transform_to
from minigrad.distributions.transformed import (
    Gumbel,
    HalfCauchy,
    HalfNormal,
    Kumaraswamy,
    LogisticNormal,
    LogNormal,
    MixtureSameFamily,
    Pareto,
    RelaxedBernoulli,
    RelaxedOneHotCategorical,
    TransformedDistribution,
    Weibull,
)  # fmt: skip
from minigrad.distributions.transforms import (
    AbsTransform,
    AffineTransform,
    CatTransform,
    ComposeTransform,
    CorrCholeskyTransform,
    CumulativeDistributionTransform,
    ExpTransform,
    IndependentTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    PowerTransform,
    ReshapeTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    StackTransform,
    StickBreakingTransform,
    TanhTransform,
    Transform,
    identity_transform,
)  # fmt: skip

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "Bernoulli",
    "Beta",
    "Binomial",
    "CatTransform",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ComposeTransform",
    "ContinuousBernoulli",
    "CorrCholeskyTransform",
    "CumulativeDistributionTransform",
    "Dirichlet",
    "Distribution",
    "ExpTransform",
    "Exponential",
    "FisherSnedecor",
    "Gamma",
    "GeneralizedPareto",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "IndependentTransform",
    "InverseGamma",
    "Kumaraswamy",
    "LKJCholesky",
    "Laplace",
    "LogNormal",
    "LogisticNormal",
    "LowRankMultivariateNormal",
    "LowerCholeskyTransform",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Pareto",
    "Poisson",
    "PositiveDefiniteTransform",
    "PowerTransform",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StackTransform",
    "StickBreakingTransform",
    "StudentT",
    "TanhTransform",
    "Transform",
    "TransformedDistribution",
    "Uniform",
    "VonMises",
    "Weibull",
    "Wishart",
    "biject_to",
    "constraints",
    "identity_transform",
    "kl_divergence",
    "register_kl",
    "transform_to",
    "transforms",
]  # fmt: skip
