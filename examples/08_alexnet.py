"""Chapter 8. AlexNet: two groups of maps, normalisation between neighbours, overlapping pooling, dropout, augmentation; and what each is worth.

python examples/08_alexnet.py                        # part of the sample of digits
python examples/08_alexnet.py --full --epochs 3      # the 60,000 digits of MNIST
"""

# %% The network of 2012, for photographs of 227x227
import numpy as np
from chapter import Chapter, table

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, plots

chapter = Chapter("08_alexnet", __doc__, full="all 60,000 digits of MNIST", epochs=10, images=1000, tests=10_000)


def normalised():
    """Each number divided by (2 + 0.0001 times the sum of squares of the five maps around it)^0.75; PyTorch's alpha is that of a mean."""
    return nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0)


def published():
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, stride=4), nn.ReLU(), normalised(), nn.MaxPool2d(3, stride=2),
        nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(), normalised(), nn.MaxPool2d(3, stride=2),
        nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, stride=2), nn.Flatten(),
        nn.Dropout(0.5), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000),
    )  # fmt: skip


summary = nn.summary(published, (1, 3, 227, 227))  # a function: 61 million weights, but no memory for them
layers = [row for row in summary.rows if row.parameters and row.depth == 1]
parameters = [row.parameters for row in layers]
table([["layer", "output", "parameters"]] + [[r.class_name, "x".join(map(str, r.output_shape[1:])), r.parameters] for r in layers])
print(f"{sum(parameters):,} parameters")
words = ["11×11", "5×5", "3×3", "3×3", "3×3", "dense", "dense", "dense"]
chapter.save("volumes.png", plots.volumes([(3, 227, 227)] + [row.output_shape[1:] for row in layers], words), dpi=80)


# %% A small one for digits, which can be had without each of its ideas
def small(activation=nn.ReLU, local=True, overlap=True, groups=2, dropout=0.5):
    def lrn():
        return [normalised()] if local else []

    def pool():
        return nn.MaxPool2d(3, stride=2, padding=1) if overlap else nn.MaxPool2d(2, ceil_mode=True)

    model = nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2), activation(), *lrn(), pool(),  # 16 12 12
        nn.Conv2d(16, 32, 5, padding=2, groups=groups), activation(), *lrn(), pool(),  # 32 6 6
        nn.Conv2d(32, 48, 3, padding=1), activation(),
        nn.Conv2d(48, 48, 3, padding=1, groups=groups), activation(),
        nn.Conv2d(48, 32, 3, padding=1, groups=groups), activation(), pool(), nn.Flatten(),  # 32 3 3
        nn.Dropout(dropout), nn.Linear(32 * 9, 128), activation(), nn.Dropout(dropout), nn.Linear(128, 128), activation(), nn.Linear(128, 10),
    )  # fmt: skip
    for parameter in model.parameters():
        (nn.init.kaiming_normal_ if parameter.ndim > 1 else nn.init.zeros_)(parameter)
    return model


# %% Which map sees which: the gradient of each output map, by input map
def sees(layer):
    x = mg.ones(1, layer.in_channels, 5, 5, requires_grad=True)
    y = layer(x)
    grads = [mg.grad(y[:, i].sum(), x, retain_graph=True)[0] for i in range(layer.out_channels)]
    return np.array([np.abs(g.numpy()).sum((0, 2, 3)) > 0 for g in grads])


convolutions = [m for m in small() if isinstance(m, nn.Conv2d)]
connected = {f"layer {i}": sees(layer) for i, layer in enumerate(convolutions[1:], 2)}
chapter.save("groups.png", plots.images({name: 1.0 - seen for name, seen in connected.items()}, 4, colours="Blues_r", size=1.6), dpi=80)

# %% Augmentation: random crops of 24x24, and light that changes along the principal colours; the test takes the mean of five crops
SIDE = 24
train, test = chapter.digits(batch=32)
corners = [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]
generator = np.random.default_rng(chapter.seed)
pixels = np.concatenate([x.numpy().transpose(0, 2, 3, 1).reshape(-1, x.shape[1]) for x, _ in train])
variances, colours = np.linalg.eigh(np.atleast_2d(np.cov(pixels, rowvar=False)))  # of one channel: its variance, and 1


def crop(x, top, left):
    return x[:, :, top : top + SIDE, left : left + SIDE]


def augmented(x):
    """Each image cropped at random, and its channels shifted by the sum of the principal colours times N(0, 0.1) times their deviations."""
    x = mg.stack([x[i, :, t : t + SIDE, l : l + SIDE] for i, (t, l) in enumerate(generator.integers(0, 5, (len(x), 2)))])
    light = (generator.normal(0, 0.1, (len(x), len(variances))) * np.sqrt(variances)) @ colours.T
    return x + mg.tensor(light[:, :, None, None], dtype=mg.float32)


one = next(iter(test))[0][:1]
chapter.save("crops.png", plots.images({str(i): -x for i, x in enumerate(augmented(mg.cat([one] * 8)))}, 8, size=0.9), dpi=80)


# %% Training, with everything and without one idea at a time
def learn(model, augment=True):
    """The loss of each epoch, and the part of the test digits that is told right."""
    mg.manual_seed(chapter.seed)

    def forward(model, batch):
        images, labels = batch
        return model(augmented(images) if augment else crop(images, 2, 2)), labels

    optimizer = nn.optim.AdamW(model.parameters(), lr=3e-3)
    scheduler = nn.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=chapter.epochs * len(train))
    options = {"forward": forward, "scheduler": scheduler, "scheduler_per": "step"}
    history = nn.fit(model, train, nn.CrossEntropyLoss(), optimizer, epochs=chapter.epochs, **options)
    model.eval()
    hits = []
    with mg.no_grad():
        for x, y in test:
            views = [F.softmax(model(crop(x, *c)), 1) for c in (corners if augment else corners[4:])]
            hits.append(sum(views).argmax(1).numpy() == y.numpy())
    return [epoch["loss"] for epoch in history], float(np.concatenate(hits).mean())


VARIANTS = {
    "everything": ({}, {}),
    "tanh for ReLU": ({"activation": nn.Tanh}, {}),
    "no normalisation": ({"local": False}, {}),
    "pooling without overlap": ({"overlap": False}, {}),
    "one group": ({"groups": 1}, {}),
    "no dropout": ({"dropout": 0.0}, {}),
    "no augmentation": ({}, {"augment": False}),
}
models, curves, right = {}, {}, {}
for name, (of_model, of_training) in VARIANTS.items():
    print(name)
    mg.manual_seed(chapter.seed)
    models[name] = small(**of_model)
    curves[name], right[name] = learn(models[name], **of_training)
shown = {name: curves[name] for name in ("everything", "tanh for ReLU", "no dropout")}
chapter.save("training.png", plots.lines(range(1, chapter.epochs + 1), shown, "epoch", "loss in training"), dpi=80)

# %% The result
table([["AlexNet, small", "parameters", "loss in training", "right"]] + [
    [name, sum(p.numel() for p in model.parameters()), curves[name][-1], right[name]] for name, model in models.items()
])  # fmt: skip
