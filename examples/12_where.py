"""Chapter 12. Where is it? One box, many boxes, the class of each pixel, and a mask for each thing.

python examples/12_where.py                                        # scenes made of the sample of digits
python examples/12_where.py --full --scenes 20000 --epochs 20      # of the 60,000 digits of MNIST
"""

# %% Scenes: handwritten digits and shapes on grey boards, with the truth about them
from itertools import pairwise

import numpy as np
from chapter import Chapter, table
from scenes import THINGS, board

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, plots
from minigrad.nn import detection
from minigrad.nn.data import MNIST, DataLoader, TensorDataset
from minigrad.nn.metrics import ConfusionMatrix, MeanAveragePrecision

chapter = Chapter("12_where", __doc__, full="digits of all of MNIST", epochs=6, scenes=1500, tests=200, width=16)
SIZE, STRIDE, KINDS = 64, 8, len(THINGS)
CELLS = SIZE // STRIDE


def scenes(train, count, most, seed):
    """Images (N, 1, 64, 64), and for each its boxes, labels and masks."""
    root = chapter.data if chapter.full else None
    digits = MNIST(root, train, download=chapter.full)
    images, truths = board(digits.data.numpy() / np.float32(255), digits.targets.numpy(), count, most, seed)
    return mg.tensor(images), truths


single, single_test = scenes(True, chapter.scenes, 1, 1), scenes(False, chapter.tests, 1, 2)
many, many_test = scenes(True, chapter.scenes, 4, 3), scenes(False, chapter.tests, 4, 4)


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
chapter.save("localisation.png", plots.detections(list(single_test[0][:4]), located[:4], THINGS), dpi=70)

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
chapter.save("grid.png", plots.detections(list(many_test[0][:4]), shown[:4], THINGS), dpi=70)
chapter.save("confidence.png", plots.images({f"board {i}": p for i, p in enumerate(many_test[0][:4])} | {f"confidence {i}": grid[i, 0].sigmoid() for i in range(4)}, 4, colours="viridis"), dpi=60)  # fmt: skip


# %% c. U-Net: down and up again, with the fine maps of the way down handed over to the way up
class UNet(nn.Module):
    def __init__(self, width=chapter.width // 2):
        super().__init__()
        self.down = nn.ModuleList([step(1, width), step(width, 2 * width), step(2 * width, 4 * width)])
        self.bottom = step(4 * width, 4 * width)
        self.up = nn.ModuleList([step(8 * width, 2 * width), step(4 * width, width), step(2 * width, width)])
        self.last = nn.Conv2d(width, 1 + KINDS, 1)

    def forward(self, x):
        kept = []
        for layer in self.down:
            kept.append(layer(x))
            x = F.max_pool2d(kept[-1], 2)
        x = self.bottom(x)
        for layer in self.up:
            x = layer(mg.cat([F.interpolate(x, scale_factor=2), kept.pop()], 1))
        return self.last(x)


def pixel_targets(truths):
    """(N, 64, 64): 0 where nothing is, or 1 + the class."""
    return np.stack([(t["masks"] * (1 + t["labels"])[:, None, None]).max(0) for t in truths])


unet = UNet()
fit("U-Net", unet, many[0], pixel_targets(many[1]), nn.CrossEntropyLoss(mg.tensor([0.2] + [1.0] * KINDS)))  # most pixels are ground
pixels = run(unet, many_test[0]).argmax(1).numpy()
confusion = ConfusionMatrix(1 + KINDS)
confusion.update(pixels, pixel_targets(many_test[1]))
veils = [{"masks": [p == 1 + k for k in range(KINDS)]} for p in pixels[:4]]
chapter.save("segmentation.png", plots.detections(list(many_test[0][:4]), veils), dpi=70)

# %% d. A mask for each thing: the detector's features inside each box, by RoI align, then a head for the box and one for the mask
GRID, FINE = 14, 28
features = detector[0][:2]  # (N, 2 width, 16, 16); they stay as they are


def inside(images, boxes):
    """Features in each box (K, 2 width, 14, 14)."""
    return detection.roi_align(run(features, images), boxes, GRID, CELLS * 2 / SIZE, 2, aligned=True)


class Heads(nn.Module):
    def __init__(self, width=2 * chapter.width):
        super().__init__()
        self.shared = nn.Sequential(step(width, width), step(width, width))
        self.box = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(width * 49, 64), nn.ReLU(), nn.Linear(64, 4))
        self.mask = nn.Sequential(nn.ConvTranspose2d(width, width, 2, stride=2), nn.ReLU(), nn.Conv2d(width, 1, 1), nn.Flatten())

    def forward(self, x):
        x = self.shared(x)
        return mg.cat([self.box(x), self.mask(x)], 1)  # (K, 4 + 28 * 28)


def box_and_mask(outputs, targets):
    return F.smooth_l1_loss(outputs[:, :4] * 10, targets[:, :4] * 10) + F.binary_cross_entropy_with_logits(outputs[:, 4:], targets[:, 4:])


rng = np.random.default_rng(chapter.seed)
proposals, goals = [], []
for truth in many[1][: chapter.scenes // 2]:
    size = np.tile(truth["boxes"][:, 2:] - truth["boxes"][:, :2], 2)
    boxes = truth["boxes"] + size * rng.normal(0, 0.08, size.shape).astype(np.float32)  # not quite right, as the detector's
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    masks = mg.tensor(truth["masks"].astype(np.float32))[:, None]
    cut = detection.roi_align(masks, list(mg.tensor(boxes)[:, None]), FINE, aligned=True)
    goals.append(np.concatenate([(truth["boxes"] - boxes) / sides, (cut.numpy() > 0.5).reshape(len(boxes), -1)], 1))
    proposals.append(mg.tensor(boxes))
heads = Heads()
fit("heads", heads, inside(many[0][: len(proposals)], proposals), np.concatenate(goals).astype(np.float32), box_and_mask)


def paste(mask, box):
    """A mask (28, 28) of a box as one of the image."""
    left, top, right, bottom = box
    places = [(np.arange(SIZE) + 0.5 - a) / (b - a) * FINE for a, b in ((top, bottom), (left, right))]
    inner = [np.flatnonzero((p >= 0) & (p < FINE)) for p in places]
    result = np.zeros((SIZE, SIZE), bool)
    result[np.ix_(*inner)] = mask[np.ix_(places[0][inner[0]].astype(int), places[1][inner[1]].astype(int))] > 0
    return result


instances, mask_iou = [], []
outputs = run(heads, inside(many_test[0], [one["boxes"] for one in shown])).numpy()
for one, truth in zip(shown, many_test[1], strict=True):
    own, outputs = outputs[: len(one["boxes"])], outputs[len(one["boxes"]) :]
    first = one["boxes"].numpy()
    better = first + own[:, :4] * np.tile(first[:, 2:] - first[:, :2], 2)
    masks = np.array([paste(o[4:].reshape(FINE, FINE), box) for o, box in zip(own, first, strict=True)]).reshape(-1, SIZE, SIZE)
    instances.append(one | {"boxes": mg.tensor(better), "masks": masks})
    for mask in truth["masks"]:
        mask_iou.append(max(((m & mask).sum() / (m | mask).sum() for m in masks), default=0.0))
refined = {
    limit: (MeanAveragePrecision(limit)(shown, many_test[1]), MeanAveragePrecision(limit)(instances, many_test[1])) for limit in (0.5, 0.75)
}
chapter.save("instances.png", plots.detections(list(many_test[0][:4]), instances[:4], THINGS), dpi=70)

# %% The results
table([
    ["what", "measured by", "result"],
    ["localisation", "class right", float(right.mean())], ["", "mean IoU of the box", float(iou.mean())],
    ["grid detector", "mAP at IoU 0.5", mean_ap[0.5]], ["", "mAP at IoU 0.75", mean_ap[0.75]],
    ["U-Net", "mIoU", float(np.nanmean(confusion.iou()))],
    ["heads", "mAP at 0.75, before", refined[0.75][0]], ["", "mAP at 0.75, after the box head", refined[0.75][1]], ["", "mean IoU of the best mask", float(np.mean(mask_iou))],
])  # fmt: skip
