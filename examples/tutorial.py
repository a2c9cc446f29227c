"""A small network learns handwritten digits, written so that the same file runs on PyTorch: only the imports differ.

    python examples/tutorial.py

For PyTorch, replace the imports of minigrad by those in the comment. The digits come as arrays from minigrad's embedded
sample of MNIST either way.
"""

from __future__ import annotations

import os
import tempfile

# On PyTorch:
# import torch
# import torch.nn.functional as F
# from torch import load, nn, optim, save
# from torch.utils.data import DataLoader, Dataset
# from minigrad.nn.data import MNIST  # the digits, as arrays
# On minigrad:
import minigrad as torch
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.nn import load, optim, save
from minigrad.nn.data import MNIST, DataLoader, Dataset

# The same on both:


class Digits(Dataset):
    """Images (1, 28, 28), standardised, with their labels."""

    def __init__(self, train):
        digits = MNIST(train=train)
        self.images = (torch.from_numpy(digits.images).float().unsqueeze(1) / 255 - 0.1307) / 0.3081
        self.labels = torch.from_numpy(digits.labels)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.images[index], self.labels[index]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 5, padding=2)
        self.conv2 = nn.Conv2d(8, 16, 5)
        self.norm = nn.BatchNorm2d(16)
        self.dropout = nn.Dropout(0.25)
        self.fc = nn.Linear(16 * 5 * 5, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.norm(self.conv2(x))), 2)
        return self.fc(self.dropout(torch.flatten(x, 1)))


def train(model, loader, criterion, optimizer):
    model.train()
    total = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * labels.size(0)
    return total / len(loader.dataset)


def evaluate(model, loader):
    model.eval()
    correct = 0
    with torch.no_grad():
        for images, labels in loader:
            correct += (model(images).argmax(dim=1) == labels).sum().item()
    return correct / len(loader.dataset)


def main(epochs=3):
    torch.manual_seed(0)
    train_loader = DataLoader(Digits(train=True), batch_size=64, shuffle=True)
    test_loader = DataLoader(Digits(train=False), batch_size=250)
    model = Net()
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    for epoch in range(1, epochs + 1):
        loss = train(model, train_loader, criterion, optimizer)
        accuracy = evaluate(model, test_loader)
        print(f"epoch {epoch}  lr {scheduler.get_last_lr()[0]:.4f}  loss {loss:.4f}  test accuracy {accuracy:.2%}")
        scheduler.step()

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "net.pt")
        save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epochs}, path)
        checkpoint = load(path)
    again = Net()
    again.load_state_dict(checkpoint["model"])
    assert evaluate(again, test_loader) == accuracy
    return accuracy


if __name__ == "__main__":
    import argparse

    from command import count, parsed, run  # beside this file

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=count, default=3, metavar="N", help="passes over the digits (default: %(default)s)")
    options = parsed(parser)

    def job():
        main(options.epochs)

    run(job)
