"""Chapter 5. Pooling and volumes: what pooling keeps, which shifts it hides, and how the shape of the data changes from layer to layer.

python examples/05_pooling_and_volumes.py           # the sample of 5,000 digits
python examples/05_pooling_and_volumes.py --full    # the 60,000 digits of MNIST
"""

# %% From 4x4 to 2x2: the largest, or the mean, of each square
import numpy as np
from chapter import Chapter, table

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, plots
from minigrad.nn.metrics import Accuracy

chapter = Chapter("05_pooling_and_volumes", __doc__, full="all 60,000 digits of MNIST", epochs=4)

image = np.array([[1, 3, 2, 0], [5, 4, 1, 1], [0, 2, 6, 8], [1, 1, 7, 3]], np.float32)
x = mg.tensor(image[None, None], requires_grad=True)
largest, mean = F.max_pool2d(x, 2), F.avg_pool2d(x, 2)
chapter.save("pooling.png", plots.numbers(
    {"map": image, "max pooling": largest.detach()[0, 0], "average pooling": mean.detach()[0, 0]}, ["→", ""],
    marked={"map": [(0, 0), (0, 1), (1, 0), (1, 1)], "max pooling": [(0, 0)], "average pooling": [(0, 0)]}))  # fmt: skip

# %% Backward: the gradient goes to the maximum, or to all in equal parts
(to_largest,) = mg.grad(largest.sum(), x)
(to_all,) = mg.grad(mean.sum(), x)
chapter.save("gradients.png", plots.numbers({"of max pooling": to_largest[0, 0], "of average pooling": to_all[0, 0]}))

# %% Two networks: pooling, or a convolution with stride 2 in its place
train, test = chapter.digits()


def conv(into, out, kernel, **options):
    return [nn.Conv2d(into, out, kernel, **options), nn.ReLU()]


pooled = nn.Sequential(
    *conv(1, 8, 5), nn.MaxPool2d(2), *conv(8, 16, 5), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * 4 * 4, 10)
)  # fmt: skip
all_convolutional = nn.Sequential(
    *conv(1, 8, 5), *conv(8, 8, 2, stride=2), *conv(8, 16, 5), *conv(16, 16, 2, stride=2), nn.Conv2d(16, 10, 4), nn.Flatten()
)  # fmt: skip
networks = {"max pooling": pooled, "all convolutional": all_convolutional}


def learn(model):
    mg.manual_seed(chapter.seed)
    optimizer = nn.optim.Adam(model.parameters(), lr=4e-3)
    history = nn.fit(model, train, nn.CrossEntropyLoss(), optimizer, epochs=chapter.epochs, validation=test, metrics=[Accuracy()])
    return history[-1]["val_accuracy"]


accuracy = {name: learn(model) for name, model in networks.items()}

# %% A digit, the 8 feature maps of 24x24 that 8 filters compute from it, and the maps after pooling
digit = next(iter(test))[0][1:2]
maps = plots.activations(pooled, digit)
kept = {"8 filters of 5×5, ReLU": maps["1"], "max pooling 2×2": maps["2"]}
chapter.save("maps.png", plots.feature_maps(digit[0], kept))
neurons = maps["1"].size

# %% The same as volumes, their shapes computed by the network
summary = nn.summary(pooled, (1, 1, 28, 28))
shapes = [(1, 28, 28)] + [row.output_shape[1:] for row in summary.rows if row.class_name in ("Conv2d", "MaxPool2d", "Linear")]
words = ["8 filters of 5×5", "max pool 2×2", "16 filters of 5×5×8", "max pool 2×2", "dense"]
chapter.save("volumes.png", plots.volumes(shapes, words, faces=[digit[0, 0], maps["1"][0, 3], maps["2"][0, 3], None, None, None]))

# %% A colour image through 20 filters, then 30
colour = nn.Sequential(nn.Conv2d(3, 20, 7), nn.ReLU(), nn.Conv2d(20, 30, 5))
colour_shapes = [(3, 32, 32)] + [row.output_shape[1:] for row in nn.summary(colour, (1, 3, 32, 32)).rows if row.class_name == "Conv2d"]
chapter.save("colour-volumes.png", plots.volumes(colour_shapes, ["20 filters of 7×7×3", "30 filters of 5×5×20"]))

# %% How much do the maps of the first layer change when the digit moves, with and without pooling over them?
images = mg.cat([x for x, _ in test])
labels = np.concatenate([y.numpy() for _, y in test])
blank = images.min().item()
shifts = range(5)


def shifted(x, pixels):
    """The images moved to the right, with blank columns on the left."""
    return F.pad(x, (pixels, 0), value=blank)[..., : x.shape[-1]]


def change(pool):
    """For each shift: the mean of |f(shifted) - f(x)| / |f(x)| over the test images, f being the first layer and the pooling."""
    with mg.no_grad():
        still, *moved = (pool(pooled[:2](shifted(images, s))).flatten(1) for s in shifts)
        norm = (still**2).sum(1).sqrt()
        return [0.0] + [(((m - still) ** 2).sum(1).sqrt() / norm).mean().item() for m in moved]


changes = {
    "no pooling": change(lambda x: x),
    "max 2×2": change(lambda x: F.max_pool2d(x, 2)),
    "max 4×4": change(lambda x: F.max_pool2d(x, 4)),
    "average 4×4": change(lambda x: F.avg_pool2d(x, 4)),
}
chapter.save("shifts.png", plots.lines(list(shifts), changes, "pixels that the digit moves", "change of the maps, relative"), dpi=80)

# %% The accuracy on the moved digits, of these two networks and of a network of dense layers
dense = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
networks["dense layers"] = dense
accuracy["dense layers"] = learn(dense)
with mg.no_grad():
    right = {name: [float((m(shifted(images, s)).argmax(1).numpy() == labels).mean()) for s in shifts] for name, m in networks.items()}
chapter.save("moved.png", plots.lines(list(shifts), right, "pixels that the digit moves", "told right"), dpi=80)

# %% The result
table([["network", "parameters", "right", *[f"moved by {s}" for s in shifts[1:]]]] + [
    [name, sum(p.numel() for p in model.parameters()), accuracy[name], *right[name][1:]] for name, model in networks.items()
])  # fmt: skip
table([["change of the maps", *[f"moved by {s}" for s in shifts[1:]]]] + [[name, *values[1:]] for name, values in changes.items()])
