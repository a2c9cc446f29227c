"""A language model whose recurrent weights are dropped: raw weights in a wrapper, one mask for all steps, averaged descent once the validation stalls."""

import numpy as np
import torch
import torch.nn.functional as F
from drawn import integers, same_weights
from torch import nn
from torch.autograd import Variable

RANDOM = np.random.default_rng(4)


def mask(like, sizes, p):
    return like.data.new(sizes).copy_(torch.from_numpy(1.0 * (RANDOM.random(tuple(sizes)) > p)), non_blocking=True) / (1 - p)


class WeightDrop(nn.Module):
    def __init__(self, module, names, p):
        super().__init__()
        self.module, self.names, self.p = module, names, p
        module.flatten_parameters = lambda *args: None
        for name in names:
            raw = getattr(module, name)
            del module._parameters[name]
            module.register_parameter(name + "_raw", nn.Parameter(raw.data))

    def forward(self, *args):
        for name in self.names:
            raw = getattr(self.module, name + "_raw")
            setattr(self.module, name, raw * mask(raw, raw.size(), self.p) if self.training else raw * 1.0)
        return self.module(*args)


class Model(nn.Module):
    def __init__(self, words, size=6, hidden=8):
        super().__init__()
        self.embedding = nn.Embedding(words, size)
        self.layers = nn.ModuleList(WeightDrop(nn.LSTM(i, o), ["weight_hh_l0"], 0.3) for i, o in ((size, hidden), (hidden, size)))
        self.decoder = nn.Linear(size, words)
        self.decoder.weight = self.embedding.weight

    def start(self, batch):
        weight = next(self.parameters())
        return [tuple(weight.new(1, batch, layer.module.hidden_size).zero_() for _ in "hc") for layer in self.layers]

    def forward(self, words, states):
        weight = self.embedding.weight
        if self.training:
            weight = weight * mask(weight, weight.size()[:1] + (1,), 0.1).expand_as(weight)
        x, new = F.embedding(words, weight), []
        for layer, state in zip(self.layers, states, strict=True):
            x = x * Variable(mask(x, (1,) + x.size()[1:], 0.2)) if self.training else x
            x, state = layer(x, state)
            new.append(state)
        return self.decoder(x), new, x


def detached(h):
    return h.detach() if torch.is_tensor(h) else type(h)(detached(v) for v in h)


def main():
    global RANDOM
    RANDOM = np.random.default_rng(4)
    text = torch.from_numpy(np.cumsum(integers(3, 4, 96)) % 12)
    train, valid = (part.view(4, -1).t().contiguous() for part in text.split([80, 16]))
    model = same_weights(Model(12))
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, weight_decay=1e-6)
    losses, past = [], []
    for _epoch in range(5):
        model.train()
        states = model.start(4)
        for i in range(0, len(train) - 1, 5):
            words, targets = train[i : i + 5][: len(train) - 1 - i], train[i + 1 : i + 6]
            states = detached(states)
            optimizer.zero_grad()
            scores, states, h = model(words, states)
            loss = F.cross_entropy(scores.flatten(0, 1), targets.reshape(-1))
            whole = loss + 2 * h.pow(2).mean() + (h[1:] - h[:-1]).pow(2).mean()
            whole.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.25)
            optimizer.step()
            losses.append(loss.data.item())
        averaged = "t0" in optimizer.param_groups[0]
        if averaged:
            kept = {p: p.data.clone() for p in model.parameters()}
            for p in model.parameters():
                p.data = optimizer.state[p]["ax"].clone()
        model.eval()
        with torch.no_grad():
            scores, _, _ = model(valid[:-1], model.start(4))
            losses.append(F.cross_entropy(scores.flatten(0, 1), valid[1:].reshape(-1)).item())
        if averaged:
            for p in model.parameters():
                p.data = kept[p].clone()
        elif len(past) > 1:
            optimizer = torch.optim.ASGD(model.parameters(), lr=1.0, t0=0, lambd=0.0, weight_decay=1e-6)
        past.append(losses[-1])
    return losses


if __name__ == "__main__":
    print(main())
