"""Chapter 12, part 4. Instances: a mask for each thing, from the features inside its box.

python examples/12_instances.py                                      # scenes made of the sample of digits
python examples/12_instances.py --full --scenes 20000 --epochs 20    # of the digits of MNIST
"""

# %% Boards with one to four things; the true masks, cut out and scaled to 28x28, for boxes that are not quite right
import numpy as np
from chapter import Chapter, table
from scenes import THINGS
from tqdm import tqdm

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn, plots
from minigrad.nn import detection
from minigrad.nn.metrics import MeanAveragePrecision

chapter = Chapter("12_instances", __doc__, full="digits of all of MNIST", epochs=8, scenes=1000, tests=150, width=12, least={"scenes": 16})
SIZE, STRIDE, KINDS, GRID, FINE = 64, 8, len(THINGS), 14, 28
CELLS = SIZE // STRIDE
(images, truths), (test_images, test_truths) = chapter.boards(most=4)
rng = np.random.default_rng(chapter.seed)
for truth in truths:
    sides = np.tile(truth["boxes"][:, 2:] - truth["boxes"][:, :2], 2)
    truth["near"] = mg.tensor(truth["boxes"] + sides * rng.normal(0, 0.08, sides.shape).astype(np.float32))
    whole = mg.tensor(truth["masks"].astype(np.float32)).unsqueeze(1)
    truth["cut"] = (detection.roi_align(whole, list(truth["near"].unsqueeze(1)), FINE, aligned=True) > 0.5).float()


# %% Three parts: features, a grid that proposes boxes, and heads that look inside the boxes
def step(into, out):
    return nn.Sequential(nn.Conv2d(into, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU())


class Instances(nn.Module):
    def __init__(self, exact=True, w=chapter.width):
        super().__init__()
        pool = nn.MaxPool2d(2)
        self.exact = exact
        self.features = nn.Sequential(step(1, w), pool, step(w, 2 * w), pool, step(2 * w, 2 * w))  # 16x16
        self.proposals = nn.Sequential(pool, step(2 * w, 4 * w), step(4 * w, 4 * w), nn.Conv2d(4 * w, 5, 1))  # 8x8
        self.dense = nn.Sequential(nn.Flatten(), nn.Linear(2 * w * 49, 64), nn.ReLU(), nn.Linear(64, KINDS + 4))
        self.masks = nn.Sequential(step(2 * w, 2 * w), nn.ConvTranspose2d(2 * w, w, 2, stride=2), nn.ReLU(), nn.Conv2d(w, 1, 1))

    def inside(self, maps, boxes):
        """(K, 2 w, 14, 14) of a list of boxes for each board; not ``exact``: of the boxes rounded to pixels of the maps."""
        if not self.exact:
            boxes = [(one * 0.25).round() * 4 for one in boxes]
        return detection.roi_align(maps, boxes, GRID, spatial_scale=0.25, sampling_ratio=2, aligned=True)

    def class_and_box(self, maps, boxes):
        """Scores (K, 8), and corrections (K, 4) of the boxes as parts of their sides."""
        return self.dense(F.max_pool2d(self.inside(maps, boxes), 2)).split([KINDS, 4], 1)


def proposed(outputs):
    """(N, 8, 8, 4): a box for each cell, its centre inside the cell."""
    y, x = np.mgrid[:CELLS, :CELLS].astype(np.float32)
    centre = (outputs[:, 1:3].sigmoid() + mg.tensor(np.stack([x, y]))) * STRIDE
    return detection.box_convert(mg.cat([centre, outputs[:, 3:5].sigmoid() * SIZE], 1).permute(0, 2, 3, 1), "cxcywh", "xyxy")


def sides_of(boxes):
    return (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)


# %% One loss for all of it: where boxes are, and for boxes near the true ones the class, the correction and the mask
def loss(model, x, some):
    maps = model.features(x)
    outputs = model.proposals(maps)
    target = np.zeros((len(some), 5, CELLS, CELLS), np.float32)
    for cells, truth in zip(target, some, strict=True):
        for box in truth["boxes"]:
            column, row = ((box[:2] + box[2:]) / 2 // STRIDE).astype(int)
            cells[:, row, column] = 1, *box
    there = mg.tensor(target[:, 0] > 0)
    wanted = mg.tensor(target[:, 1:]).permute(0, 2, 3, 1)[there]
    grid = F.binary_cross_entropy_with_logits(outputs[:, 0], mg.tensor(target[:, 0]), reduction="sum") / len(wanted)
    grid = grid + detection.generalized_box_iou_loss(proposed(outputs)[there], wanted, "mean")

    near = [truth["near"] for truth in some]
    labels = mg.tensor(np.concatenate([truth["labels"] for truth in some]))
    true = mg.tensor(np.concatenate([truth["boxes"] for truth in some]))
    scores, correction = model.class_and_box(maps, near)
    boxes = mg.cat(near)
    corrected = F.smooth_l1_loss(correction * 10, (true - boxes) / sides_of(boxes) * 10)
    masks = F.binary_cross_entropy_with_logits(model.masks(model.inside(maps, near)), mg.cat([truth["cut"] for truth in some]))
    return grid + F.cross_entropy(scores, labels) + corrected + masks


# %% Training, once with boxes exactly where they are, and once with boxes rounded to pixels of the feature maps
def trained(exact, batch=16):
    mg.manual_seed(chapter.seed)
    order = np.random.default_rng(chapter.seed)
    model = Instances(exact)
    steps = len(truths) // batch
    optimizer = nn.optim.Adam(model.parameters(), lr=5e-3)
    scheduler = nn.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=chapter.epochs * steps)
    for _ in tqdm(range(chapter.epochs), desc="RoI align" if exact else "rounded", unit="epoch", leave=False, disable=None):
        for some in order.permutation(len(truths))[: steps * batch].reshape(steps, batch):
            optimizer.zero_grad()
            loss(model, images[some], [truths[i] for i in some]).backward()
            optimizer.step()
            scheduler.step()
    return model.eval()


models = {"rounded": trained(False), "RoI align": trained(True)}


# %% From a board to its instances: propose, suppress, classify and correct, suppress in each class, and then the masks
def paste(mask, box):
    """A mask (28, 28) of a box as one of the board, each pixel from the place in the box where its centre is."""
    left, top, right, bottom = box.tolist()
    centres = np.arange(SIZE) + 0.5
    y, x = (centres - top) / (bottom - top) * FINE, (centres - left) / (right - left) * FINE
    values = mask[np.ix_(y.clip(0, FINE - 1).astype(int), x.clip(0, FINE - 1).astype(int))]
    return (values > 0) & ((y >= 0) & (y < FINE))[:, None] & (x >= 0) & (x < FINE)


@mg.no_grad()
def instances(model, board, least=0.05):
    """Boxes, scores, labels and masks of one board (1, 64, 64), and the boxes as they were proposed."""
    maps = model.features(board[None])
    outputs = model.proposals(maps)
    sure, boxes = outputs[0, 0].sigmoid().flatten(), proposed(outputs).reshape(-1, 4)
    first = np.flatnonzero(sure.numpy() > least)
    first = first[detection.nms(boxes[first], sure[first], 0.6).numpy()]
    scores, correction = model.class_and_box(maps, [boxes[first]])
    best, labels = scores.softmax(1).max(1)
    better = detection.clip_boxes_to_image(boxes[first] + correction * sides_of(boxes[first]), (SIZE, SIZE))
    kept = detection.batched_nms(better, best * sure[first], labels, 0.4).numpy()
    grids = model.masks(model.inside(maps, [better[kept]]))[:, 0].numpy()
    masks = np.array([paste(grid, box) for grid, box in zip(grids, better[kept], strict=True)]).reshape(-1, SIZE, SIZE)
    return {
        "boxes": better[kept],
        "scores": (best * sure[first])[kept],
        "labels": labels[kept],
        "masks": masks,
        "first": boxes[first][kept],
    }


def mask_fit(found, what):
    """The mean IoU of each true mask with the best one of its class: ``what`` makes the masks of what was found on a board."""
    values = []
    for one, truth in zip(found, test_truths, strict=True):
        masks = what(one)[one["scores"].numpy() > 0.3]
        labels = one["labels"].numpy()[one["scores"].numpy() > 0.3]
        for mask, label in zip(truth["masks"], truth["labels"], strict=True):
            values.append(max(((m & mask).sum() / (m | mask).sum() for m in masks[labels == label]), default=0.0))
    return float(np.mean(values))


def filled(one):
    """The whole box as the mask."""
    full = np.ones((FINE, FINE))
    return np.array([paste(full, box) for box in one["boxes"]]).reshape(-1, SIZE, SIZE)


# %% The result
rows, found = [], {}
for name, model in models.items():
    found[name] = [instances(model, board) for board in test_images]
    before = [one | {"boxes": one["first"]} for one in found[name]]
    precise = [MeanAveragePrecision(0.75)(some, test_truths) for some in (before, found[name])]
    rows.append([name, *precise, mask_fit(found[name], filled), mask_fit(found[name], lambda one: one["masks"])])
table([["boxes are", "mAP at 0.75, proposed", "corrected", "IoU of whole boxes", "of masks"], *rows])

fullest = np.argsort([-len(truth["labels"]) for truth in test_truths], kind="stable")[:8]
some = [found["RoI align"][i] for i in fullest]
shown = [{key: value[one["scores"].numpy() > 0.3] for key, value in one.items() if key != "first"} for one in some]
chapter.save("found.jpg", plots.detections([test_images[i] for i in fullest], shown, THINGS))
