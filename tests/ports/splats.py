"""A picture of coloured blobs: blobs that pull hard are doubled and faint ones taken away while it is fitted, with the optimiser's state of each."""

import torch
import torch.nn.functional as F
from drawn import normal
from torch import nn


class Blobs:
    def __init__(self, n):
        place = torch.from_numpy(normal(1, n, 2, scale=0.5))
        near = torch.cdist(place, place).topk(3, largest=False).values[:, 1:].mean(1).clamp_min(1e-3)
        values = {
            "place": place,
            "colour": torch.from_numpy(normal(2, n, 3)),
            "opacity": torch.full((n, 1), 0.3).logit(),
            "size": near.log()[..., None].repeat(1, 2),
            "turn": torch.tensor([[1.0, 0.2]]).repeat(n, 1),
        }
        rates = {"place": 0.01, "colour": 0.05, "opacity": 0.05, "size": 0.005, "turn": 0.01}
        groups = [{"params": [nn.Parameter(value.requires_grad_(True))], "lr": rates[name], "name": name} for name, value in values.items()]
        self.optimizer = torch.optim.Adam(groups, lr=0.0, eps=1e-8)

    def __getitem__(self, name):
        return next(group["params"][0] for group in self.optimizer.param_groups if group["name"] == name)

    def __len__(self):
        return len(self["place"])

    def change(self, function, names=None):
        """New parameters, and with them what the optimiser knows of each: function(tensor, whether it is a moment)."""
        for group in self.optimizer.param_groups:
            if names is not None and group["name"] not in names:
                continue
            old = group["params"][0]
            state = self.optimizer.state.pop(old)
            for key in ("exp_avg", "exp_avg_sq"):
                state[key] = function(state[key], True)
            group["params"][0] = nn.Parameter(function(old.detach(), False).requires_grad_(True))
            self.optimizer.state[group["params"][0]] = state

    def keep(self, mask):
        self.change(lambda t, moment: t[mask])

    def double(self, mask):
        self.change(lambda t, moment: torch.cat((t, torch.zeros_like(t[mask]) if moment else t[mask] + 0.01), dim=0))

    def fade(self):
        limit = torch.full_like(self["opacity"], 0.05).logit()
        self.change(lambda t, moment: torch.zeros_like(t) if moment else torch.min(input=t, other=limit), ["opacity"])


def render(blobs, size):
    axis = torch.linspace(-1, 1, size)
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).view(-1, 2)
    moved = torch.zeros_like(blobs["place"], requires_grad=True) + 0
    moved.retain_grad()  # how hard a blob is pulled
    c, s = F.normalize(blobs["turn"]).unbind(1)
    axes = torch.zeros((len(blobs), 2, 2), device=c.device)
    axes[:, 0, 0], axes[:, 0, 1], axes[:, 1, 0], axes[:, 1, 1] = c, -s, s, c
    axes = axes @ torch.diag_embed(blobs["size"].exp())
    spread = axes @ axes.transpose(1, 2) + 1e-2 * torch.eye(2)
    apart = pixels[:, None] - (blobs["place"] + moved)[None]
    power = -0.5 * torch.einsum("pni,nij,pnj->pn", apart, torch.inverse(spread), apart)
    alpha = torch.minimum(blobs["opacity"].sigmoid()[:, 0] * power.exp(), torch.tensor(0.99))
    clear = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha], 1), 1)[:, :-1]
    picture = ((alpha * clear)[..., None] * blobs["colour"].sigmoid()).sum(1)
    radius = 3 * torch.linalg.eigvalsh(spread.detach()).max(-1)[0].sqrt()
    return picture.view(size, size, 3).permute(2, 0, 1), moved, radius


def main():
    blobs, target, losses = Blobs(8), torch.from_numpy(normal(5, 3, 8, 8)).sigmoid(), []
    pull = torch.zeros(len(blobs), 1)
    for step in range(1, 13):
        picture, moved, radius = render(blobs, 8)
        loss = F.l1_loss(picture, target)
        loss.backward()
        with torch.no_grad():
            pull += moved.grad.norm(dim=-1, keepdim=True)
            blobs.optimizer.step()
            blobs.optimizer.zero_grad(set_to_none=True)
            if step == 4:
                blobs.double((pull >= pull.median()).squeeze() & (radius < 3.0))
                pull = pull.new(len(blobs), 1).zero_()
            if step == 7:
                strong = torch.logical_not(blobs["opacity"] < blobs["opacity"].median()).squeeze(1)
                blobs.keep(strong)
                pull = pull[strong]
            if step == 9:
                blobs.fade()
        losses += [loss.item(), len(blobs), radius.sum().item()]
    moments = [v.norm().item() for _, s in sorted(blobs.optimizer.state_dict()["state"].items()) for k, v in s.items() if k == "exp_avg"]
    return losses + moments


if __name__ == "__main__":
    print(main())
