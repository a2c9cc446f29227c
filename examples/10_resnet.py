"""Chapter 10. ResNet: more layers make a plain network worse, and a residual one not.

python examples/10_resnet.py                        # part of the sample of digits
python examples/10_resnet.py --full --epochs 3      # the 60,000 digits of MNIST
"""

# %% A block of two convolutions, with or without a shortcut around it
from itertools import pairwise

import numpy as np
from chapter import Chapter, table

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, plots
from minigrad.nn.metrics import Accuracy

chapter = Chapter("10_resnet", __doc__, full="all of MNIST", epochs=4, images=1500, tests=10_000, width=8, deep=56, least={"deep": 8})


class Block(nn.Module):
    def __init__(self, into, out, stride, shortcut):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(into, out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out)
        self.stride, self.more, self.shortcut = stride, out - into, shortcut

    def forward(self, x):
        f = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.shortcut:  # where the shape changes: every second pixel, and channels of zeros
            f = f + F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))
        return F.relu(f)


# %% 6 n + 2 layers: a convolution, three groups of n blocks, a dense layer
def network(layers, shortcut, width=chapter.width):
    mg.manual_seed(chapter.seed)
    n = (layers - 2) // 6
    widths = [width] * (n + 1) + [2 * width] * n + [4 * width] * n
    blocks = [Block(into, out, 1 + (into != out), shortcut) for into, out in pairwise(widths)]
    first = [nn.Conv2d(1, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    model = nn.Sequential(*first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, 10))
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model


KINDS = {"plain": False, "residual": True}
DEPTHS = (20, chapter.deep)
networks = {f"{kind}, {layers} layers": network(layers, shortcut) for kind, shortcut in KINDS.items() for layers in DEPTHS}
counted = {name: sum(p.numel() for p in model.parameters()) for name, model in networks.items()}

# %% Before training: the size of the gradient that reaches each convolution
train, test = chapter.digits()
images, labels = next(iter(train))


def gradient_norms(model):
    """The norm of the gradient at each convolution, relative to that of its weights, from the first to the last."""
    model.zero_grad()
    F.cross_entropy(model(images), labels).backward()
    convolutions = [m.weight for m in model.modules() if isinstance(m, nn.Conv2d)]
    return [(w.grad.norm() / w.norm()).item() for w in convolutions]


fresh = {kind: gradient_norms(network(chapter.deep, shortcut)) for kind, shortcut in KINDS.items()}
chapter.save("gradients.png", plots.lines(np.arange(1, chapter.deep), fresh, "convolution", "gradient / weight", log=True), dpi=80)

# %% Training
curves, result = {}, {}
for name, model in networks.items():
    print(name)
    mg.manual_seed(chapter.seed)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    scheduler = nn.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=chapter.epochs * len(train))
    history = nn.fit(model, train, nn.CrossEntropyLoss(), optimizer, epochs=chapter.epochs, validation=test, metrics=[Accuracy()],
                     scheduler=scheduler, scheduler_per="step")  # fmt: skip
    curves[name] = [epoch["loss"] for epoch in history]
    result[name] = (history[-1]["loss"], history[-1]["accuracy"], history[-1]["val_accuracy"])
chapter.save(
    "training.png", plots.lines(np.arange(1, chapter.epochs + 1), curves, "epoch", "loss on the training digits", log=True), dpi=80
)

# %% The result
table([["network", "parameters", "loss", "right in training", "right in the test"]] + [
    [name, counted[name], *result[name]] for name in networks
])  # fmt: skip

# %% What the blocks of the deep residual network do: how much each changes what goes through it
residual = networks[f"residual, {chapter.deep} layers"]
change = []
x = next(iter(test))[0]
residual.eval()
with mg.no_grad():
    for part in residual:
        y = part(x)
        if isinstance(part, Block) and part.stride == 1:
            change.append(((y - x).norm() / x.norm()).item())
        x = y
chapter.save("change.png", plots.lines(np.arange(1, len(change) + 1), {"change": change}, "block", "change of its input, relative"), dpi=80)
