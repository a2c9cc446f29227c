"""A small convolutional network on images of digits, with a learning rate that falls each epoch, and its accuracy on images it has not seen."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from drawn import labelled_images, same_weights
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, 1)
        self.conv2 = nn.Conv2d(6, 8, 3, 1)
        self.norm = nn.BatchNorm2d(8)
        self.fc1 = nn.Linear(8 * 4 * 4, 16)
        self.fc2 = nn.Linear(16, 5)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.norm(self.conv2(x))), 2)
        x = torch.flatten(x, 1)
        return F.log_softmax(self.fc2(F.relu(self.fc1(x))), dim=1)


def train(model, device, loader, optimizer):
    model.train()
    losses = []
    for data, target in loader:
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test(model, device, loader):
    model.eval()
    loss, correct = 0, 0
    with torch.no_grad():
        for data, target in loader:
            data, target = data.to(device), target.to(device)
            output = model(data)
            loss += F.nll_loss(output, target, reduction="sum").item()
            pred = output.argmax(dim=1, keepdim=True)
            correct += pred.eq(target.view_as(pred)).sum().item()
    return [loss / len(loader.dataset), correct / len(loader.dataset)]


def main():
    use_cuda = torch.cuda.is_available()
    torch.manual_seed(1)
    device = torch.device("cuda" if use_cuda else "cpu")
    images, labels = labelled_images(0, 96, 5, size=12)
    images, labels = torch.from_numpy(images), torch.from_numpy(labels)
    train_loader = DataLoader(TensorDataset(images[:64], labels[:64]), batch_size=16, shuffle=False, pin_memory=use_cuda)
    test_loader = DataLoader(TensorDataset(images[64:], labels[64:]), batch_size=32)
    model = same_weights(Net()).to(device)
    optimizer = optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
    losses = []
    for _ in range(3):
        losses += train(model, device, train_loader, optimizer)
        losses += test(model, device, test_loader)
        scheduler.step()
    return losses


if __name__ == "__main__":
    print(main())
