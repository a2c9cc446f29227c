"""LeNet-5 (LeCun et al. 1998) learns handwritten digits.

    python examples/lenet5.py                                        # a sample of MNIST that comes with minigrad
    python examples/lenet5.py --data FOLDER --download               # the 60,000 digits, fetched into FOLDER
    python examples/lenet5.py --data FOLDER --dataset fashion-mnist  # shirts and shoes
    mpiexec -n 2 python examples/lenet5.py --distributed             # two processes share each batch (the extra `mpi`)

Prints loss and test accuracy after each epoch, and writes a checkpoint and four pictures into the folder --out.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

import numpy as np
from command import count, parsed, rate, rate_or_zero, run, seed  # beside this file
from tqdm import tqdm

import minigrad as mg
import minigrad.distributed as dist
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.nn import optim
from minigrad.nn.data import MNIST, DataError, DataLoader, DistributedSampler, FashionMNIST, Subset
from minigrad.nn.data.download import DownloadError
from minigrad.nn.data.transforms import Compose, Normalize, RandomAffine

FASHION = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]


class LeNet5(nn.Module):
    """Two convolutions with pooling, then three layers that see the whole image; ReLU and max pooling as used today."""

    def __init__(self, classes: int = 10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.conv3 = nn.Conv2d(16, 120, 5)
        self.fc1 = nn.Linear(120, 84)
        self.fc2 = nn.Linear(84, classes)

    def features(self, x):
        """The feature maps of both convolutions."""
        first = F.relu(self.conv1(x))  # N 6 28 28
        second = F.relu(self.conv2(F.max_pool2d(first, 2)))  # N 16 10 10
        return first, second

    def forward(self, x):  # N 1 28 28
        _, x = self.features(x)
        x = F.relu(self.conv3(F.max_pool2d(x, 2)))  # N 120 1 1
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(x)  # N 10


def options(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, metavar="FOLDER", help="the four idx files, plain or .gz (default: the sample that comes with minigrad)")
    add("--dataset", choices=["mnist", "fashion-mnist"], default="mnist", help="what --data holds (default: %(default)s)")
    add("--download", action="store_true", help="fetch the files that --data lacks from the internet first")
    add("--epochs", type=count, default=12, metavar="N", help="passes over the training images (default: %(default)s)")
    add("--batch-size", type=count, default=64, metavar="N", help="images per step, of all processes (default: %(default)s)")
    add(
        "--lr",
        type=rate,
        default=3e-3,
        metavar="RATE",
        help="AdamW's largest learning rate; it rises and falls once (default: %(default)s)",
    )
    add("--weight-decay", type=rate_or_zero, default=1e-2, metavar="RATE", help="pull of the weights towards zero (default: %(default)s)")
    add("--augment", action="store_true", help="turn, shift and scale the training images at random")
    add("--seed", type=seed, default=0, help="of initial weights, shuffling and augmentation (default: %(default)s)")
    add("--out", type=Path, default=Path("runs/lenet5"), metavar="FOLDER", help="for checkpoint and pictures (default: %(default)s)")
    add("--float64", action="store_true", help="compute in float64, in which any number of processes gets the same weights")
    add("--distributed", action="store_true", help="share each batch among the processes that mpiexec started")
    add("--no-pictures", dest="pictures", action="store_false", help="train and save the checkpoint only")
    args = parsed(parser, argv)
    if args.data is None and (args.dataset != "mnist" or args.download):
        parser.error("--dataset fashion-mnist and --download need --data FOLDER: only a sample of MNIST comes with minigrad")
    return args


class Diverged(Exception):
    """The loss is not finite any more; the message says when."""


def load(args: argparse.Namespace) -> tuple[MNIST, MNIST]:
    """Training and test images, normalised; the training images changed at random with --augment."""
    kind = MNIST if args.dataset == "mnist" else FashionMNIST
    if args.download and (not args.distributed or dist.get_rank() == 0):
        kind.download(args.data)
    if args.distributed:
        dist.barrier()  # now the files are there
    mean, std = (0.1307, 0.3081) if args.dataset == "mnist" else (0.2860, 0.3530)
    normalize = Normalize(mean, std)
    augment = [RandomAffine(degrees=12, translate=(0.08, 0.08), scale=(0.9, 1.1))] if args.augment else []
    return kind(args.data, train=True, transform=Compose([*augment, normalize])), kind(args.data, train=False, transform=normalize)


def evaluate(model: nn.Module, loader: DataLoader) -> tuple[float, float, np.ndarray]:
    """Mean loss, accuracy, and the confusion matrix: rows are true classes, columns predicted ones."""
    model.eval()
    loss, confusion = 0.0, np.zeros((10, 10), int)
    with mg.no_grad():
        for images, labels in loader:
            logits = model(images.to(mg.get_default_dtype()))
            loss += F.cross_entropy(logits, labels, reduction="sum").item()
            np.add.at(confusion, (labels.numpy(), logits.argmax(1).numpy()), 1)
    if dist.is_initialized():  # each process has seen its share of the images
        sums, counts = mg.tensor(loss), mg.tensor(confusion)
        dist.all_reduce(sums)
        dist.all_reduce(counts)
        loss, confusion = sums.item(), counts.numpy()
    return loss / confusion.sum(), confusion.trace() / confusion.sum(), confusion


def kept(checkpoint: Path, history: list[dict[str, float]]) -> str:
    """A text about the checkpoint that a run leaves when it ends early."""
    ended = history and checkpoint.exists()  # read from the file: the run may have been stopped while it wrote the last epoch
    return f"{checkpoint} holds epoch {nn.load(checkpoint)['epoch']}" if ended else "no epoch had ended, so nothing was saved"


def train(args: argparse.Namespace) -> int:
    """Train, report, save. Returns the exit status."""
    rank, ranks = 0, 1
    if args.distributed:
        dist.init_process_group()
        rank, ranks = dist.get_rank(), dist.get_world_size()
    if args.batch_size % ranks:
        if rank > 0:  # the first one says it
            return 1
        raise DataError(f"--batch-size {args.batch_size} does not divide by {ranks} processes")
    mg.manual_seed(args.seed + rank)  # augmentation differs; the weights will be those of rank 0
    mg.set_default_dtype(mg.float64 if args.float64 else mg.float32)
    training, test = load(args)
    sampler = DistributedSampler(training, seed=args.seed) if args.distributed else None
    train_loader = DataLoader(training, args.batch_size // ranks, shuffle=sampler is None, sampler=sampler)
    test_loader = DataLoader(Subset(test, range(rank, len(test), ranks)), 500)
    model = LeNet5()
    shared = nn.parallel.DistributedDataParallel(model) if args.distributed else model
    steps = args.epochs * len(train_loader)
    optimizer = optim.AdamW(model.parameters(), lr=args.lr, weight_decay=args.weight_decay)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=args.lr, total_steps=steps)
    args.out.mkdir(parents=True, exist_ok=True)
    checkpoint = args.out / "lenet5.ckpt"
    if rank == 0:
        parameters = sum(p.numel() for p in model.parameters())
        print(f"LeNet-5, {parameters:,} parameters; {len(training):,} images to learn, {len(test):,} to test")
    history: list[dict[str, float]] = []
    confusion = np.zeros((10, 10), int)
    started = time.perf_counter()
    try:
        for epoch in range(1, args.epochs + 1):
            model.train()
            if sampler is not None:
                sampler.set_epoch(epoch)
            seen = total = 0.0
            with tqdm(
                train_loader, desc=f"epoch {epoch:2}/{args.epochs}", unit="batch", leave=False, disable=None if rank == 0 else True
            ) as bar:
                for images, labels in bar:
                    loss = F.cross_entropy(shared(images.to(mg.get_default_dtype())), labels)
                    mean = loss.detach().clone()
                    if args.distributed:
                        dist.all_reduce(mean, dist.ReduceOp.AVG)
                    value = mean.item()
                    if not math.isfinite(value):
                        raise Diverged(f"the loss is {value} in epoch {epoch}")
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    scheduler.step()
                    total += value * len(labels)
                    seen += len(labels)
                    bar.set_postfix(loss=f"{total / seen:.4f}", refresh=False)
            test_loss, accuracy, confusion = evaluate(model, test_loader)
            if not math.isfinite(test_loss):
                raise Diverged(f"the test loss is {test_loss} after epoch {epoch}")
            history.append({"epoch": epoch, "loss": total / seen, "test_loss": test_loss, "accuracy": accuracy})
            if rank > 0:
                continue
            nn.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch, "history": history}, checkpoint)
            print(
                f"epoch {epoch:2}/{args.epochs}  loss {total / seen:.4f}  test loss {test_loss:.4f}  test accuracy {accuracy:.2%}  "
                f"{time.perf_counter() - started:.0f} s",
                flush=True,
            )
    except Diverged as error:  # on all processes at once
        if rank > 0:
            return 1
        print(f"lenet5: {error}; a smaller --lr than {args.lr:g} may help; {kept(checkpoint, history)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nstopped; {kept(checkpoint, history)}")
        return 130
    if args.distributed:
        dist.destroy_process_group()
    if rank > 0:
        return 0
    saved = [checkpoint]
    if args.pictures:
        from pictures import draw  # beside this file

        names = FASHION if args.dataset == "fashion-mnist" else [str(i) for i in range(10)]
        with mg.no_grad():
            image = test[0][0]
            maps = [m.numpy()[0] for m in model.features(mg.as_tensor(image).unsqueeze(0))]
        saved += draw(args.out, history, model.conv1.weight.detach().numpy(), test.images[0], maps, confusion, names)
    print("saved " + ", ".join(str(path) for path in saved))
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run; an error that the user can fix is reported in one line."""
    args = options(argv)
    try:
        with np.errstate(all="ignore"):  # overflow is reported once, as the loss
            return train(args)
    except BrokenPipeError:
        raise  # command.run handles it
    except (DataError, DownloadError, OSError) as error:
        print(f"lenet5: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    run(main)
