"""Distributions as losses: a policy and its prior, counts, classes and a Beta posterior, with weights averaged at the end."""

import torch
import torch.nn as nn
from drawn import normal, same_weights
from torch.distributions import Bernoulli, Beta, Categorical, Gamma, Independent, MultivariateNormal, Normal, Poisson, kl_divergence
from torch.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn


class Encoder(nn.Module):
    def __init__(self, n_inputs, n_latent):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(n_inputs, 8), nn.Tanh())
        self.loc = nn.Linear(8, n_latent)
        self.log_scale = nn.Linear(8, n_latent)
        self.rate = nn.Linear(8, 1)
        self.classes = nn.Linear(8, 3)
        self.concentrations = nn.Parameter(torch.ones(2))
        self.tril = nn.Parameter(torch.eye(n_latent))

    def forward(self, x):
        h = self.body(x)
        latent = Independent(Normal(self.loc(h), self.log_scale(h).exp()), 1)
        count = Poisson(nn.functional.softplus(self.rate(h)).squeeze(-1))
        return latent, count, Categorical(logits=self.classes(h))


def main():
    x = torch.from_numpy(normal(3, 32, 5))
    target = torch.from_numpy(normal(4, 32, 2))
    counts = torch.bucketize(x[:, 0].contiguous(), torch.tensor([-1.0, 0.0, 1.0])).to(x.dtype)
    labels = torch.searchsorted(torch.quantile(x[:, 1], torch.tensor([1 / 3, 2 / 3], dtype=x.dtype)), x[:, 1].contiguous())
    model = same_weights(Encoder(5, 2))
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    scheduler = SWALR(optimizer, swa_lr=0.01, anneal_epochs=5)
    losses = []
    for _ in range(10):
        latent, count, classes = model(x)
        prior = Independent(Normal(torch.zeros(2, dtype=x.dtype), torch.ones(2, dtype=x.dtype)), 1).expand((32,))
        a, b = nn.functional.softplus(model.concentrations)
        tril = torch.tril(model.tril, -1) + torch.diag(nn.functional.softplus(torch.diagonal(model.tril)))
        joint = MultivariateNormal(latent.mean, scale_tril=tril)
        loss = (
            -latent.log_prob(target).mean()
            + 0.1 * kl_divergence(latent, prior).mean()
            - count.log_prob(counts).mean()
            - classes.log_prob(labels).mean()
            - 0.01 * classes.entropy().mean()
            - Beta(a, b).log_prob(torch.sigmoid(x[:, 2])).mean()
            - Gamma(a, b).log_prob(x[:, 3].abs() + 0.1).mean()
            - joint.log_prob(target).mean()
            - Bernoulli(logits=latent.mean[:, 0]).log_prob((labels > 0).to(x.dtype)).mean()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        average.update_parameters(model)
        losses.append(loss.item())
    with torch.no_grad():
        losses.append(average(x)[0].log_prob(target).sum().item())
        losses.append(torch.cdist(latent.mean, target).mean().item())
        losses.append(torch.corrcoef(latent.mean.T)[0, 1].item())
    return losses


if __name__ == "__main__":
    print(main())
