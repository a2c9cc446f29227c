"""Chapter 11. CIFAR-10: a plain and a convolutional network, and a page with the images behind each number of their confusion matrices.

python examples/11_cifar10.py                              # 5,000 generated colour pictures
python examples/11_cifar10.py --set digits                 # 6,000 digits of MNIST, which come with minigrad
python examples/11_cifar10.py --set fashion-mnist          # 70,000 articles of clothing (apt install dataset-fashion-mnist)
python examples/11_cifar10.py --set cifar-10 --epochs 20   # 60,000 photographs
"""

# %% The images: unsigned bytes (N, C, H, W), their classes, and the names of the classes in two languages
from pathlib import Path

import numpy as np
from chapter import Chapter, table
from scenes import KINDS, scenes

import minigrad as mg
from minigrad import nn, plots
from minigrad.nn.data import CIFAR10, MNIST, DataLoader, FashionMNIST, TensorDataset
from minigrad.nn.metrics import Accuracy

SETS = ("generated", "digits", "fashion-mnist", "cifar-10")
chapter = Chapter("11_cifar10", __doc__, data="a real data set", set=SETS, epochs=5, pictures=5000, least={"pictures": 50})
CLOTHES = Path("/usr/share/datasets/fashion-mnist")  # where Debian's package has them


def generated(count, seed, room=10):
    """Pictures of six kinds of objects, each shifted by up to ``room`` pixels: 3x32x32."""
    images, kinds, _ = scenes(count, seed)
    wide = np.pad(images, ((0, 0), (0, 0), (room, room), (room, room)), mode="edge")
    places = np.random.default_rng(seed).integers(0, 2 * room + 1, (count, 2))
    return np.stack([image[:, t : t + 32, l : l + 32] for image, (t, l) in zip(wide, places, strict=True)]), kinds


def photographs(train):
    data = CIFAR10(chapter.data, train, download=True)
    return data.data.transpose(0, 3, 1, 2), np.array(data.targets)


def clothes(train):
    data = FashionMNIST(CLOTHES if CLOTHES.is_dir() else chapter.data, train, download=True)
    return data.images[:, None], data.labels


def digits(train):
    data = MNIST(train=train)
    return data.images[:, None], data.labels


if chapter.set == "generated":
    tests = chapter.pictures // 5
    sets = generated(chapter.pictures - tests, 0), generated(tests, 1)
    names = {"en": list(KINDS), "ja": ["馬", "車", "船", "家", "木", "魚"]}
elif chapter.set == "digits":
    sets = digits(True), digits(False)
    names = {language: [str(digit) for digit in range(10)] for language in ("en", "ja")}
elif chapter.set == "cifar-10":
    sets = photographs(True), photographs(False)
    names = {"en": ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
             "ja": ["飛行機", "自動車", "鳥", "猫", "鹿", "犬", "カエル", "馬", "船", "トラック"]}  # fmt: skip
else:
    sets = clothes(True), clothes(False)
    names = {"en": FashionMNIST.classes,
             "ja": ["Tシャツ", "ズボン", "セーター", "ドレス", "コート", "サンダル", "シャツ", "スニーカー", "かばん", "ブーツ"]}  # fmt: skip
train, test = (DataLoader(TensorDataset(*map(mg.tensor, data)), 32, shuffle=data is sets[0]) for data in sets)
images, labels = sets[1]
shown = {name: np.concatenate(list(images[labels == k][:6]), axis=2) for k, name in enumerate(names["en"]) if k in labels}
chapter.save("images.png", plots.images(shown, columns=2, size=4.2), dpi=80)


# %% The two networks
class Scaled(nn.Module):
    """Bytes to numbers from -0.5 to 0.5."""

    def forward(self, x):
        return x.float() / 255 - 0.5


channels, side = images.shape[1], images.shape[2]


def dense():
    return nn.Sequential(Scaled(), nn.Flatten(), nn.Linear(channels * side * side, 100), nn.ReLU(), nn.Linear(100, len(names["en"])))


def convolutional():
    return nn.Sequential(
        Scaled(),
        nn.Conv2d(channels, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 20, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(20, 20, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(20 * (side // 8) ** 2, len(names["en"])),
    )  # fmt: skip


# %% Training, and what each network says of the test images
models, outputs, result = {}, {}, {}
for name, network in {"dense": dense, "convolutional": convolutional}.items():
    print(name)
    mg.manual_seed(chapter.seed)
    model = models[name] = network()
    optimizer = nn.optim.Adam(model.parameters(), lr=4e-3)
    scheduler = nn.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=chapter.epochs * len(train))
    history = nn.fit(model, train, nn.CrossEntropyLoss(), optimizer, epochs=chapter.epochs, metrics=[Accuracy()], scheduler=scheduler,
                     scheduler_per="step")  # fmt: skip
    model.eval()
    with mg.no_grad():
        outputs[name] = np.concatenate([model(x).numpy() for x, _ in test])
    result[name] = history[-1]["accuracy"], float((outputs[name].argmax(1) == labels).mean())

table([["network", "parameters", "right in training", "right in the test"]] + [
    [name, sum(p.numel() for p in models[name].parameters()), *result[name]] for name in models
])  # fmt: skip


# %% Confusion matrices: rows are the true classes, columns the predicted ones
def confusion(predicted):
    classes = len(names["en"])
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


matrices = {name: confusion(scores.argmax(1)) for name, scores in outputs.items()}
for name, matrix in matrices.items():
    chapter.save(f"{name}.png", plots.confusion_matrix(matrix, names["en"]), dpi=80)

# %% From them: how many of a class are found, and how many of those found are of the class
found = {name: matrix.diagonal() / np.maximum(matrix.sum(1), 1) for name, matrix in matrices.items()}
trusted = {name: matrix.diagonal() / np.maximum(matrix.sum(0), 1) for name, matrix in matrices.items()}
table([["class", *[f"{what}, {name}" for name in models for what in ("recall", "precision")]]] + [
    [kind, *[float(part[name][k]) for name in models for part in (found, trusted)]] for k, kind in enumerate(names["en"])
])  # fmt: skip

# %% The page: click a cell, and see the images in it
page = plots.confusion_page(images, labels, outputs, names, title=chapter.set)
print(f"saved {page.save(chapter.out / 'confusion.html')}")

# %% The images that the convolutional network is furthest from: the score of the true class, less the best of the others
scores = outputs["convolutional"]
true = np.eye(len(names["en"]), dtype=bool)[labels]
margins = scores[true] - np.where(true, -np.inf, scores).max(1)  # below zero: a mistake
furthest = np.argsort(margins)[:8]
told = {f"{k}: {names['en'][labels[i]]} → {names['en'][scores[i].argmax()]}": images[i] for k, i in enumerate(furthest, 1)}
chapter.save("mistakes.png", plots.images(told, columns=4, size=1.9), dpi=80)
