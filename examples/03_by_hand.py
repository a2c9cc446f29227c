"""Chapter 3. Convolution by hand: every number, all layouts cell by cell, one dimension, and filters on a photograph.

python examples/03_by_hand.py
"""

# %% A 6x6 image, a filter that detects a falling diagonal, and the sums in two plain loops
import numpy as np
from chapter import Chapter, table
from packages import file_of
from PIL import Image

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, plots

chapter = Chapter("03_by_hand", __doc__)

image = np.array([
    [1, 0, 0, 0, 0, 1],
    [0, 1, 0, 0, 1, 0],
    [0, 0, 1, 1, 0, 0],
    [1, 0, 0, 0, 1, 0],
    [0, 1, 0, 0, 0, 1],
    [0, 0, 1, 0, 1, 0],
], np.float32)  # fmt: skip
diagonal = np.eye(3, dtype=np.float32)


def slide(image, kernel):
    """At each position: multiply the overlapping values, and add up."""
    height, width = (n - k + 1 for n, k in zip(image.shape, kernel.shape, strict=True))
    result = np.empty((height, width), np.float32)
    for i in range(height):
        for j in range(width):
            result[i, j] = (image[i : i + len(kernel), j : j + len(kernel)] * kernel).sum()
    return result


by_hand = slide(image, diagonal)
by_op = F.conv2d(mg.tensor(image[None, None]), mg.tensor(diagonal[None, None])).numpy()[0, 0]
print(by_hand)
chapter.save("window.png", plots.window(image, diagonal))

# %% Colour: a filter has a slice for each channel, and the three sums are added. Two filters with biases, and an activation
rng = np.random.default_rng(chapter.seed)
colour = rng.integers(0, 3, (3, 5, 5)).astype(np.float32)
filters = rng.integers(-1, 2, (2, 3, 3, 3)).astype(np.float32)  # out, in, height, width
bias = np.array([1, -2], np.float32)
sums = np.stack([sum(slide(x, w) for x, w in zip(colour, one, strict=True)) + b for one, b in zip(filters, bias, strict=True)])
maps_by_hand = np.maximum(sums, 0)  # 2 3 3
layer = nn.Conv2d(3, 2, 3)
layer.weight.data, layer.bias.data = mg.tensor(filters), mg.tensor(bias)
with mg.no_grad():
    maps = F.relu(layer(mg.tensor(colour[None]))).numpy()[0]
chapter.save("colour.png", plots.window(colour, filters[0], (1, 1), bias=float(bias[0])))
chapter.save("two-filters.png", plots.numbers(
    {"sums of filter 0": sums[0], "ReLU 0": maps[0], "sums of filter 1": sums[1], "ReLU 1": maps[1]}, ["→", "", "→"]))  # fmt: skip

# %% Padding keeps the size, a stride divides it
chapter.save("padding.png", plots.window(image, diagonal, (0, 0), padding=1))
chapter.save("stride.png", plots.window(np.tile(image, (2, 2))[:7, :7], diagonal, (1, 1), stride=2))


# %% The size of the result: (H + 2P - K) / S + 1, rounded down
def size(n, kernel, stride=1, padding=0, dilation=1):
    return (n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


rows, wrong = [["image", "kernel", "padding", "stride", "result", "cells that no window sees"]], 0
for n, kernel, padding, stride in [
    (28, 5, 0, 1),
    (28, 5, 2, 1),
    (7, 3, 0, 2),
    (8, 3, 0, 2),
    (32, 7, 0, 1),
    (224, 11, 2, 4),
    (227, 11, 0, 4),
]:
    x = mg.ones(1, 1, n, n, requires_grad=True)
    out = F.conv2d(x, mg.ones(1, 1, kernel, kernel), stride=stride, padding=padding)
    out.sum().backward()
    unseen = int((x.grad == 0).any(0).any(0).all(0).sum().item())  # columns whose gradient is 0 in every row
    wrong += out.shape[-1] != size(n, kernel, stride, padding)
    rows.append([n, kernel, padding, stride, out.shape[-1], unseen])
table(rows)

# %% A layer's data: images (N, C, H, W), weights (out, in, KH, KW), a batch at once
batch = mg.randn(10, 3, 28, 28)
layer = nn.Conv2d(3, 16, 5)
with mg.no_grad():
    together = layer(batch)
    one_by_one = mg.cat([layer(batch[i : i + 1]) for i in range(10)])
    batch_error = (together - one_by_one).abs().max().item()
print("images", batch.shape, "weight", layer.weight.shape, "bias", layer.bias.shape, "maps", together.shape)

# %% One dimension: each value decays to 1, 1/2, 1/4 of its size over three steps
signal = np.array([0, 4, 0, 0, 8, 4, 0, 0], np.float32)
decay = np.array([1, 0.5, 0.25], np.float32)


def correlate(x, w, padding=0):
    """Convolution in deep learning: the filter is not flipped."""
    return F.conv1d(mg.tensor(x[None, None]), mg.tensor(w[None, None]), padding=padding).numpy()[0, 0]


def convolve(x, w, padding=0):
    """Convolution in mathematics: the filter is flipped."""
    return correlate(x, w[::-1].copy(), padding)


widths = {
    "narrow: n - k + 1": convolve(signal, decay),
    "equal width: n": convolve(signal, decay, 1),
    "wide: n + k - 1": convolve(signal, decay, 2),
}
matches = [
    np.allclose(widths[name], np.convolve(signal, decay, mode)) for name, mode in zip(widths, ("valid", "same", "full"), strict=True)
]
shown = {"signal": signal, **widths, "cross-correlation, wide": correlate(signal, decay, 2)}
middles = [np.pad(row, (10 - len(row)) // 2, constant_values=np.nan) for row in shown.values()]
figure = plots.numbers({"true convolution in three widths": np.stack(middles)})
for row, name in enumerate(shown):
    figure.axes[0].text(-0.3, row + 0.5, name, ha="right", va="center")
chapter.save("one-dimension.png", figure)

# %% True convolution is commutative; cross-correlation is not
commutes = np.allclose(convolve(signal, decay, 2), convolve(decay, signal, len(signal) - 1))
correlation_commutes = np.allclose(correlate(signal, decay, 2), correlate(decay, signal, len(signal) - 1))

# %% Hand-designed filters on a photograph: Grace Hopper, from matplotlib's sample data
photo = file_of("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", "matplotlib")
grey = np.asarray(Image.open(photo).convert("L").crop((60, 20, 460, 460)).resize((200, 220)), np.float32) / 255
sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
designed = {
    "mean 7×7": np.full((7, 7), 1 / 49, np.float32),
    "upright edges (Sobel)": sobel,
    "level edges (Sobel)": sobel.T.copy(),
    "all edges (Laplace)": np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32),
    "sharper": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.float32),
}
pictures = {"photograph": grey}
for name, kernel in designed.items():
    pictures[name] = F.conv2d(mg.tensor(grey[None, None]), mg.tensor(kernel[None, None]), padding=len(kernel) // 2).numpy()[0, 0]
shown = {name: np.clip(picture, *np.percentile(picture, (1, 99))) for name, picture in pictures.items()}
chapter.save("photograph.jpg", plots.images(shown, 3, size=2.4))

# %% A convolution is a matrix with the filter on its diagonals; the transposed convolution is that matrix, transposed
taps = mg.tensor([[[1.0, 2.0, 3.0]]])
matrix = F.conv1d(mg.eye(5).unsqueeze(1), taps)[:, 0].numpy().T  # 3 5
transposed = F.conv_transpose1d(mg.eye(3).unsqueeze(1), taps)[:, 0].numpy().T  # 5 3
chapter.save("matrix.png", plots.numbers({"convolution: 5 numbers to 3": matrix, "transposed: 3 numbers to 5": transposed}, [""]))

# %% The transposed convolution is also the gradient of the input: <y, C x> = <C' y, x>
x, w = mg.randn(1, 2, 7, 7, dtype=mg.float64, requires_grad=True), mg.randn(3, 2, 3, 3, dtype=mg.float64)
y = F.conv2d(x, w, stride=2)
g = mg.randn(*y.shape, dtype=mg.float64)
y.backward(g)
gradient_error = (x.grad - F.conv_transpose2d(g, w, stride=2)).abs().max().item()

# %% With a stride, zeros are inserted into the image: the window moves by a fraction of a cell
stretched = mg.zeros(1, 3, 5, 5, dtype=mg.float64)
stretched[:, :, ::2, ::2] = g
turned = w.flip((2, 3)).transpose(0, 1)
fraction_error = (F.conv2d(stretched, turned, padding=2) - x.grad).abs().max().item()

# %% The layouts cell by cell: the image blue, the zeros dotted, the window orange, the result above
LAYOUTS = {
    "plain": {"size": 5, "kernel": 3},
    "padded": {"size": 5, "kernel": 3, "padding": 1},
    "strided": {"size": 5, "kernel": 3, "stride": 2},
    "transposed": {"size": 3, "kernel": 3, "transposed": True},
    "fractionally strided": {"size": 3, "kernel": 3, "stride": 2, "transposed": True},
    "dilated": {"size": 7, "kernel": 3, "dilation": 2},
}
for name, layout in LAYOUTS.items():
    chapter.save(f"{name.replace(' ', '-')}.png", plots.cells(**layout, steps=4, title=name.capitalize()), dpi=80)

# %% Dilation is a larger filter with zeros in it
hole = np.zeros((5, 5), np.float32)
hole[::2, ::2] = 1 + np.arange(9).reshape(3, 3)
dilated = F.conv2d(batch[:, :1], mg.tensor(hole[::2, ::2].copy()[None, None]), dilation=2)
dilation_error = (dilated - F.conv2d(batch[:, :1], mg.tensor(hole[None, None]))).abs().max().item()

# %% The result
table([
    ["the loops equal the op", str(np.array_equal(by_hand, by_op))], ["with colour, two filters, bias and ReLU", str(np.array_equal(maps_by_hand, maps))],
    ["sizes that the formula misses", int(wrong)], ["narrow, equal, wide as numpy's valid, same, full", str(matches)],
    ["true convolution commutes", str(commutes)], ["cross-correlation commutes", str(correlation_commutes)],
    ["the gradient against the transposed convolution", gradient_error], ["against the fractionally strided one", fraction_error],
])  # fmt: skip
