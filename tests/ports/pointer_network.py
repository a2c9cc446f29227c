"""A network that answers with positions of its input: numbers are put in order by pointing at one after another."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import normal, same_weights
from torch.autograd import Variable


class Attention(nn.Module):
    def __init__(self, hidden, limit=None):
        super().__init__()
        self.limit = limit
        self.query = nn.Linear(hidden, hidden)
        self.reference = nn.Conv1d(hidden, hidden, 1, 1)
        self.v = nn.Parameter(torch.Tensor(hidden))
        self.v.data.uniform_(-1.0 / math.sqrt(hidden), 1.0 / math.sqrt(hidden))

    def forward(self, query, reference):
        batch, length = reference.size(0), reference.size(1)
        reference = self.reference(reference.permute(0, 2, 1))
        expanded = self.query(query).unsqueeze(2).repeat(1, 1, length)
        v = self.v.unsqueeze(0).unsqueeze(0).repeat(batch, 1, 1)
        logits = torch.bmm(v, torch.tanh(expanded + reference)).squeeze(1)
        return reference, logits if self.limit is None else self.limit * torch.tanh(logits)


class PointerNetwork(nn.Module):
    def __init__(self, embedding=6, hidden=6):
        super().__init__()
        self.embedding = nn.Linear(2, embedding)
        self.encoder = nn.LSTM(embedding, hidden, batch_first=True)
        self.decoder = nn.LSTM(embedding, hidden, batch_first=True)
        self.glimpse, self.pointer = Attention(hidden), Attention(hidden, limit=10)
        self.start = nn.Parameter(torch.zeros(embedding))
        self.criterion = nn.CrossEntropyLoss()

    def hide(self, logits, mask, chosen):
        mask = mask.clone()
        if chosen is not None:
            mask[list(range(logits.size(0))), chosen.data] = 1
            logits[mask] = -float("inf")
        return logits, mask

    def forward(self, inputs, target):
        batch, length = inputs.size(0), inputs.size(1)
        embedded = self.embedding(inputs)
        encoded, state = self.encoder(embedded)
        mask, chosen = torch.zeros(batch, length).byte().bool(), None
        x, loss, pointed = self.start.unsqueeze(0).repeat(batch, 1), 0, []
        for step in range(length):
            _, state = self.decoder(x.unsqueeze(1), state)
            query = state[0].squeeze(0)
            reference, logits = self.glimpse(query, encoded)
            logits, mask = self.hide(logits.clone(), mask, chosen)
            query = torch.bmm(reference, F.softmax(logits, dim=-1).unsqueeze(2)).squeeze(2)
            _, logits = self.pointer(query, encoded)
            logits, mask = self.hide(logits.clone(), mask, chosen)
            chosen = target[:, step]
            x = embedded[torch.arange(batch), chosen]
            pointed.append(logits.data.max(1)[1])
            loss += self.criterion(logits, chosen)
        return loss / length, torch.stack(pointed, 1)


def main():
    model = same_weights(PointerNetwork())
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for step in range(4):
        x = Variable(torch.from_numpy(normal(step, 4, 5, 2)))
        target = torch.argsort(x[..., 0], dim=1)
        loss, pointed = model(x, target)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0, norm_type=2)
        optimizer.step()
        tour = torch.gather(x, 1, pointed.unsqueeze(-1).expand_as(x))
        length = sum((tour[:, i] - tour[:, (i + 1) % 5]).norm(dim=1) for i in range(5))
        losses += [loss.item(), norm.item(), length.mean().item(), (pointed == target).float().mean().item()]
    return losses


if __name__ == "__main__":
    print(main())
