"""Variational inference by hand: a Bayesian network with local reparametrisation, a hierarchical model with transforms, normal mixtures by enumeration, a gumbel relaxation, IWAE."""

import math

import torch
import torch.distributions as dist
from drawn import normal, same_weights
from torch import nn
from torch.distributions import constraints
from torch.distributions.transforms import AffineTransform, ExpTransform, StickBreakingTransform
from torch.nn import functional as F
from torch.nn.functional import softplus

TO = {constraints.positive: ExpTransform(), constraints.simplex: StickBreakingTransform(), constraints.real: AffineTransform(0.0, 1.0)}


class BayesLinear(nn.Module):
    def __init__(self, n_in, n_out, prior=1.0):
        super().__init__()
        self.mu, self.rho = nn.Parameter(torch.empty(n_out, n_in)), nn.Parameter(torch.empty(n_out, n_in).fill_(-3))
        self.prior = dist.Normal(0.0, prior)
        nn.init.xavier_normal_(self.mu, gain=nn.init.calculate_gain("tanh"))

    def forward(self, x, noise):
        sigma = softplus(self.rho)
        gamma, delta = F.linear(x, self.mu), F.linear(x.pow(2), sigma.pow(2))
        return gamma + torch.sqrt(delta + 1e-16) * noise

    def kl(self):
        return dist.kl.kl_divergence(dist.Normal(self.mu, softplus(self.rho)), self.prior).sum()


class Guide(nn.Module):
    """Positive, simplex and real latents, each by its transform from the reals."""

    def __init__(self):
        super().__init__()
        self.loc = nn.ParameterDict({k: nn.Parameter(torch.zeros(n)) for k, n in (("scale", 1), ("weights", 2), ("means", 3))})
        self.log_std = nn.ParameterDict({k: nn.Parameter(torch.full_like(v, -1.0)) for k, v in self.loc.items()})
        self.supports = {"scale": constraints.positive, "weights": constraints.simplex, "means": constraints.real}

    def forward(self, noise):
        total, values = 0.0, {}
        for name, loc in self.loc.items():
            z = loc + self.log_std[name].exp() * noise[name]
            t = TO[self.supports[name]]
            values[name] = t(z)
            total = total + dist.Normal(loc, self.log_std[name].exp()).log_prob(z).sum()
            if name == "scale":
                total = total - t.log_abs_det_jacobian(z, values[name]).sum()
        return values, total


def joint(values, data):
    lp = dist.LogNormal(0.0, 1.0).log_prob(values["scale"]).sum()
    lp = (
        lp
        + dist.Normal(torch.zeros(3), 5.0).log_prob(values["means"]).sum()
        + dist.Dirichlet(torch.ones(3)).log_prob(values["weights"].clamp(1e-4)).sum()
    )
    mix = dist.MixtureSameFamily(dist.Categorical(probs=values["weights"]), dist.Normal(values["means"], values["scale"].expand(3)))
    enumerated = dist.Normal(values["means"], values["scale"]).log_prob(data.unsqueeze(-1)) + values["weights"].log()
    assert torch.allclose(mix.log_prob(data), enumerated.logsumexp(-1))
    return lp + mix.log_prob(data).sum()


class Discrete(nn.Module):
    def __init__(self, n=6, k=3):
        super().__init__()
        self.enc, self.dec = nn.Sequential(nn.Linear(n, 8), nn.Softplus(), nn.Linear(8, 2 * k)), nn.Linear(2 * k, n)
        self.k = k

    def forward(self, x, uniform, tau):
        logits = self.enc(x).view(-1, 2, self.k)
        q = dist.OneHotCategorical(logits=logits)
        y = ((logits - torch.log(-torch.log(uniform))) / tau).softmax(-1)
        hard = F.one_hot(y.argmax(-1), self.k).to(y)
        y = (hard - y).detach() + y
        p = dist.Independent(dist.Bernoulli(logits=self.dec(y.flatten(1))), 1)
        kl = dist.kl_divergence(q, dist.OneHotCategorical(probs=torch.ones_like(logits) / self.k)).sum(-1)
        return p.log_prob((x > 0).to(x.dtype)), kl, q.entropy().mean()


def main():
    losses = []
    x = torch.tensor(normal(490, 10, 3))
    y = torch.sin(x.sum(1, keepdim=True))
    layers = nn.ModuleList([BayesLinear(3, 5), BayesLinear(5, 1)])
    same_weights(layers)
    log_noise = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW(
        [{"params": layers.parameters()}, {"params": [log_noise], "lr": 1e-1, "weight_decay": 0}], lr=2e-2, weight_decay=0
    )
    for step in range(4):
        h = torch.tanh(layers[0](x, torch.tensor(normal(500 + step, 10, 5))))
        out = layers[1](h, torch.tensor(normal(510 + step, 10, 1)))
        kl = sum(layer.kl() for layer in layers)
        beta = 2 ** (4 - (step + 1)) / (2**4 - 1)
        loss = -dist.Normal(out, log_noise.exp()).log_prob(y).sum() + beta * kl
        optimizer.zero_grad(), loss.backward(), optimizer.step()
        losses += [loss.item(), kl.item()]

    data = torch.tensor(normal(491, 12)) + torch.tensor([-3.0, 0.0, 3.0]).repeat(4)
    guide = Guide()
    optimizer = torch.optim.Rprop(guide.parameters(), lr=0.02)
    for step in range(4):
        elbos = []
        for s in range(3):
            noise = {k: torch.tensor(normal(520 + 10 * step + s, v.numel())) for k, v in guide.loc.items()}
            values, entropy = guide(noise)
            elbos.append(joint(values, data) - entropy)
        iwae = torch.stack(elbos).logsumexp(0) - math.log(len(elbos))
        optimizer.zero_grad()
        (-iwae).backward()
        optimizer.step()
        losses.append(iwae.item())

    x = torch.tensor(normal(492, 9, 6))
    model = same_weights(Discrete())
    optimizer = torch.optim.ASGD(model.parameters(), lr=0.1)
    for step in range(4):
        uniform = torch.special.ndtr(torch.tensor(normal(560 + step, 9, 2, 3)))
        log_p, kl, entropy = model(x, uniform, tau=max(0.5, math.exp(-0.3 * step)))
        loss = -(log_p - kl).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += [loss.item(), entropy.item()]

    loc, tril = torch.zeros(2), torch.tensor([[1.0, 0.0], [0.3, 0.7]])
    mvn = dist.MultivariateNormal(loc.requires_grad_(), scale_tril=tril)
    other = dist.MultivariateNormal(torch.ones(2), torch.eye(2) * 2)
    kl = dist.kl_divergence(mvn, other)
    kl.backward()
    losses += [kl.item(), loc.grad.sum().item(), mvn.entropy().item(), other.log_prob(torch.zeros(4, 2)).sum().item()]
    losses += [dist.Beta(2.0, 3.0).log_prob(torch.tensor(0.4)).item(), dist.Gamma(torch.tensor([2.0]), torch.tensor([3.0])).mean.item()]
    losses += [
        dist.StudentT(3.0).log_prob(torch.tensor(0.5)).item(),
        dist.Poisson(4.0).log_prob(torch.tensor(3.0)).item(),
        dist.Laplace(0.0, 2.0).cdf(torch.tensor(1.0)).item(),
    ]
    losses += [
        dist.Bernoulli(probs=torch.tensor([0.2, 0.7])).entropy().sum().item(),
        dist.Categorical(torch.ones(4)).sample((5,)).numel(),
        len(repr(dist.Normal(0.0, 1.0))),
    ]
    return losses
