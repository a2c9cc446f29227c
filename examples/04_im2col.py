"""Chapter 4. im2col from scratch: convolution as one product of matrices, forward and backward by hand, and a network of it.

python examples/04_im2col.py                        # the sample of 5,000 digits
python examples/04_im2col.py --full --epochs 12     # the 60,000 digits of MNIST
"""

# %% Each window becomes a row
import numpy as np
from chapter import Chapter, table
from numpy.lib.stride_tricks import sliding_window_view
from tqdm import tqdm

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, plots

chapter = Chapter("04_im2col", __doc__, full="all 60,000 digits of MNIST", epochs=6)


def im2col(x, height, width, stride=1, pad=0):
    """(N, C, H, W) -> (N * OH * OW, C * height * width): the values in the window at each position, as a row."""
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = sliding_window_view(x, (height, width), (2, 3))[:, :, ::stride, ::stride]  # N C OH OW height width
    n, c, oh, ow, _, _ = windows.shape
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * oh * ow, c * height * width)


def col2im(col, shape, height, width, stride=1, pad=0):
    """The transpose of im2col: values of several windows for one pixel are added up."""
    n, c, h, w = shape
    oh, ow = (h + 2 * pad - height) // stride + 1, (w + 2 * pad - width) // stride + 1
    col = col.reshape(n, oh, ow, c, height, width).transpose(0, 3, 4, 5, 1, 2)
    x = np.zeros((n, c, h + 2 * pad, w + 2 * pad), col.dtype)
    for i in range(height):
        for j in range(width):
            x[:, :, i : i + stride * oh : stride, j : j + stride * ow : stride] += col[:, :, i, j]
    return x[:, :, pad : pad + h, pad : pad + w]


rng = np.random.default_rng(chapter.seed)
shapes = [im2col(rng.random((n, 3, 7, 7)), 5, 5).shape for n in (1, 10)]
print("one image (1, 3, 7, 7) and ten of them, windows of 5x5:", *shapes)
image = np.arange(1, 17.0).reshape(4, 4)
chapter.save("im2col.png", plots.numbers({"image": image, "im2col, windows of 2×2": im2col(image[None, None], 2, 2)}, ["→"],
    marked={"image": [(0, 1), (0, 2), (1, 1), (1, 2)], "im2col, windows of 2×2": [(1, j) for j in range(4)]}))  # fmt: skip


# %% A convolution is im2col and one product; its gradients are two products and col2im
class Convolution:
    def __init__(self, weight, bias, stride=1, pad=0):
        self.values, self.stride, self.pad = [weight, bias], stride, pad

    def forward(self, x):
        weight, bias = self.values
        out, _, kh, kw = weight.shape
        self.shape, self.col = x.shape, im2col(x, kh, kw, self.stride, self.pad)
        n, h, w = x.shape[0], *((s + 2 * self.pad - k) // self.stride + 1 for s, k in zip(x.shape[2:], (kh, kw), strict=True))
        return (self.col @ weight.reshape(out, -1).T + bias).reshape(n, h, w, out).transpose(0, 3, 1, 2)

    def backward(self, g):
        weight = self.values[0]
        rows = g.transpose(0, 2, 3, 1).reshape(-1, len(weight))  # N*OH*OW out
        self.gradients = [(rows.T @ self.col).reshape(weight.shape), rows.sum(0)]
        return col2im(rows @ weight.reshape(len(weight), -1), self.shape, *weight.shape[2:], self.stride, self.pad)


# %% Max pooling is im2col of each channel and a maximum; its gradient goes to the position of the maximum
class Pooling:
    values = gradients = ()

    def __init__(self, size, stride):
        self.size, self.stride = size, stride

    def forward(self, x):
        n, c, h, w = x.shape
        oh, ow = (h - self.size) // self.stride + 1, (w - self.size) // self.stride + 1
        col = im2col(x.reshape(n * c, 1, h, w), self.size, self.size, self.stride)
        self.shape, self.col_shape, self.where = x.shape, col.shape, col.argmax(1)
        return col[np.arange(len(col)), self.where].reshape(n, c, oh, ow)

    def backward(self, g):
        n, c, h, w = self.shape
        col = np.zeros(self.col_shape, g.dtype)
        col[np.arange(len(col)), self.where] = g.ravel()
        return col2im(col, (n * c, 1, h, w), self.size, self.size, self.stride).reshape(self.shape)


# %% The other layers
class ReLU:
    values = gradients = ()

    def forward(self, x):
        self.positive = x > 0
        return x * self.positive

    def backward(self, g):
        return g * self.positive


class Affine:
    def __init__(self, weight, bias):
        self.values = [weight, bias]

    def forward(self, x):
        self.shape, self.flat = x.shape, x.reshape(len(x), -1)
        return self.flat @ self.values[0].T + self.values[1]

    def backward(self, g):
        self.gradients = [g.T @ self.flat, g.sum(0)]
        return (g @ self.values[0]).reshape(self.shape)


def softmax_cross_entropy(scores, labels):
    """The mean loss, and its gradient: the probabilities, minus one at the right class."""
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    own = np.arange(len(labels)), labels
    loss = -np.log(p[own]).mean()
    p[own] -= 1
    return loss, p / len(labels)


# %% SimpleConvNet: convolution – ReLU – pooling – affine – ReLU – affine – softmax
class SimpleConvNet:
    def __init__(self, rng, filters=30, size=5, hidden=100, classes=10, side=28):
        def drawn(*shape):
            return rng.normal(0, 0.01, shape).astype(np.float32), np.zeros(shape[0], np.float32)

        self.layers = [Convolution(*drawn(filters, 1, size, size)), ReLU(), Pooling(2, 2),
                       Affine(*drawn(hidden, filters * ((side - size + 1) // 2) ** 2)), ReLU(), Affine(*drawn(classes, hidden))]  # fmt: skip

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, g):
        for layer in reversed(self.layers):
            g = layer.backward(g)

    def values(self):
        return [value for layer in self.layers for value in layer.values]

    def gradients(self):
        return [gradient for layer in self.layers for gradient in layer.gradients]


net = SimpleConvNet(rng)
first_before = net.layers[0].values[0].copy()

# %% The same network in minigrad, with the same weights: autodiff gives the same gradients as those by hand
train, test = chapter.digits(batch=50)
twin = nn.Sequential(
    nn.Conv2d(1, 30, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(30 * 12 * 12, 100), nn.ReLU(), nn.Linear(100, 10)
)  # fmt: skip
for parameter, value in zip(twin.parameters(), net.values(), strict=True):
    parameter.data = mg.tensor(value)
images, labels = next(iter(train))
F.cross_entropy(twin(images), labels).backward()
loss, g = softmax_cross_entropy(net.forward(images.numpy()), labels.numpy())
net.backward(g)
errors = [np.abs(p.grad.numpy() - g).max() / np.abs(g).max() for p, g in zip(twin.parameters(), net.gradients(), strict=True)]
gradient_error = float(max(errors))
parameters = sum(v.size for v in net.values())

# %% Training by hand: Adam, with a learning rate that falls along a cosine
moments = [[np.zeros_like(v), np.zeros_like(v)] for v in net.values()]
steps, step = chapter.epochs * len(train), 0
for epoch in range(1, chapter.epochs + 1):
    total = 0.0
    for images, labels in tqdm(train, desc=f"epoch {epoch}", unit="batch", leave=False, disable=None):
        step += 1
        loss, g = softmax_cross_entropy(net.forward(images.numpy()), labels.numpy())
        net.backward(g)
        total += loss * len(labels)
        rate = 2e-3 * (1 + np.cos(np.pi * step / steps)) / 2
        for value, gradient, (mean, square) in zip(net.values(), net.gradients(), moments, strict=True):
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient**2 - square)
            value -= rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    accuracy = sum(int((net.forward(x.numpy()).argmax(1) == y.numpy()).sum()) for x, y in test) / len(test.dataset)
    print(f"epoch {epoch}  loss {total / len(train.dataset):.4f}  test accuracy {accuracy:.2%}")

# %% The filters of the first layer, before and after training
chapter.save("before.png", plots.filters(first_before, columns=10), dpi=70)
chapter.save("after.png", plots.filters(net.layers[0].values[0], columns=10), dpi=70)


def smoothness(filters):
    """The mean correlation of weights with their neighbours to the right: 0 for noise."""
    return float(np.mean([np.corrcoef(f[:, :-1].ravel(), f[:, 1:].ravel())[0, 1] for f in filters[:, 0]]))


smooth_before, smooth_after = smoothness(first_before), smoothness(net.layers[0].values[0])

# %% The result
table([
    ["parameters", parameters], ["gradients by hand against the graph's, relative", gradient_error], ["test accuracy", accuracy],
    ["neighbouring weights of a filter are alike to, before", smooth_before], ["after", smooth_after],
])  # fmt: skip
