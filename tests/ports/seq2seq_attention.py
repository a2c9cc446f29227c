"""Sequences turned round: a GRU reads one, another writes it backwards, and looks at every place of the first while it does."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import integers, same_weights
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

SOS = 0


class Encoder(nn.Module):
    def __init__(self, vocabulary, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden, padding_idx=0)
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.join = nn.Linear(2 * hidden, hidden)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(self.embedding(x), lengths, batch_first=True, enforce_sorted=False)
        output, hidden = self.gru(packed)
        output, _ = pad_packed_sequence(output, batch_first=True)
        return self.join(output), torch.tanh(self.join(torch.cat([hidden[0], hidden[1]], dim=1))).unsqueeze(0)


class BahdanauAttention(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.Wa, self.Ua, self.Va = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, 1)

    def forward(self, query, keys, mask):
        scores = self.Va(torch.tanh(self.Wa(query) + self.Ua(keys))).squeeze(2).unsqueeze(1)
        weights = F.softmax(scores.masked_fill(mask.unsqueeze(1), float("-inf")), dim=-1)
        return torch.bmm(weights, keys), weights


class Decoder(nn.Module):
    def __init__(self, vocabulary, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden)
        self.attention = BahdanauAttention(hidden)
        self.gru = nn.GRU(2 * hidden, hidden, batch_first=True)
        self.out = nn.Linear(hidden, vocabulary)

    def forward(self, keys, hidden, mask, targets, forced):
        step = torch.empty(keys.size(0), 1, dtype=torch.long).fill_(SOS)
        outputs = []
        for i in range(targets.size(1)):
            context, _ = self.attention(hidden.permute(1, 0, 2), keys, mask)
            output, hidden = self.gru(torch.cat((self.embedding(step), context), dim=2), hidden)
            output = self.out(output)
            outputs.append(output)
            step = targets[:, i].unsqueeze(1) if forced else output.topk(1)[1].squeeze(-1).detach()
        return F.log_softmax(torch.cat(outputs, dim=1), dim=-1)


def main():
    lengths = torch.tensor([5, 3, 6, 4])
    sequences = [torch.from_numpy(integers(18 + n, 7, n) + 1) for n in lengths.tolist()]
    x = pad_sequence(sequences, batch_first=True)
    y = pad_sequence([s.flip(0) for s in sequences], batch_first=True)
    encoder, decoder = same_weights(Encoder(8, 10), 1), same_weights(Decoder(8, 10), 2)
    criterion = nn.NLLLoss(ignore_index=0)
    optimizers = [torch.optim.Adam(m.parameters(), lr=0.01) for m in (encoder, decoder)]
    losses = []
    for epoch in range(6):
        for optimizer in optimizers:
            optimizer.zero_grad()
        keys, hidden = encoder(x, lengths)
        log_probs = decoder(keys, hidden, x == 0, y, forced=epoch % 3 != 2)
        loss = criterion(log_probs.view(-1, log_probs.size(-1)), y.view(-1))
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    print(main())
