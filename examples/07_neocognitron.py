"""Chapter 7. The neocognitron: cells that compare, cells that forgive, and layers that organise themselves, without backpropagation.

python examples/07_neocognitron.py                  # learns 1,500 digits
python examples/07_neocognitron.py --images 5000    # all of the sample
"""

# %% Digits on a field of 36x36, with room to move
import numpy as np
from chapter import Chapter, table
from tqdm import tqdm

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, plots

chapter = Chapter("07_neocognitron", __doc__, images=1500, tests=1000, least={"images": 100, "tests": 3})
train, test = chapter.digits(transform=lambda image: np.pad(image, ((0, 0), (4, 4), (4, 4))))
(images, labels), (test_images, test_labels) = ([mg.cat(parts) for parts in zip(*loader, strict=True)] for loader in (train, test))


def bell(size):
    """Weights that fall off from the middle of a window, with the sum 1."""
    x = np.arange(size) - (size - 1) / 2
    weights = np.exp(-4.5 * (x[:, None] ** 2 + x**2) / size**2)
    return (weights / weights.sum()).astype(np.float32)


# %% S-cells: excited by the pattern that they have learned, inhibited by all that is in their window
class SCells:
    """Planes of S-cells, each with weights ``a`` of its own; all cells of a plane share them. It starts without planes.

    A cell is silent if the similarity of its window with its weights is below the threshold.
    """

    def __init__(self, maps, size, threshold, padding):
        self.threshold, self.size, self.padding = threshold, size, padding
        self.c = np.repeat(bell(size)[None] / maps, maps, 0)
        self.a = np.zeros((0, maps, size, size), np.float32)

    def inhibition(self, u):
        """The V-cell at each place: the root of the mean square in its window."""
        return F.conv2d(u**2, mg.tensor(self.c[None]), padding=self.padding).sqrt()

    def __call__(self, u):
        if not len(self.a):
            return self.inhibition(u)[:, :0]  # no planes yet
        b = np.sqrt((self.a**2 / self.c).sum((1, 2, 3)))
        excited = F.conv2d(u, mg.tensor(self.a), padding=self.padding)
        inhibited = self.threshold * mg.tensor(b).reshape(-1, 1, 1) * self.inhibition(u)
        return F.relu((1 + excited) / (1 + inhibited) - 1) * self.threshold / (1 - self.threshold)

    def reinforce(self, plane, u, place, rate=100.0):
        """Add to a plane's weights what its cell at ``place`` sees; ``plane`` may be the next one that is not there yet."""
        if plane == len(self.a):
            self.a = np.concatenate([self.a, np.zeros_like(self.c)[None]])
        padded = np.pad(u, ((0, 0), (self.padding,) * 2, (self.padding,) * 2))
        y, x = place
        self.a[plane] += rate * self.c * padded[:, y : y + self.size, x : x + self.size]


angles = np.linspace(np.pi / 2, 0, 46)
two = mg.tensor(np.stack([np.cos(angles), np.sin(angles)]).T.reshape(-1, 2, 1, 1), dtype=mg.float32)  # patterns of two pixels
curves = {}
for threshold in (0.5, 0.7, 0.85):
    cell = SCells(2, 1, threshold, 0)
    cell.reinforce(0, np.array([[[1.0]], [[0.0]]], np.float32), (0, 0))
    curves[f"threshold {threshold}"] = cell(two).reshape(-1).numpy()
chapter.save("response.png", plots.lines(np.cos(angles), curves, "similarity (cosine) of window and weights", "response"), dpi=80)


# %% C-cells: a plane of them blurs a plane of S-cells, and has half as many places in each direction
def c_cells(s, size=5):
    d = mg.tensor(np.repeat(4 * bell(size)[None, None], s.shape[1], 0))
    near = F.conv2d(s, d, padding=size // 2, stride=2, groups=s.shape[1])
    x = F.relu((1 + near) / (1 + near.mean(1, keepdim=True)) - 1)  # planes inhibit one another
    return x / (0.5 + x)


# %% Learning without a teacher: the winners learn what they see, and what no cell knows gets a plane of its own
def organise(cells, inputs, planes, column=2):
    """Show the inputs one by one. Of each neighbourhood, and of each plane, only the strongest cell learns."""
    for u in tqdm(inputs, desc=f"up to {planes} planes", unit="image", leave=False, disable=None):
        present = cells.inhibition(u[None])[0, 0].numpy()
        response = cells(u[None])[0].numpy().copy()
        unknown = np.where(response.max(0, initial=0) == 0, present, 0)
        u = u.numpy()
        while response.size and response.max() > 0:
            plane, y, x = np.unravel_index(response.argmax(), response.shape)
            cells.reinforce(plane, u, (y, x))
            response[plane] = 0
            response[:, max(0, y - column) : y + column + 1, max(0, x - column) : x + column + 1] = 0
        if len(cells.a) < planes and unknown.max() > 0.5 * present.max():
            cells.reinforce(len(cells.a), u, np.unravel_index(unknown.argmax(), unknown.shape))


def through(function, x, batch=250):
    """The function of a long batch, piece by piece."""
    return mg.cat([function(part) for part in mg.split(x, batch)])


mg.set_grad_enabled(False)  # from here on nothing is differentiated
first = SCells(1, 3, 0.85, 1)
organise(first, images[:300], 16)
after_first = through(lambda x: c_cells(first(x)), images)
second = SCells(len(first.a), 5, 0.5, 2)
organise(second, after_first[:1000], 90)
after_second = through(lambda u: c_cells(second(u)), after_first)
chapter.save("planes.png", plots.images({str(i): -a for i, a in enumerate(first.a)}, 8, size=0.8), dpi=80)

# %% The last layer sees the whole digit, and its planes have names: a plane that wins with a wrong name does not learn, a new one does
third, names = SCells(len(second.a), 9, 0.7, 2), []
for u, label in tqdm(list(zip(after_second, labels.tolist(), strict=True)), desc="names", unit="image", leave=False, disable=None):
    response = third(u[None])[0].numpy()
    plane, *place = np.unravel_index(response.argmax(), response.shape) if response.any() else (len(names),)
    if plane == len(names) or names[plane] != label:
        present = third.inhibition(u[None])[0, 0].numpy()
        plane, place = len(names), np.unravel_index(present.argmax(), present.shape)
        names.append(label)
    third.reinforce(plane, u.numpy(), place)


def recognise(x):
    """The name of the plane in which the strongest cell is, wherever it is."""
    response = through(lambda part: third(c_cells(second(c_cells(first(part))))).amax((2, 3)), x, 100)
    return np.array(names)[response.argmax(1).numpy()]


# %% One digit on its way
digit = test_images[2:3]
s1 = first(digit)
s2 = second(c_cells(s1))
shown = {"S1": s1, "C1": c_cells(s1), "S2": s2, "C2": c_cells(s2)}
chapter.save("maps.png", plots.feature_maps(digit[0], {name: m[0] for name, m in shown.items()}, most=8), dpi=80)

# %% A dense net learns the same digits, with backpropagation; then the test digits move
dense = nn.Sequential(nn.Flatten(), nn.Linear(36 * 36, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = nn.optim.Adam(dense.parameters(), lr=2e-3)
with mg.enable_grad():
    nn.fit(dense, train, nn.CrossEntropyLoss(), optimizer, epochs=8, progress=False)

shifts = list(range(5))
moved = [F.pad(test_images, (s, 0))[..., : test_images.shape[-1]] for s in shifts]
truth = test_labels.numpy()
right = {
    "neocognitron": [float((recognise(x) == truth).mean()) for x in tqdm(moved, desc="moved", leave=False, disable=None)],
    "dense layers": [float((dense(x).argmax(1).numpy() == truth).mean()) for x in moved],
}
mg.set_grad_enabled(True)
chapter.save("shifts.png", plots.lines(shifts, right, "pixels that the digit moves", "told right"), dpi=80)

# %% The result
table([["layer", "planes"], ["S1", len(first.a)], ["S2", len(second.a)], ["S3", len(names)]])
table([["told right", "in place", *[f"moved by {s}" for s in shifts[1:]]]] + [[name, *values] for name, values in right.items()])
