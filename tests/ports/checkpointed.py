"""A deep network whose blocks are computed again on the way back instead of being remembered."""

import torch
import torch.nn as nn
from drawn import labelled_images, same_weights
from torch.utils.checkpoint import checkpoint, checkpoint_sequential


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.InstanceNorm2d(channels, affine=True), nn.Hardswish())

    def forward(self, x):
        return x + self.body(x)


class Deep(nn.Module):
    def __init__(self, use_checkpoint):
        super().__init__()
        self.use_checkpoint = use_checkpoint
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.blocks = nn.ModuleList(Residual(4) for _ in range(3))
        self.tail = nn.Sequential(Residual(4), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3))

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if self.use_checkpoint and self.training else block(x)
        return checkpoint_sequential(self.tail, 2, x, use_reentrant=False) if self.use_checkpoint else self.tail(x)


def main():
    images, labels = (torch.from_numpy(a) for a in labelled_images(23, 12, 3))
    losses = []
    for use_checkpoint in (True, False):
        model = same_weights(Deep(use_checkpoint)).train()
        optimizer = torch.optim.Adagrad(model.parameters(), lr=0.05)
        for _ in range(4):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[:4] == losses[4:]
    return losses


if __name__ == "__main__":
    print(main())
