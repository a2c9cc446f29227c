"""Chapter 12, part 3. Segmentation: the class of each pixel, by a U-Net, and what its bridges do.

python examples/12_segmentation.py                                      # scenes made of the sample of digits
python examples/12_segmentation.py --full --scenes 20000 --epochs 20    # of the digits of MNIST
"""

# %% Boards, and the class of each of their pixels: 0 is the ground
from itertools import pairwise

import numpy as np
from chapter import Chapter, table
from scenes import THINGS

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, plots
from minigrad.nn.data import DataLoader, TensorDataset
from minigrad.nn.metrics import ConfusionMatrix

chapter = Chapter("12_segmentation", __doc__, full="digits of all of MNIST", epochs=7, scenes=1000, tests=200, width=8)
CLASSES = ("ground", *THINGS)
(images, truths), (test_images, test_truths) = chapter.boards(most=4)


def pixels(truths):
    return np.stack([(truth["masks"] * (1 + truth["labels"])[:, None, None]).max(0) for truth in truths])


# %% Down, and up again; at each size, the way up gets the map of the way down over a bridge
def step(into, out):
    return nn.Sequential(nn.Conv2d(into, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU())


class UNet(nn.Module):
    def __init__(self, bridges, width=chapter.width):
        super().__init__()
        self.bridges = bridges
        self.down = nn.ModuleList([step(into, out) for into, out in pairwise([1, width, 2 * width, 4 * width])])
        self.bottom = step(4 * width, 4 * width)
        self.up = nn.ModuleList([step(into * (1 + bridges), out) for into, out in pairwise([4 * width, 2 * width, width, width])])
        self.last = nn.Conv2d(width, len(CLASSES), 1)

    def forward(self, x):
        kept = []
        for layer in self.down:
            kept.append(layer(x))
            x = F.max_pool2d(kept[-1], 2)
        x = self.bottom(x)
        for layer in self.up:
            x, fine = F.interpolate(x, scale_factor=2), kept.pop()
            x = layer(mg.cat([x, fine], 1) if self.bridges else x)
        return self.last(x)


# %% Training: cross-entropy at each pixel
loss = nn.CrossEntropyLoss(mg.tensor([0.2] + [1.0] * len(THINGS)))  # most pixels are ground
models = {}
for name, bridges in {"without bridges": False, "U-Net": True}.items():
    print(name)
    mg.manual_seed(chapter.seed)
    model = models[name] = UNet(bridges)
    loader = DataLoader(TensorDataset(images, mg.tensor(pixels(truths))), 8, shuffle=True)
    optimizer = nn.optim.Adam(model.parameters(), lr=5e-3)
    scheduler = nn.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=chapter.epochs * len(loader))
    nn.fit(model, loader, loss, optimizer, epochs=chapter.epochs, scheduler=scheduler, scheduler_per="step")
    model.eval()

# %% The result: of each class, the pixels that are both said and true, as a part of those that are either
true, said, iou = pixels(test_truths), {}, {}
for name, model in models.items():
    with mg.no_grad():
        said[name] = model(test_images).argmax(1).numpy()
    confusion = ConfusionMatrix(len(CLASSES))
    confusion.update(said[name], true)
    iou[name] = confusion.iou()
table([["IoU", *CLASSES, "mean"]] + [[name, *map(float, values), float(np.nanmean(values))] for name, values in iou.items()])


def veils(labels):
    """For each board a mask of each class but the ground."""
    return [{"masks": [one == 1 + kind for kind in range(len(THINGS))]} for one in labels]


fullest = np.argsort([-len(truth["labels"]) for truth in test_truths], kind="stable")[:4]
for name, labels in {"true": true, **said}.items():
    figure = plots.detections([test_images[i] for i in fullest], veils(labels[fullest]), size=2.4)
    chapter.save(f"{name.replace(' ', '-').lower()}.jpg", figure)
