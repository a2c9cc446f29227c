"""MTCNN (Zhang et al. 2016) finds the faces in a photograph.

    pip install --no-deps facenet-pytorch==2.6.0   # for its weights; PyTorch is not needed
    pip install scikit-image matplotlib
    python examples/mtcnn.py                       # the astronaut Eileen Collins, a photograph in scikit-image
    python examples/mtcnn.py people.jpg --out people.png

Prints a line for each face (corners, probability, eyes) and writes the photograph with the faces marked.

Three small networks run one after another: P-Net slides over the photograph in many sizes and proposes squares of 12 pixels, R-Net rejects
some of them at 24 pixels, O-Net more at 48 pixels, and also finds five points in each face. Each network corrects the previous one's boxes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from command import count, parsed, run  # beside this file
from packages import Missing, file_of, picture_of  # beside this file

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.nn import detection

LANDMARKS = ["left eye", "right eye", "nose", "left corner of the mouth", "right corner of the mouth"]


class PNet(nn.Module):
    """Takes windows of 12x12 pixels; as it is convolutional, it processes all windows of an image at once."""

    def __init__(self):
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1 = nn.Conv2d(32, 2, 1)
        self.conv4_2 = nn.Conv2d(32, 4, 1)

    def forward(self, x):  # N 3 H W
        x = F.max_pool2d(self.prelu1(self.conv1(x)), 2, ceil_mode=True)
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return self.conv4_1(x).softmax(1)[:, 1], self.conv4_2(x)  # probabilities N H' W', corrections N 4 H' W'


class RNet(nn.Module):
    """Takes 24x24 pixels."""

    def __init__(self):
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, 3), nn.PReLU(28)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, 3), nn.PReLU(48)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1 = nn.Linear(128, 2)
        self.dense5_2 = nn.Linear(128, 4)

    def forward(self, x):  # N 3 24 24
        x = F.max_pool2d(self.prelu1(self.conv1(x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.prelu2(self.conv2(x)), 3, 2, ceil_mode=True)
        x = self.prelu3(self.conv3(x))
        x = self.prelu4(self.dense4(x.transpose(1, 3).flatten(1)))  # the weights expect columns, rows, channels
        return self.dense5_1(x).softmax(1)[:, 1], self.dense5_2(x)


class ONet(nn.Module):
    """Takes 48x48 pixels, and also finds the five LANDMARKS."""

    def __init__(self):
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1 = nn.Linear(256, 2)
        self.dense6_2 = nn.Linear(256, 4)
        self.dense6_3 = nn.Linear(256, 10)

    def forward(self, x):  # N 3 48 48
        x = F.max_pool2d(self.prelu1(self.conv1(x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.prelu2(self.conv2(x)), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.prelu3(self.conv3(x)), 2, 2, ceil_mode=True)
        x = self.prelu4(self.conv4(x))
        x = self.prelu5(self.dense5(x.transpose(1, 3).flatten(1)))
        return self.dense6_1(x).softmax(1)[:, 1], self.dense6_2(x), self.dense6_3(x)


def pretrained() -> tuple[PNet, RNet, ONet]:
    """The three networks with the weights from facenet-pytorch."""
    networks = PNet(), RNet(), ONet()
    for network, name in zip(networks, ("pnet", "rnet", "onet"), strict=True):
        path = file_of("facenet_pytorch", f"data/{name}.pt", "--no-deps facenet-pytorch==2.6.0")
        network.load_state_dict(nn.load_torch(path))
    return networks


# Boxes are arrays N 4: left, top, right, bottom.


def of_smaller(box: mg.Tensor, boxes: mg.Tensor) -> mg.Tensor:
    """The area of the intersection of a box (1, 4) with each of boxes (M, 4), divided by that of the smaller one, in whole pixels."""
    sides = mg.minimum(box[:, 2:], boxes[:, 2:]) - mg.maximum(box[:, :2], boxes[:, :2]) + 1
    areas = (boxes[:, 2:] - boxes[:, :2] + 1).prod(1)
    return (sides.clamp(min=0).prod(1) / mg.minimum((box[:, 2:] - box[:, :2] + 1).prod(1), areas)).unsqueeze(0)


def suppress(boxes: np.ndarray, scores: np.ndarray, limit: float, overlap: Any = detection.box_iou) -> np.ndarray:
    """The indices of the best box, then of the best of those that overlap it by ``limit`` at most, and so on."""
    return detection.nms(mg.tensor(boxes), mg.tensor(scores), limit, overlap=overlap).numpy()


def squares(boxes: np.ndarray) -> np.ndarray:
    """The squares around the same centres, as wide as the longer side."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    side = sizes.max(1, keepdims=True)
    corner = boxes[:, :2] + sizes * 0.5 - side * 0.5
    return np.concatenate([corner, corner + side], 1)


def corrected(boxes: np.ndarray, correction: np.ndarray, pixel: int = 1) -> np.ndarray:
    """Boxes moved by a network's correction, which is in units of their size."""
    sizes = boxes[:, 2:] - boxes[:, :2] + pixel
    return boxes + correction * np.tile(sizes, 2)


def scaled(pixels: mg.Tensor) -> mg.Tensor:
    """Pixels scaled as in the networks' training."""
    return (pixels - 127.5) / 128


def crops(image: mg.Tensor, boxes: np.ndarray, size: int) -> mg.Tensor:
    """The contents of the boxes, each averaged (or repeated) to ``size`` x ``size`` pixels. N 3 size size"""
    height, width = image.shape[-2:]
    found = []
    for box in boxes.astype(int):
        left, top = np.maximum(box[:2], 1) - 1
        right, bottom = min(box[2], width), min(box[3], height)
        part = image[:, :, top:bottom, left:right] if left < right and top < bottom else mg.zeros(1, 3, 1, 1)
        found.append(F.adaptive_avg_pool2d(part, size))
    return scaled(mg.cat(found))


def proposals(network: PNet, image: mg.Tensor, smallest: int, threshold: float) -> np.ndarray:
    """Squares that P-Net proposes, from the image in all sizes at which its window holds a face of ``smallest`` pixels or more."""
    height, width = image.shape[-2:]
    found = [np.empty((0, 9), np.float32)]  # window, probability, correction
    scale = 12 / smallest
    while min(height, width) * scale >= 12:
        size = (int(height * scale + 1), int(width * scale + 1))
        probability, correction = (t.numpy()[0] for t in network(scaled(F.adaptive_avg_pool2d(image, size))))
        rows, columns = np.nonzero(probability >= threshold)
        place = np.stack([columns, rows], 1).astype(np.float32)  # windows are 2 pixels apart
        windows = np.floor(np.concatenate([2 * place + 1, 2 * place + 12], 1) / scale)
        scores = probability[rows, columns]
        here = np.concatenate([windows, scores[:, None], correction[:, rows, columns].T], 1)
        found.append(here[suppress(windows, scores, 0.5)])
        scale *= 0.709  # half as many pixels
    boxes = np.concatenate(found)
    boxes = boxes[suppress(boxes[:, :4], boxes[:, 4], 0.7)]
    return squares(corrected(boxes[:, :4], boxes[:, 5:], pixel=0))


def detect(
    networks: tuple[PNet, RNet, ONet], picture: np.ndarray, smallest: int = 20, thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Faces in a photograph, H W 3 of uint8: boxes N 4, probabilities N, and landmarks N 5 2 (x and y), the largest face first."""
    pnet, rnet, onet = networks
    nothing = np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty((0, 5, 2), np.float32)
    with mg.no_grad():
        image = mg.tensor(picture.transpose(2, 0, 1)[None].astype(np.float32))
        boxes = proposals(pnet, image, smallest, thresholds[0])
        if not len(boxes):
            return nothing
        scores, correction = (t.numpy() for t in rnet(crops(image, boxes, 24)))
        sure = np.nonzero(scores > thresholds[1])[0]
        sure = sure[suppress(boxes[sure], scores[sure], 0.7)]
        boxes = squares(corrected(boxes[sure], correction[sure]))
        if not len(boxes):
            return nothing
        scores, correction, points = (t.numpy() for t in onet(crops(image, boxes, 48)))
    sure = np.nonzero(scores > thresholds[2])[0]
    boxes, scores, correction, points = boxes[sure], scores[sure], correction[sure], points[sure].reshape(-1, 2, 5)
    sizes = boxes[:, 2:] - boxes[:, :2] + 1
    landmarks = (boxes[:, :2, None] + points * sizes[:, :, None] - 1).transpose(0, 2, 1)
    boxes = corrected(boxes, correction)
    kept = np.array(suppress(boxes, scores, 0.7, of_smaller), int)
    kept = kept[np.argsort(-(boxes[kept, 2:] - boxes[kept, :2]).prod(1), kind="stable")]
    return boxes[kept], scores[kept], landmarks[kept]


def mark(picture: np.ndarray, boxes: np.ndarray, landmarks: np.ndarray, path: Path) -> None:
    """Write the photograph with a frame around each face, and points."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(picture.shape[1] / 100, picture.shape[0] / 100), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(picture)
    axes.set_axis_off()
    for (left, top, right, bottom), points in zip(boxes, landmarks, strict=True):
        axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor="lime", linewidth=2))
        axes.scatter(*points.T, s=12, color="yellow")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def main(argv: list[str] | None = None) -> int:
    """Run; an error that the user can fix is reported in one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", type=Path, help="a photograph (default: scikit-image's astronaut)")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/mtcnn.png"), help="where to write it with the faces marked (default: %(default)s)"
    )
    parser.add_argument(
        "--smallest", type=count, default=20, metavar="PIXELS", help="width of the smallest face to look for (default: %(default)s)"
    )
    args = parsed(parser, argv)
    try:
        networks = pretrained()
        from skimage import color, io

        picture = io.imread(args.picture or picture_of("astronaut.png"))
    except (Missing, ImportError, OSError) as error:
        print(f"mtcnn: {error}", file=sys.stderr)
        return 1
    if picture.ndim == 2:
        picture = color.gray2rgb(picture)
    picture = picture[..., :3]
    boxes, scores, landmarks = detect(networks, picture, args.smallest)
    print(f"{len(boxes)} face{'' if len(boxes) == 1 else 's'} in {picture.shape[1]} x {picture.shape[0]} pixels")
    for box, score, points in zip(boxes, scores, landmarks, strict=True):
        left, top, right, bottom = box.round().astype(int)
        eyes = " and ".join(f"({x:.0f}, {y:.0f})" for x, y in points[:2])
        print(f"({left}, {top}) to ({right}, {bottom}), probability {score:.4f}, eyes at {eyes}")
    try:
        mark(picture, boxes, landmarks, args.out)
    except (OSError, ValueError) as error:  # ValueError: an unknown file extension
        print(f"mtcnn: {args.out} cannot be written: {error}", file=sys.stderr)
        return 1
    print(f"saved {args.out}")
    return 0


if __name__ == "__main__":
    run(main)
