"""Chapter 12, parts 1 and 2. Where is it? The box of one thing, and the boxes of many.

python examples/12_where.py                                        # scenes made of the sample of digits
python examples/12_where.py --full --scenes 20000 --epochs 20      # of the 60,000 digits of MNIST
"""

# %% Scenes: handwritten digits and shapes on grey boards, with the truth about them
from itertools import pairwise

import numpy as np
from chapter import Chapter, table
from scenes import THINGS

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, plots
from minigrad.nn import detection
from minigrad.nn.data import DataLoader, TensorDataset
from minigrad.nn.metrics import MeanAveragePrecision

chapter = Chapter("12_where", __doc__, full="digits of all of MNIST", epochs=6, scenes=1500, tests=200, width=16)
SIZE, STRIDE, KINDS = 64, 8, len(THINGS)
CELLS = SIZE // STRIDE
single, single_test = chapter.boards(most=1)
many, many_test = chapter.boards(most=4)


# %% What the networks have in common: layers that halve the map, and their training
def step(into, out):
    return nn.Sequential(nn.Conv2d(into, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU())


def body(width=chapter.width):
    """(N, 1, 64, 64) to (N, 4 width, 8, 8)."""
    widths = [1, width, 2 * width, 4 * width]
    return nn.Sequential(*[nn.Sequential(step(a, b), nn.MaxPool2d(2)) for a, b in pairwise(widths)], step(4 * width, 4 * width))


histories = {}


def fit(name, model, inputs, targets, loss):
    print(name)
    loader = DataLoader(TensorDataset(inputs, mg.tensor(targets)), 16, shuffle=True)
    optimizer = nn.optim.Adam(model.parameters(), lr=5e-3)
    schedule = nn.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=chapter.epochs * len(loader))
    histories[name] = nn.fit(model, loader, loss, optimizer, epochs=chapter.epochs, scheduler=schedule, scheduler_per="step")
    model.eval()


def run(model, inputs):
    with mg.no_grad():
        return mg.cat([model(inputs[i : i + 100]) for i in range(0, max(len(inputs), 1), 100)])


# %% a. Localisation: the class and the box of one thing, from one network with one loss
locator = nn.Sequential(body(), nn.Flatten(), nn.Linear(4 * chapter.width * CELLS**2, 64), nn.ReLU(), nn.Linear(64, KINDS + 4))


def corners(outputs):
    """Numbers (..., 4) to boxes in pixels: the sigmoids are the centre, width and height as parts of the image."""
    return detection.box_convert(outputs.sigmoid() * SIZE, "cxcywh", "xyxy")


def class_and_box(outputs, targets):
    boxes = detection.generalized_box_iou_loss(corners(outputs[:, KINDS:]), targets[:, 1:], "mean")
    return F.cross_entropy(outputs[:, :KINDS], targets[:, 0].long()) + boxes


def label_and_box(truths):
    return np.array([[t["labels"][0], *t["boxes"][0]] for t in truths], np.float32)


fit("localisation", locator, single[0], label_and_box(single[1]), class_and_box)
outputs, wanted = run(locator, single_test[0]), mg.tensor(label_and_box(single_test[1]))
one_box, one_label = corners(outputs[:, KINDS:]), outputs[:, :KINDS].argmax(1)
right = (one_label == wanted[:, 0].long()).numpy()
iou = detection.box_iou(one_box, wanted[:, 1:]).numpy().diagonal()
located = [{"boxes": box[None], "labels": label[None]} for box, label in zip(one_box, one_label, strict=True)]
chapter.save("localisation.jpg", plots.detections(list(single_test[0][:8]), located[:8], THINGS))

# %% b. One look: each cell of a grid says whether a thing's centre is in it, and which, and where
detector = nn.Sequential(body(), nn.Conv2d(4 * chapter.width, 1 + 4 + KINDS, 1))
y, x = np.mgrid[:CELLS, :CELLS].astype(np.float32)
CORNER = mg.tensor(np.stack([x, y]))


def cell_targets(truths):
    """(N, 6, 8, 8): is there a centre, the box, the class."""
    result = np.zeros((len(truths), 6, CELLS, CELLS), np.float32)
    for target, truth in zip(result, truths, strict=True):
        for box, label in zip(truth["boxes"], truth["labels"], strict=True):
            column, row = ((box[:2] + box[2:]) / 2 // STRIDE).astype(int)
            target[:, row, column] = 1, *box, label
    return result


def cell_boxes(outputs):
    """(N, 8, 8, 4): centres inside their cells, sizes as parts of the image."""
    centre = (outputs[:, 1:3].sigmoid() + CORNER) * STRIDE
    return detection.box_convert(mg.cat([centre, outputs[:, 3:5].sigmoid() * SIZE], 1).permute(0, 2, 3, 1), "cxcywh", "xyxy")


def one_look(outputs, targets):
    there = targets[:, 0] > 0
    confidence = F.binary_cross_entropy_with_logits(outputs[:, 0], targets[:, 0], reduction="sum")
    boxes = detection.generalized_box_iou_loss(cell_boxes(outputs)[there], targets[:, 1:5].permute(0, 2, 3, 1)[there], "sum")
    classes = F.cross_entropy(outputs[:, 5:].permute(0, 2, 3, 1)[there], targets[:, 5][there].long(), reduction="sum")
    return (confidence + boxes + classes) / there.sum().item()


def found(outputs, least=0.05, limit=0.4):
    """For each image the boxes that are left after non-maximum suppression in each class."""
    result = []
    for confidence, boxes, scores in zip(outputs[:, 0].sigmoid(), cell_boxes(outputs), outputs[:, 5:].softmax(1), strict=True):
        best, labels = scores.max(0)
        best, labels, boxes = (confidence * best).flatten(), labels.flatten(), boxes.reshape(-1, 4)
        sure = np.flatnonzero(best.numpy() > least)
        best, labels, boxes = best[sure], labels[sure], boxes[sure]
        kept = detection.batched_nms(boxes, best, labels, limit)
        result.append({"boxes": detection.clip_boxes_to_image(boxes[kept], (SIZE, SIZE)), "scores": best[kept], "labels": labels[kept]})
    return result


fit("grid detector", detector, many[0], cell_targets(many[1]), one_look)
grid = run(detector, many_test[0])
detected = found(grid)
mean_ap = {limit: MeanAveragePrecision(limit)(detected, many_test[1]) for limit in (0.5, 0.75)}
shown = [{key: value[one["scores"] > 0.3] for key, value in one.items()} for one in detected]
fullest = np.argsort([-len(truth["labels"]) for truth in many_test[1]], kind="stable")[:8]
chapter.save("grid.jpg", plots.detections([many_test[0][i] for i in fullest], [shown[i] for i in fullest], THINGS))
bright = {f"confidence {i}": grid[i, 0].sigmoid() for i in fullest[:4]}
chapter.save("confidence.jpg", plots.images({f"board {i}": many_test[0][i] for i in fullest[:4]} | bright, 4, colours="inferno", size=2.2))


# %% The results
table([
    ["what", "measured by", "result"],
    ["localisation", "class right", float(right.mean())], ["", "mean IoU of the box", float(iou.mean())],
    ["grid detector", "mAP at IoU 0.5", mean_ap[0.5]], ["", "mAP at IoU 0.75", mean_ap[0.75]],
])  # fmt: skip
