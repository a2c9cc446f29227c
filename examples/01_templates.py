"""Chapter 1. Templates: what the weights of one and of two dense layers look like.

python examples/01_templates.py           # 5,000 digits, and 4,000 generated colour pictures
python examples/01_templates.py --full    # the 60,000 digits of MNIST
"""

# %% The digits, and one dense layer: a neuron for each class
import numpy as np
from chapter import Chapter, table
from scenes import KINDS, scenes

import minigrad as mg
from minigrad import nn, plots
from minigrad.nn.data import DataLoader, TensorDataset
from minigrad.nn.metrics import Accuracy

chapter = Chapter("01_templates", __doc__, full="all 60,000 digits of MNIST", epochs=6, pictures=4000)
train, test = chapter.digits()


def learn(model, train, test, epochs, lr=1e-3, decay=1e-3):
    """Train with AdamW and return the accuracy on the test images."""
    optimizer = nn.optim.AdamW(model.parameters(), lr=lr, weight_decay=decay)
    history = nn.fit(model, train, nn.CrossEntropyLoss(), optimizer, epochs=epochs, validation=test, metrics=[Accuracy()])
    return history[-1]["val_accuracy"]


one_layer = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))
one_accuracy = learn(one_layer, train, test, chapter.epochs, decay=0.3)

# %% Its weights are ten templates
templates = one_layer[1].weight.detach().numpy()  # 10 784
chapter.save("digits.png", plots.weight_images(templates, (1, 28, 28)))

# %% Each template resembles the mean of its class minus the mean of all classes
pixels, digit = train.dataset.images.reshape(-1, 784) / 255, train.dataset.labels
means = np.stack([pixels[digit == k].mean(0) for k in range(10)]) - pixels.mean(0)
likeness = np.corrcoef(templates, means)[:10, 10:]  # template, class
print("the class mean that each template is most like:", *likeness.argmax(1))

# %% Two layers: ten hidden neurons, then the classes
mg.manual_seed(chapter.seed)
two_layers = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10), nn.Sigmoid(), nn.Linear(10, 10))
two_accuracy = learn(two_layers, train, test, 3 * chapter.epochs, lr=5e-3, decay=0.05)
first, second = (two_layers[i].weight.detach().numpy() for i in (1, 3))  # 10 784 and 10 10
chapter.save("two-layers.png", plots.weight_bars(first, second, (1, 28, 28), outputs=(0, 1)))

# %% Colour pictures: horses that face left and horses that face right
shown = scenes(60, seed=5)
rows = {kind: np.concatenate(list(shown[0][shown[1] == k][:6]), axis=2) for k, kind in enumerate(KINDS)}
chapter.save("scenes.png", plots.images(rows, columns=2, size=4.2))


# %% One layer on them: the template of a horse has two heads
def loaders(count, seed):
    images, kinds, left = scenes(count, seed)
    data = TensorDataset(mg.tensor(images / np.float32(255) - np.float32(0.5)), mg.tensor(kinds))
    return DataLoader(data, 50, shuffle=seed == 0), left


(colour_train, _), (colour_test, left) = loaders(chapter.pictures, 0), loaders(1000, 1)
mg.manual_seed(chapter.seed)
colour_one = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, len(KINDS)))
colour_accuracy = learn(colour_one, colour_train, colour_test, chapter.epochs, lr=3e-4, decay=1.0)
colour_templates = colour_one[1].weight.detach().numpy()
chapter.save("colour.png", plots.weight_images(colour_templates, (3, 32, 32), KINDS, columns=6))


# %% The correlation with the mirror image: of the pictures of horses, and of their template
def mirror(image):
    """The correlation of an image (3, 32, 32) with its mirror image, after subtracting the mean brightness of each row."""
    image = image - image.mean(-1, keepdims=True)
    return np.corrcoef(image.ravel(), image[..., ::-1].ravel())[0, 1]


pictures, kinds = (t.numpy() for t in colour_test.dataset.tensors)
horses = kinds == KINDS.index("horse")
horse_mirror = float(np.mean([mirror(x) for x in pictures[horses]]))
template_mirror = float(mirror(colour_templates[KINDS.index("horse")].reshape(3, 32, 32)))


# %% A hidden layer with two templates for each class: the score of a class is the larger of the two
class TwoTemplates(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(3 * 32 * 32, 2 * len(KINDS))

    def templates(self, x):
        return self.hidden(x.flatten(1)).unflatten(1, (len(KINDS), 2))

    def forward(self, x):
        return self.templates(x).amax(2)  # N classes


mg.manual_seed(chapter.seed)
colour_two = TwoTemplates()
colour_two_accuracy = learn(colour_two, colour_train, colour_test, 2 * chapter.epochs, lr=3e-4, decay=1.0)
pair = colour_two.hidden.weight.detach().numpy()[:2]
both = np.vstack([colour_templates[:1], pair])
chapter.save("two-heads.png", plots.weight_images(both, (3, 32, 32), ["one template", "one of two", "the other"], columns=3))

# %% The template with the larger score tells which way a horse faces
with mg.no_grad():
    winner = colour_two.templates(mg.tensor(pictures[horses])).numpy()[:, 0].argmax(1)
faces = left[horses]
divided = max(float(np.mean((winner == 0) == faces)), float(np.mean((winner == 1) == faces)))

# %% The result
table([
    ["digits, one layer", one_accuracy], ["digits, two layers with ten hidden neurons", two_accuracy],
    ["colour pictures, one layer", colour_accuracy], ["colour pictures, two templates for each class", colour_two_accuracy],
    ["how like its mirror image a horse is", horse_mirror], ["the one template of horses", template_mirror],
    ["the two templates of horses", float(np.mean([mirror(t.reshape(3, 32, 32)) for t in pair]))],
    ["horses divided by the way they face", divided],
])  # fmt: skip
