"""Sentences of different lengths: a collate function, a sampler of batches of like lengths, embedding, packed bidirectional LSTM, tags."""

import torch
from drawn import integers, same_weights
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset, Sampler

PAD = 0


class Sentences(Dataset):
    def __init__(self, n):
        self.items = []
        for i, length in enumerate(integers(60, 7, n) + 2):
            words = torch.from_numpy(integers(100 + i, 19, length) + 1)
            self.items.append((words, (words + torch.roll(words, 1)) % 3))

    def __getitem__(self, i):
        return self.items[i]

    def __len__(self):
        return len(self.items)


class OfLikeLength(Sampler):
    def __init__(self, lengths, batch_size):
        self.order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
        self.batch_size = batch_size

    def __iter__(self):
        for start in range(0, len(self.order), self.batch_size):
            yield self.order[start : start + self.batch_size]

    def __len__(self):
        return (len(self.order) + self.batch_size - 1) // self.batch_size


def collate(batch):
    batch.sort(key=lambda item: len(item[0]), reverse=True)
    words, tags = zip(*batch)  # noqa: B905
    lengths = torch.tensor([len(w) for w in words], dtype=torch.long)
    return pad_sequence(words, batch_first=True, padding_value=PAD), pad_sequence(tags, batch_first=True, padding_value=-100), lengths


class Tagger(nn.Module):
    def __init__(self, vocabulary, dim, hidden, tags):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dim, padding_idx=PAD)
        self.lstm = nn.LSTM(dim, hidden, num_layers=2, bidirectional=True, batch_first=True)
        self.norm = nn.LayerNorm(2 * hidden)
        self.attention = nn.Parameter(torch.zeros(2 * hidden))
        self.heads = nn.ModuleDict({"tag": nn.Linear(2 * hidden, tags), "length": nn.Linear(2 * hidden, 1)})

    def init_hidden(self, batch):
        weight = next(self.parameters())
        return weight.new_zeros(4, batch, self.lstm.hidden_size), weight.new_zeros(4, batch, self.lstm.hidden_size)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(self.embedding(x), lengths.cpu(), batch_first=True)
        packed, (h, _) = self.lstm(packed, self.init_hidden(x.size(0)))
        out, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.size(1))
        out = self.norm(out)
        mask = (x == PAD) | torch.zeros_like(x, dtype=torch.bool)
        score = torch.matmul(out, self.attention).masked_fill(mask, float("-inf"))
        pooled = torch.bmm(torch.softmax(score, dim=-1).unsqueeze(1), out).squeeze(1)
        return self.heads["tag"](out), self.heads["length"](pooled + torch.cat((h[-2], h[-1]), dim=1)).squeeze(-1)


def main():
    data = Sentences(30)
    loader = DataLoader(data, batch_sampler=OfLikeLength([len(w) for w, _ in data], 8), collate_fn=collate)
    model = same_weights(Tagger(20, 6, 5, 3))
    with torch.no_grad():
        model.embedding.weight[PAD] = 0
    decay = [p for n, p in model.named_parameters() if p.ndim > 1]
    rest = [p for n, p in model.named_parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": decay}, {"params": rest, "weight_decay": 0.0, "lr": 2e-2}], lr=1e-2, weight_decay=0.1)
    criterion = nn.CrossEntropyLoss(ignore_index=-100, label_smoothing=0.1)
    losses = []
    for _epoch in range(3):
        for words, tags, lengths in loader:
            model.zero_grad()
            tag, length = model(words, lengths)
            loss = criterion(tag.view(-1, 3), tags.view(-1)) + 0.1 * nn.functional.huber_loss(length, lengths.to(length.dtype))
            loss.backward()
            nn.utils.clip_grad_value_(model.parameters(), 0.3)
            optimizer.step()
            losses.append(loss.item())
    assert not model.embedding.weight.grad[PAD].any()
    return losses


if __name__ == "__main__":
    print(main())
