"""Chapter 9. GoogLeNet: filters of several sizes side by side, and classifiers in the middle that help the layers below.

python examples/09_googlenet.py                        # part of the sample of digits
python examples/09_googlenet.py --full --epochs 3      # the 60,000 digits of MNIST
"""

# %% The Inception block: four branches, whose maps are stacked
from itertools import islice

import numpy as np
from chapter import Chapter, table

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import graph, nn, plots

chapter = Chapter("09_googlenet", __doc__, full="all 60,000 digits of MNIST", epochs=5, images=2000, tests=10_000)


class Convolution(nn.Sequential):
    def __init__(self, into, out, size, **options):
        super().__init__(nn.Conv2d(into, out, size, padding=size // 2, **options), nn.ReLU())
        nn.init.xavier_uniform_(self[0].weight)
        nn.init.zeros_(self[0].bias)


class Inception(nn.Module):
    def __init__(self, into, one, three, five, pool):
        super().__init__()
        self.one = Convolution(into, one, 1)
        self.three = nn.Sequential(Convolution(into, three[0], 1), Convolution(*three, 3))
        self.five = nn.Sequential(Convolution(into, five[0], 1), Convolution(*five, 5))
        self.pool = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), Convolution(into, pool, 1))

    def forward(self, x):
        return mg.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1)


# %% Its graph, and the work that the 1x1 convolutions save
def work(module):
    """Multiply-adds for a map of 192x28x28, the input of the first block of the paper."""
    return nn.summary(module, (1, 192, 28, 28)).multiply_adds


block = Inception(192, 64, (96, 128), (16, 32), 32)
chapter.save("inception.png", graph.draw(block, mg.zeros(1, 192, 28, 28), depth=2, legend=False))
table([["branch", "multiply-adds", "without the 1x1 in front"]] + [
    ["3x3", work(block.three), work(Convolution(192, 128, 3))], ["5x5", work(block.five), work(Convolution(192, 32, 5))],
])  # fmt: skip

# %% The nine blocks of the paper: the channels of their branches, and where pooling and heads are
BLOCKS = {
    "3a": (192, 64, (96, 128), (16, 32), 32), "3b": (256, 128, (128, 192), (32, 96), 64),
    "4a": (480, 192, (96, 208), (16, 48), 64), "4b": (512, 160, (112, 224), (24, 64), 64), "4c": (512, 128, (128, 256), (24, 64), 64),
    "4d": (512, 112, (144, 288), (32, 64), 64), "4e": (528, 256, (160, 320), (32, 128), 128),
    "5a": (832, 256, (160, 320), (32, 128), 128), "5b": (832, 384, (192, 384), (48, 128), 128),
}  # fmt: skip
POOL_BEFORE, HEAD_AFTER = ("4a", "5a"), ("4a", "4d")


def scaled(channels, factor):
    return tuple(scaled(c, factor) for c in channels) if isinstance(channels, tuple) else channels // factor


class Head(nn.Sequential):
    def __init__(self, into, hidden):
        super().__init__(nn.AdaptiveAvgPool2d(4), Convolution(into, hidden // 8, 1), nn.Flatten(), nn.Linear(16 * (hidden // 8), hidden),
                         nn.ReLU(), nn.Dropout(0.7), nn.Linear(hidden, 10))  # fmt: skip


class GoogLeNet(nn.Module):
    def __init__(self, heads, factor=8):
        super().__init__()
        self.stem = Convolution(1, 192 // factor, 3, stride=2)
        self.blocks = nn.ModuleDict({name: Inception(*scaled(channels, factor)) for name, channels in BLOCKS.items()})
        self.last = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.4), nn.Linear(1024 // factor, 10))
        out = {name: one + three[1] + five[1] + pool for name, (_, one, three, five, pool) in BLOCKS.items()}
        self.heads = nn.ModuleDict({name: Head(out[name] // factor, 1024 // factor) for name in HEAD_AFTER} if heads else {})

    def forward(self, x):
        x, answers = self.stem(x), []
        for name, block in self.blocks.items():
            x = block(F.max_pool2d(x, 3, stride=2, padding=1) if name in POOL_BEFORE else x)
            if self.training and name in self.heads:
                answers.append(self.heads[name](x))
        return self.last(x), answers


def loss(outputs, labels):
    """Of the last classifier, and 0.3 times that of each head; in evaluation there are no heads."""
    answer, others = outputs
    return F.cross_entropy(answer, labels) + sum(0.3 * F.cross_entropy(other, labels) for other in others)


networks = {}
for name, heads in (("without heads", False), ("with heads", True)):
    mg.manual_seed(chapter.seed)
    networks[name] = GoogLeNet(heads)

# %% The gradient that reaches each block, before training
train, test = chapter.digits()


def gradient_norms(model, batches=8):
    """The norm of each block's gradient for a batch, on average."""
    norms = []
    for images, labels in islice(train, batches):
        model.zero_grad()
        loss(model(images), labels).backward()
        norms.append([sum((p.grad**2).sum().item() for p in block.parameters()) ** 0.5 for block in model.blocks.values()])
    return np.mean(norms, 0)


norms = {name: gradient_norms(model) for name, model in networks.items()}
chapter.save("gradients.png", plots.lines(range(1, 10), norms, "block (3a to 5b)", "norm of its gradient", log=True), dpi=80)


# %% Training
def right(model):
    """The part of the test digits that the last classifier tells right."""
    model.eval()
    with mg.no_grad():
        return float(np.concatenate([model(x)[0].argmax(1).numpy() == y.numpy() for x, y in test]).mean())


curves, accuracy = {}, {}
for name, model in networks.items():
    print(name)
    mg.manual_seed(chapter.seed)
    optimizer = nn.optim.Adam(model.parameters(), lr=2e-3)
    scheduler = nn.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=chapter.epochs * len(train))
    options = {"validation": test, "scheduler": scheduler, "scheduler_per": "step"}
    history = nn.fit(model, train, loss, optimizer, epochs=chapter.epochs, **options)
    curves[name] = [epoch["val_loss"] for epoch in history]  # without that of the heads
    accuracy[name] = right(model)
chapter.save("training.png", plots.lines(range(1, chapter.epochs + 1), curves, "epoch", "loss on the test digits"), dpi=80)

# %% The result
table([["network", "parameters", "right"]] + [
    [name, sum(p.numel() for p in model.parameters()), accuracy[name]] for name, model in networks.items()
])  # fmt: skip
