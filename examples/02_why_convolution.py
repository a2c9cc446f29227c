"""Chapter 2. Why convolution: two assumptions take a dense layer from 10^12 weights to 25, and find a figure in a crowd.

python examples/02_why_convolution.py
python examples/02_why_convolution.py --crowds 100    # number of crowds to search
"""

# %% A dense layer on a megapixel image, and the number of its weights under each assumption
import numpy as np
from chapter import Chapter, table
from scenes import FIGURE, crowd
from tqdm import tqdm

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, plots
from minigrad.nn.metrics import Accuracy

chapter = Chapter("02_why_convolution", __doc__, crowds=30, steps=400, epochs=4)

megapixel = (1, 1, 1000, 1000)
counts = {
    "dense, a thousand hidden neurons": nn.summary(lambda: nn.Linear(10**6, 1000, bias=False), (1, 10**6)).parameters,
    "dense, as many hidden neurons as pixels": nn.summary(lambda: nn.Linear(10**6, 10**6, bias=False), (1, 10**6)).parameters,
    "the same weights at each place": nn.summary(lambda: nn.Conv2d(1, 1, 1999, padding=999, bias=False), megapixel).parameters,
    "and none beyond 10 pixels": nn.summary(lambda: nn.Conv2d(1, 1, 21, padding=10, bias=False), megapixel).parameters,
    "and none beyond 2 pixels": nn.summary(lambda: nn.Conv2d(1, 1, 5, padding=2, bias=False), megapixel).parameters,
    "a neuron that sees 100x100 pixels in colour": nn.summary(lambda: nn.Linear(100 * 100 * 3, 1, bias=False), (1, 30000)).parameters,
}
table(list(counts.items()))

# %% The three layers as matrices from the 64 pixels of an 8x8 image to 64 neurons
pixels = mg.eye(64).reshape(64, 1, 8, 8)  # image k has pixel k alone
wide, narrow = nn.Conv2d(1, 1, 15, padding=7, bias=False), nn.Conv2d(1, 1, 3, padding=1, bias=False)
with mg.no_grad():
    matrices = {
        "dense: 4,096 weights": nn.Linear(64, 64).weight.detach().numpy(),
        "the same at each place: 225": wide(pixels).reshape(64, 64).T.numpy(),
        "and local: 9": narrow(pixels).reshape(64, 64).T.numpy(),
    }
chapter.save("matrices.png", plots.images({k: m / np.abs(m).max() for k, m in matrices.items()}, signed=True, size=2.9))
distinct = [len(np.unique(m[m != 0].round(7))) for m in matrices.values()]

# %% Equivariance: a shifted image gives shifted maps
train, test = chapter.digits()
digit = next(iter(test))[0][:1]  # 1 1 28 28
around = nn.Conv2d(1, 1, 5, padding=2, padding_mode="circular")  # the image wraps around at its edges
dense = nn.Linear(784, 784)


def shift(x):
    return mg.roll(x, (-2, -6), (2, 3))


with mg.no_grad():
    by_dense = dense(digit.flatten(1)).reshape(digit.shape), dense(shift(digit).flatten(1)).reshape(digit.shape)
    by_conv = around(digit), around(shift(digit))
    conv_error = (by_conv[1] - shift(by_conv[0])).abs().max().item()
    dense_error = (by_dense[1] - shift(by_dense[0])).abs().max().item()
shown = [digit, by_conv[0], by_dense[0], shift(digit), by_conv[1], by_dense[1]]
names = ["digit", "convolution", "dense layer", "digit, shifted", "its convolution", "its dense layer"]
chapter.save("shift.png", plots.images({n: x.numpy()[0, 0] for n, x in zip(names, shown, strict=True)}, columns=3, colours="viridis"))

# %% A detector: two convolutions, the second as large as a figure. It learns on small crowds with one figure
mg.manual_seed(chapter.seed)
detector = nn.Sequential(nn.Conv2d(3, 12, 5), nn.ReLU(), nn.Conv2d(12, 1, (FIGURE[0] - 4, FIGURE[1] - 4)))
optimizer = nn.optim.Adam(detector.parameters(), lr=3e-3)
small = (72, 72)
places = small[1] - FIGURE[1] + 1  # in a row of the score map
for step in tqdm(range(chapter.steps), desc="detector", leave=False, disable=None):
    batch = [crowd(10_000 + 4 * step + i, small, people=24) for i in range(4)]
    scores = detector(mg.tensor(np.stack([image for image, _ in batch])))  # 4 1 45 59
    right = mg.tensor([top * places + left for _, (top, left) in batch])
    loss = F.cross_entropy(scores.flatten(1), right)  # each place is a class
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %% It searches crowds of any size: the peak of the score map is the position of the figure
found = 0
for seed in tqdm(range(chapter.crowds), desc="crowds", leave=False, disable=None):
    image, place = crowd(seed)
    with mg.no_grad():
        score_map = detector(mg.tensor(image[None])).numpy()[0, 0]  # 133 227
    peak = np.unravel_index(score_map.argmax(), score_map.shape)
    found += max(abs(peak[0] - place[0]), abs(peak[1] - place[1])) <= 3
edges = [(n // 2, n - 1 - n // 2) for n in FIGURE]
centred = np.pad(np.maximum(score_map - np.median(score_map), 0), edges)  # each score at the middle of its window
maps = {"a crowd, and where the score is highest": image, "the score of each place": centred}
box = [(*peak, *FIGURE)]
chapter.save("crowd.jpg", plots.images(maps, 2, colours="inferno", size=5, boxes=dict.fromkeys(maps, box)))


# %% A window without neighbours: a 1x1 convolution is a dense layer over the channels, the same at each pixel
class PerPixel(nn.Module):
    """A dense layer applied to the channels of each pixel of (N, C, H, W)."""

    def __init__(self, into, out):
        super().__init__()
        self.dense = nn.Linear(into, out)

    def forward(self, x):
        return self.dense(x.movedim(1, -1)).movedim(-1, 1)


def network(first, second, third):
    """Network in network: a small perceptron after each convolution, then the mean over all positions."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2), nn.ReLU(), first, nn.ReLU(),
        nn.Conv2d(32, 32, 5, stride=2), nn.ReLU(), second, nn.ReLU(), third, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


in_network = network(nn.Conv2d(16, 32, 1), nn.Conv2d(32, 48, 1), nn.Conv2d(48, 10, 1))
twin = network(PerPixel(16, 32), PerPixel(32, 48), PerPixel(48, 10))
for theirs, ours in zip(twin.parameters(), in_network.parameters(), strict=True):
    theirs.data = ours.detach().clone().reshape(theirs.shape)  # the same numbers: (out, in, 1, 1) as (out, in)
with mg.no_grad():
    difference = (in_network(digit) - twin(digit)).abs().max().item()
head = nn.Sequential(nn.Conv2d(1, 16, 5, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 12 * 12, 48), nn.ReLU(), nn.Linear(48, 10))
rows, losses = [["network", "parameters", "loss at the end", "right"]], []
for name, model in [("1x1 convolutions", in_network), ("its twin of dense layers per pixel", twin), ("dense layers over all pixels", head)]:
    mg.manual_seed(chapter.seed)  # the same batches for each
    adam = nn.optim.Adam(model.parameters(), lr=5e-3)
    history = nn.fit(model, train, nn.CrossEntropyLoss(), adam, epochs=chapter.epochs, validation=test, metrics=[Accuracy()])
    losses.append(history[-1]["loss"])
    rows.append([name, sum(p.numel() for p in model.parameters()), losses[-1], history[-1]["val_accuracy"]])
table(rows)

# %% More channels than colour: a generated scene in 60 wavelengths; a camera sees lawn and artificial turf in the same colour
KINDS = ["lawn", "turf", "water", "soil", "roof"]
wavelength = np.linspace(400, 1000, 60)  # nanometres


def bump(centre, width):
    return np.exp(-(((wavelength - centre) / width) ** 2))


def step_up(at, width):
    return 1 / (1 + np.exp(-(wavelength - at) / width))


green = 0.06 + 0.10 * bump(550, 40)
spectra = np.stack([
    green + 0.45 * step_up(715, 12),  # living leaves reflect infrared
    green + 0.04 * step_up(715, 12),  # plastic does not
    0.09 * (1 - step_up(560, 60)) + 0.02,
    0.06 + 0.30 * step_up(650, 120),
    0.08 + 0.35 * step_up(610, 25),
])  # fmt: skip
camera = np.stack([bump(600, 40), bump(545, 40), bump(450, 35)])
camera /= camera.sum(1, keepdims=True)


def land(seed, side=96, spots=40):
    """A map of patches (side, side), and its image in 60 wavelengths (60, side, side) in uneven light, with noise."""
    rng = np.random.default_rng(seed)
    centres, kinds = rng.uniform(0, side, (spots, 2)), rng.integers(0, len(KINDS), spots)
    grid = np.stack(np.mgrid[:side, :side], -1).reshape(-1, 1, 2)
    truth = kinds[((grid - centres) ** 2).sum(-1).argmin(1)].reshape(side, side)
    light = 1 + 0.25 * np.sin(grid[:, 0, 0] / 17 + seed) * np.cos(grid[:, 0, 1] / 23)
    cube = spectra[truth] * light.reshape(side, side, 1) + rng.normal(0, 0.012, (side, side, 60))
    return truth, np.moveaxis(cube, -1, 0).astype(np.float32)


def classify(bands):
    """Train 1x1 convolutions on one scene, and return the map of kinds and its accuracy on another."""
    (truth, cube), (other, unseen) = land(0), land(1)
    model = nn.Sequential(nn.Conv2d(len(bands), 16, 1), nn.ReLU(), nn.Conv2d(16, len(KINDS), 1))
    adam = nn.optim.Adam(model.parameters(), lr=2e-2)
    seen, new = (mg.tensor(np.tensordot(bands, image, 1).astype(np.float32)[None] * 5) for image in (cube, unseen))
    for _ in tqdm(range(200), desc=f"{len(bands)} channels", leave=False, disable=None):
        loss = F.cross_entropy(model(seen), mg.tensor(truth[None]))
        adam.zero_grad()
        loss.backward()
        adam.step()
    with mg.no_grad():
        said = model(new).argmax(1).numpy()[0]
    return said, float((said == other).mean())


mg.manual_seed(chapter.seed)
(by_colour, colour_right), (by_spectrum, spectrum_right) = classify(camera), classify(np.eye(60))
truth, cube = land(1)
paint = np.array([(60, 160, 60), (170, 230, 90), (60, 110, 190), (150, 110, 70), (190, 70, 60)], np.uint8)
maps = {"three channels": np.clip(np.tensordot(camera, cube, 1) * 3, 0, 1), "what is there": paint[truth].transpose(2, 0, 1)}
maps |= {f"told by 3 channels: {colour_right:.1%}": paint[by_colour].transpose(2, 0, 1)}
maps |= {f"told by 60: {spectrum_right:.1%}": paint[by_spectrum].transpose(2, 0, 1)}
chapter.save("channels.png", plots.images(maps, 4, size=2.4))

# %% The result
table([
    ["shift, then convolve, or convolve, then shift: largest difference", conv_error], ["the same for a dense layer", dense_error],
    ["1x1 convolutions and dense layers per pixel, untrained: the same", difference], ["figures found", found], ["in crowds", chapter.crowds],
    ["kinds of ground told right by colour", colour_right], ["by 60 channels", spectrum_right],
])  # fmt: skip
