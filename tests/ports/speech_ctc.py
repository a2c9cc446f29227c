"""Sounds to letters without knowing when each was said: a recurrent network names every instant, and CTC sums over all ways to read that."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import integers, normal, same_weights


class Recogniser(nn.Module):
    def __init__(self, features, hidden, letters):
        super().__init__()
        self.cnn = nn.Conv1d(features, hidden, 3, stride=2, padding=1)
        self.layer_norm = nn.LayerNorm(hidden)
        self.birnn = nn.GRU(hidden, hidden, num_layers=1, batch_first=True, bidirectional=True)
        self.classifier = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.GELU(), nn.Dropout(0.0), nn.Linear(hidden, letters))

    def forward(self, x):
        x = self.cnn(x).transpose(1, 2)
        x, _ = self.birnn(F.gelu(self.layer_norm(x)))
        return self.classifier(x)


def greedy(output, blank=0):
    decoded = []
    for row in torch.argmax(output, dim=2):
        kept = torch.tensor([int(a) for i, a in enumerate(row) if a != blank and (i == 0 or a != row[i - 1])], dtype=torch.long)
        decoded.append(len(kept))
    return decoded


def main():
    spectrograms = torch.from_numpy(normal(36, 3, 5, 24))
    labels = torch.from_numpy(integers(37, 4, 3, 4) + 1)
    input_lengths, label_lengths = torch.tensor([12, 11, 12]), torch.tensor([4, 3, 2])
    model = same_weights(Recogniser(5, 8, 5))
    criterion = nn.CTCLoss(blank=0)
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-2, steps_per_epoch=2, epochs=4, anneal_strategy="linear")
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        output = F.log_softmax(model(spectrograms), dim=2)
        loss = criterion(output.transpose(0, 1), labels, input_lengths, label_lengths)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses += [loss.item(), *greedy(output)]
    return losses


if __name__ == "__main__":
    print(main())
