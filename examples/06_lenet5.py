"""Chapter 6. LeNet-5 as it was published in 1998: 60,000 parameters, with its connection table, its subsampling and its outputs of bitmaps.

python examples/06_lenet5.py                        # the sample of 5,000 digits
python examples/06_lenet5.py --full --epochs 12     # the 60,000 digits of MNIST
"""

# %% The sigmoid of the paper, and the first weights: uniform within 2.4 / (number of inputs of the neuron)
import numpy as np
from chapter import Chapter, table

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, plots
from minigrad.nn.data import Normalize
from minigrad.nn.metrics import Accuracy
from minigrad.nn.models import LeNet5 as ModernLeNet5

chapter = Chapter("06_lenet5", __doc__, full="all 60,000 digits of MNIST", epochs=10, images=60_000, tests=10_000)


def squash(a):
    """1.7159 tanh(2a/3): 1 at 1, -1 at -1, and steepest between these."""
    return 1.7159 * mg.tanh(2 / 3 * a)


def first_weights(shape, inputs):
    return nn.Parameter(mg.empty(*shape).uniform_(-2.4 / inputs, 2.4 / inputs))


# %% Subsampling (S2, S4): the sum of each square of 2x2, times a coefficient, plus a bias; both are learned, one pair for each map
class Subsampling(nn.Module):
    def __init__(self, maps):
        super().__init__()
        self.coefficient, self.bias = first_weights((maps, 1, 1), 4), nn.Parameter(mg.zeros(maps, 1, 1))

    def forward(self, x):
        return squash(4 * F.avg_pool2d(x, 2) * self.coefficient + self.bias)


# %% Convolution: each map sees only the maps that its row of a table names (C3: 60 filters, and not 16 x 6)
SEEN = ["012", "123", "234", "345", "045", "015", "0123", "1234", "2345", "0345", "0145", "0125", "0134", "1245", "0235", "012345"]
connected = np.array([[str(i) in row for i in range(6)] for row in SEEN])  # map of C3, map of S2
marks = {"maps of S2 (down) that each map of C3 (across) sees": [tuple(i) for i in np.argwhere(connected.T)]}
chapter.save("table.png", plots.numbers({name: connected.T.astype(int) for name in marks}, marked=marks), dpi=80)


class Convolution(nn.Module):
    def __init__(self, connected, size=5):
        super().__init__()
        self.shape = (*connected.shape, size, size)
        self.ends = tuple(mg.tensor(i) for i in connected.nonzero())  # for each filter: the map it adds to, the map it sees
        inputs = mg.tensor(connected.sum(1) * size**2)  # of a neuron of each map
        self.filters = nn.Parameter(first_weights((len(self.ends[0]), size, size), 1).detach() / inputs[self.ends[0]].reshape(-1, 1, 1))
        self.bias = nn.Parameter(mg.zeros(len(connected)))

    def forward(self, x):
        weight = mg.zeros(self.shape, dtype=self.filters.dtype).index_put(self.ends, self.filters)  # no connection is a filter of zeros
        return squash(F.conv2d(x, weight, self.bias))


# %% Ten bitmaps of 7x12 pixels, one for each class: what the 84 neurons of F6 have to draw
DRAWN = """
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
.#####.  ...##..  .#####.  #######  ...###.  #######  ..####.  #######  .#####.  .#####.
##...##  ..###..  ##...##  .....##  ..####.  ##.....  .##....  .....##  ##...##  ##...##
##...##  .####..  .....##  ....##.  ..#.##.  ##.....  ##.....  .....##  ##...##  ##...##
##...##  ...##..  .....##  ...##..  .##.##.  ##.....  ##.....  ....##.  ##...##  ##...##
##...##  ...##..  ....##.  ..####.  .#..##.  ######.  ##.###.  ....##.  .#####.  ##..###
##...##  ...##..  ...##..  .....##  ##..##.  .....##  ###..##  ...##..  .#####.  .###.##
##...##  ...##..  ..##...  .....##  #######  .....##  ##...##  ...##..  ##...##  .....##
##...##  ...##..  .##....  .....##  ....##.  .....##  ##...##  ..##...  ##...##  .....##
##...##  ...##..  ##.....  ##...##  ....##.  ##...##  ##...##  ..##...  ##...##  ....##.
.#####.  .######  #######  .#####.  ....##.  .#####.  .#####.  ..##...  .#####.  .####..
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
"""
rows = [line.split() for line in DRAWN.split("\n") if line]
bitmaps = np.array([[[1.0 if c == "#" else -1.0 for c in row[digit]] for row in rows] for digit in range(10)], np.float32)
chapter.save("bitmaps.png", plots.images({str(i): -bitmap for i, bitmap in enumerate(bitmaps)}, 10, size=0.8))


# %% The output (RBF): the squared distance of the 84 numbers from each bitmap
class Distances(nn.Module):
    def __init__(self, codes):
        super().__init__()
        self.register_buffer("codes", mg.tensor(codes))

    def forward(self, x):
        return ((x.unsqueeze(1) - self.codes) ** 2).sum(2)  # N 84 -> N 10


# %% LeNet-5
BACKGROUND = -0.1  # white paper; ink is 1.175, which makes the mean of the pixels about 0 and their variance about 1


class F6(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight, self.bias = first_weights((outputs, inputs), inputs), nn.Parameter(mg.zeros(outputs))

    def forward(self, x):
        return squash(F.linear(x, self.weight, self.bias))


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.C1, self.S2 = Convolution(np.ones((6, 1), bool)), Subsampling(6)
        self.C3, self.S4 = Convolution(connected), Subsampling(16)
        self.C5 = Convolution(np.ones((120, 16), bool))
        self.F6, self.output = F6(120, 84), Distances(bitmaps.reshape(10, 84))

    def code(self, x):
        """(N, 1, 28, 28) to the 84 numbers of F6."""
        x = F.pad(x, (2, 2, 2, 2), value=BACKGROUND)  # 32x32: ends of strokes may lie in the centre of a filter
        return self.F6(self.C5(self.S4(self.C3(self.S2(self.C1(x))))).flatten(1))

    def forward(self, x):
        return -self.output(self.code(x))  # scores: the nearest bitmap has the highest


mg.manual_seed(chapter.seed)
published = LeNet5()
counted = {name: sum(p.numel() for p in layer.parameters()) for name, layer in published.named_children()}
table([["layer", "parameters"], *map(list, counted.items()), ["all", sum(counted.values())]])

# %% The shapes: 32x32, and at the end ten distances
layers = list(counted)
shapes = [(1, 32, 32)] + [row.output_shape[1:] for row in nn.summary(published, (1, 1, 28, 28)).rows if row.name in layers]
chapter.save("volumes.png", plots.volumes([s[:1] if s[1:] == (1, 1) else s for s in shapes], layers), dpi=80)

# %% Its loss: cross-entropy of the scores and of an eleventh class, "none of these", whose score is constant
NONE = 5.0


def loss(scores, labels):
    """The mean of y_label + log(exp(-NONE) + sum of exp(-y)), y being the distances."""
    none = mg.full((len(scores), 1), -NONE)
    return F.cross_entropy(mg.cat([scores, none], 1), labels)


# %% Training, and beside it the variant of today: ReLU, max pooling, all connections, softmax
train, test = chapter.digits(transform=Normalize(-BACKGROUND / 1.275, 1 / 1.275))
modern = ModernLeNet5()


def learn(model, loss):
    mg.manual_seed(chapter.seed)
    optimizer = nn.optim.AdamW(model.parameters(), lr=6e-3, weight_decay=0.1)
    scheduler = nn.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=6e-3, total_steps=chapter.epochs * len(train))
    options = {"validation": test, "metrics": [Accuracy()], "scheduler": scheduler, "scheduler_per": "step"}
    history = nn.fit(model, train, loss, optimizer, epochs=chapter.epochs, **options)
    return history[-1]["val_accuracy"]


accuracy = {"as published": learn(published, loss), "today": learn(modern, nn.CrossEntropyLoss())}

# %% What F6 draws for a digit of each class; the bitmap that it comes nearest to is the answer
images, labels = next(iter(test))
examples = images[[int((labels.numpy() == digit).argmax()) for digit in range(10)]]
with mg.no_grad():
    codes, distances = published.code(examples).numpy(), -published(examples).numpy()
answers = distances.argmin(1)
pictures = {f"a {digit}": -examples[digit, 0] for digit in range(10)}
pictures |= {f"{i} → {answers[i]}, {distances[i].min():.1f}": -codes[i].reshape(12, 7) for i in range(10)}
chapter.save("codes.png", plots.images(pictures, 10, size=0.95), dpi=80)

# %% The maps of the layers below
maps = plots.activations(published, examples[2:3], kinds=lambda layer: isinstance(layer, (Convolution, Subsampling)))
chapter.save("maps.png", plots.feature_maps(examples[2], {name: maps[name] for name in layers[:4]}), dpi=80)

# %% The result
table([["LeNet-5", "parameters", "right"]] + [
    [name, sum(p.numel() for p in model.parameters()), accuracy[name]] for name, model in (("as published", published), ("today", modern))
])  # fmt: skip
