"""Densities that are learned: a squashed Gaussian policy, one of Beta distributions, a mixture, a flow of transforms, and divergences to a prior."""

import torch
import torch.distributions as D
import torch.nn as nn
from drawn import normal, same_weights
from torch.distributions import Beta, Categorical, Independent, MixtureSameFamily, Normal, TransformedDistribution, kl_divergence
from torch.distributions.transforms import AffineTransform, ExpTransform, SigmoidTransform, TanhTransform

LOG_STD_MIN, LOG_STD_MAX = -5.0, 2.0


class SquashedNormal(TransformedDistribution):
    def __init__(self, loc, scale):
        self.base = Normal(loc, scale)
        super().__init__(self.base, [TanhTransform(cache_size=1)])

    @property
    def mean(self):
        mu = self.base.loc
        for tr in self.transforms:
            mu = tr(mu)
        return mu


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(3, 12), nn.Tanh(), nn.Linear(12, 12), nn.Tanh())
        self.mu, self.log_std = nn.Linear(12, 2), nn.Linear(12, 2)
        self.ab = nn.Linear(12, 4)
        self.mixture = nn.Linear(12, 3 * 5)
        self.flow = nn.ParameterList([nn.Parameter(torch.tensor(0.3)), nn.Parameter(torch.tensor([0.8, 1.2]))])

    def forward(self, state):
        h = self.trunk(state)
        log_std = torch.tanh(self.log_std(h))
        log_std = LOG_STD_MIN + 0.5 * (LOG_STD_MAX - LOG_STD_MIN) * (log_std + 1)
        squashed = Independent(SquashedNormal(self.mu(h), log_std.exp()), 1)
        a, b = (nn.functional.softplus(self.ab(h)) + 1.0).chunk(2, dim=-1)
        logits, loc, scale = self.mixture(h).split([3, 6, 6], dim=-1)
        components = Independent(Normal(loc.view(-1, 3, 2), scale.view(-1, 3, 2).exp()), 1)
        flow = TransformedDistribution(D.Uniform(torch.zeros(2), torch.ones(2)), [SigmoidTransform().inv, AffineTransform(*self.flow)])
        return squashed, Beta(a, b), MixtureSameFamily(Categorical(logits=logits), components), flow


def main():
    state, action = torch.from_numpy(normal(65, 16, 3)), torch.from_numpy(normal(66, 16, 2)).tanh() * 0.9
    policy = same_weights(Policy())
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
    losses = []
    for _step in range(6):
        squashed, beta, mixture, flow = policy(state)
        assert squashed.rsample().shape == action.shape and beta.rsample().requires_grad and mixture.sample().shape == action.shape
        nll = -(squashed.log_prob(action).mean() + mixture.log_prob(action).mean() + flow.log_prob(action).sum(-1).mean())
        nll = nll - beta.log_prob((action + 1) / 2).sum(-1).mean() - 1e-2 * beta.entropy().mean()
        kl = kl_divergence(beta, Beta(torch.full_like(beta.mean, 2.0), torch.full_like(beta.mean, 2.0))).sum(-1).mean()
        kl = kl + kl_divergence(squashed.base_dist.base_dist, Normal(torch.zeros(16, 2), 1.0)).mean()
        loss = nll + 0.1 * kl
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += [loss.item(), squashed.base_dist.mean.abs().mean().item(), mixture.mean.norm().item()]
    prior = D.LogNormal(torch.zeros(2), 1.0)
    same = TransformedDistribution(Normal(torch.zeros(2), 1.0), ExpTransform())
    value = action.exp()
    assert torch.allclose(prior.log_prob(value), same.log_prob(value))
    others = [D.Gamma(2.0, 3.0), D.StudentT(5.0), D.HalfNormal(1.5), D.Gumbel(0.0, 2.0), D.Weibull(1.5, 2.0)]
    return losses + [p.log_prob(value).sum().item() for p in others]


if __name__ == "__main__":
    print(main())
