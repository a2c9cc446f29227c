"""An image classifier in the form of a command: arguments, a device, an epoch of training and one of testing, a checkpoint, and a resumed run."""

import argparse
import os
import tempfile
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from drawn import labelled_images, same_weights
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset


class Patterns(Dataset):
    def __init__(self, seed, size, transform=None, target_transform=None):
        self.images, self.targets = labelled_images(seed, size, 4)
        self.transform, self.target_transform = transform, target_transform

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, idx):
        if torch.is_tensor(idx):
            idx = idx.tolist()
        image, target = torch.from_numpy(self.images[idx]), int(self.targets[idx])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()  # noqa: UP008  # as in many scripts
        self.conv1 = nn.Conv2d(1, 6, 3, 1)
        self.conv2 = nn.Conv2d(6, 8, 3, 1)
        self.bn = nn.BatchNorm2d(8)
        self.dropout1 = nn.Dropout(0.0)
        self.fc1 = nn.Linear(32, 16)
        self.fc2 = nn.Linear(16, 4)

    def forward(self, x):
        x = F.relu(self.conv1(x), inplace=True)
        x = self.bn(self.conv2(x)).relu_()
        x = F.max_pool2d(x, 2)
        x = self.dropout1(x)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        return F.log_softmax(self.fc2(x), dim=1)


class AverageMeter(object):  # noqa: UP004
    """Computes and stores the average and current value"""

    def __init__(self, name, fmt=":f"):
        self.name, self.fmt = name, fmt
        self.reset()

    def reset(self):
        self.val = self.avg = self.sum = self.count = 0

    def update(self, val, n=1):
        self.val = val
        self.sum += val * n
        self.count += n
        self.avg = self.sum / self.count

    def __str__(self):
        return ("{name} {val" + self.fmt + "} ({avg" + self.fmt + "})").format(**self.__dict__)


def accuracy(output, target, topk=(1,)):
    with torch.no_grad():
        maxk = max(topk)
        _, pred = output.topk(maxk, 1, True, True)
        correct = pred.t().eq(target.view(1, -1).expand_as(pred.t()))
        return [correct[:k].reshape(-1).float().sum(0, keepdim=True).mul_(100.0 / target.size(0)) for k in topk]


def train(args, model, device, train_loader, optimizer, epoch, losses):
    meter, end = AverageMeter("Loss", ":.4e"), time.time()
    model.train()
    for batch_idx, (data, target) in enumerate(train_loader):
        data, target = data.to(device, non_blocking=True), target.to(device)
        optimizer.zero_grad(set_to_none=True)
        output = model(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()
        meter.update(loss.item(), data.size(0))
        losses.append(loss.item())
        if batch_idx % args.log_interval == 0 and args.verbose:
            print(f"Train Epoch: {epoch} [{batch_idx * len(data)}/{len(train_loader.dataset)}] {meter} {time.time() - end:.1f} s")


@torch.no_grad()
def test(model, device, test_loader):
    model.eval()
    test_loss, correct, top = 0, 0, []
    for data, target in test_loader:
        data, target = data.to(device), target.to(device)
        output = model(data)
        test_loss += F.nll_loss(output, target, reduction="sum").item()
        pred = output.argmax(dim=1, keepdim=True)
        correct += pred.eq(target.view_as(pred)).sum().item()
        top.append(accuracy(output, target, topk=(1, 3))[1])
    return test_loss / len(test_loader.dataset) + torch.cat(top).mean().item() + correct


def main(argv=()):
    parser = argparse.ArgumentParser(description="Patterns")
    parser.add_argument("--batch-size", type=int, default=12, metavar="N")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--gamma", type=float, default=0.7)
    parser.add_argument("--no-accel", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log-interval", type=int, default=10)
    args = parser.parse_args(list(argv))
    use_cuda = not args.no_accel and torch.cuda.is_available()
    torch.manual_seed(args.seed)
    torch.cuda.manual_seed_all(args.seed)
    device = torch.device("cuda" if use_cuda else "mps" if torch.backends.mps.is_available() and False else "cpu")
    train_kwargs, test_kwargs = {"batch_size": args.batch_size}, {"batch_size": 10}
    if use_cuda:
        for kwargs in (train_kwargs, test_kwargs):
            kwargs.update({"num_workers": 1, "pin_memory": True, "shuffle": True})
    train_loader = DataLoader(Patterns(50, 48, transform=lambda x: (x - 0.1) / 1.2), **train_kwargs)
    test_loader = DataLoader(Patterns(50, 20, target_transform=lambda y: y), **test_kwargs)

    model = same_weights(Net()).to(device)
    optimizer = optim.Adadelta(model.parameters(), lr=args.lr)
    scheduler = StepLR(optimizer, step_size=1, gamma=args.gamma)
    losses, best_acc1 = [], 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "checkpoint.pth.tar")
        for epoch in range(1, args.epochs + 1):
            train(args, model, device, train_loader, optimizer, epoch, losses)
            losses.append(test(model, device, test_loader))
            best_acc1 = max(best_acc1, losses[-1])
            scheduler.step()
        state = {
            "epoch": args.epochs + 1,
            "arch": "net",
            "state_dict": model.state_dict(),
            "best_acc1": best_acc1,
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
        }
        torch.save(state, path)
        train(args, model, device, train_loader, optimizer, 3, losses)

        checkpoint = torch.load(path, map_location=device, weights_only=True)
        resumed = Net().to(device)
        print(resumed.load_state_dict(checkpoint["state_dict"])) if args.verbose else resumed.load_state_dict(checkpoint["state_dict"])
        optimizer = optim.Adadelta(resumed.parameters(), lr=123.0)
        optimizer.load_state_dict(checkpoint["optimizer"])
        scheduler = StepLR(optimizer, step_size=1, gamma=args.gamma)
        scheduler.load_state_dict(checkpoint["scheduler"])
        again = []
        train(args, resumed, device, train_loader, optimizer, checkpoint["epoch"], again)
    assert again == losses[-len(again) :] and scheduler.get_last_lr() == [args.lr * args.gamma**2]
    return losses


if __name__ == "__main__":
    print(main())
