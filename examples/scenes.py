"""Small generated colour pictures: six kinds of objects in front of six kinds of ground, each facing left or right, no two the same.

They replace photographs, which would have to be shipped. A picture is 32x32, drawn four times as large and averaged, so that edges are soft.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

KINDS = ("horse", "car", "boat", "house", "tree", "fish")

# Outlines in a unit square, y down, facing left; the colour is "body" (drawn at random) or one of PAINT.
PAINT = {
    "dark": (45, 40, 40),
    "glass": (190, 225, 240),
    "leaf": (50, 125, 50),
    "bark": (105, 75, 45),
    "roof": (150, 60, 45),
    "sail": (240, 238, 228),
}
SHAPES: dict[str, list[tuple[str, list[tuple[float, float]]]]] = {
    "horse": [
        ("body", [(0.28, 0.42), (0.36, 0.36), (0.80, 0.38), (0.86, 0.48), (0.82, 0.62), (0.34, 0.62), (0.28, 0.54)]),
        ("body", [(0.28, 0.54), (0.24, 0.20), (0.34, 0.14), (0.48, 0.40)]),
        ("body", [(0.34, 0.14), (0.22, 0.12), (0.06, 0.28), (0.10, 0.36), (0.26, 0.30)]),
        ("dark", [(0.31, 0.12), (0.38, 0.14), (0.50, 0.38), (0.42, 0.38)]),
        ("body", [(0.33, 0.58), (0.41, 0.58), (0.40, 0.96), (0.34, 0.96)]),
        ("body", [(0.74, 0.58), (0.84, 0.56), (0.84, 0.96), (0.78, 0.96)]),
        ("dark", [(0.42, 0.60), (0.49, 0.60), (0.46, 0.95), (0.41, 0.95)]),
        ("dark", [(0.68, 0.60), (0.75, 0.60), (0.72, 0.95), (0.67, 0.95)]),
        ("dark", [(0.84, 0.40), (0.98, 0.52), (0.96, 0.74), (0.90, 0.56), (0.85, 0.50)]),
    ],
    "car": [
        ("body", [(0.02, 0.62), (0.16, 0.54), (0.30, 0.36), (0.72, 0.36), (0.84, 0.52), (0.98, 0.56), (0.98, 0.74), (0.02, 0.74)]),
        ("glass", [(0.24, 0.53), (0.34, 0.41), (0.48, 0.41), (0.48, 0.53)]),
        ("glass", [(0.53, 0.41), (0.69, 0.41), (0.77, 0.53), (0.53, 0.53)]),
        ("dark", [(0.13, 0.74), (0.17, 0.65), (0.25, 0.62), (0.33, 0.65), (0.37, 0.74), (0.33, 0.83), (0.25, 0.86), (0.17, 0.83)]),
        ("dark", [(0.63, 0.74), (0.67, 0.65), (0.75, 0.62), (0.83, 0.65), (0.87, 0.74), (0.83, 0.83), (0.75, 0.86), (0.67, 0.83)]),
    ],
    "boat": [
        ("body", [(0.04, 0.66), (0.96, 0.66), (0.82, 0.86), (0.18, 0.86)]),
        ("bark", [(0.54, 0.08), (0.58, 0.08), (0.58, 0.68), (0.54, 0.68)]),
        ("sail", [(0.52, 0.10), (0.52, 0.60), (0.12, 0.60)]),
        ("sail", [(0.60, 0.18), (0.60, 0.60), (0.84, 0.60)]),
    ],
    "house": [
        ("body", [(0.14, 0.46), (0.86, 0.46), (0.86, 0.94), (0.14, 0.94)]),
        ("roof", [(0.06, 0.48), (0.30, 0.14), (0.76, 0.14), (0.94, 0.48)]),
        ("dark", [(0.24, 0.62), (0.40, 0.62), (0.40, 0.94), (0.24, 0.94)]),
        ("glass", [(0.52, 0.58), (0.74, 0.58), (0.74, 0.76), (0.52, 0.76)]),
    ],
    "tree": [
        ("bark", [(0.44, 0.55), (0.56, 0.55), (0.60, 0.98), (0.42, 0.98)]),
        ("leaf", [(0.50, 0.04), (0.74, 0.14), (0.88, 0.38), (0.78, 0.62), (0.50, 0.70), (0.24, 0.64), (0.12, 0.40), (0.26, 0.14)]),
        ("body", [(0.62, 0.24), (0.70, 0.24), (0.70, 0.32), (0.62, 0.32)]),
        ("body", [(0.34, 0.44), (0.42, 0.44), (0.42, 0.52), (0.34, 0.52)]),
    ],
    "fish": [
        ("body", [(0.02, 0.52), (0.16, 0.38), (0.38, 0.30), (0.60, 0.38), (0.74, 0.50), (0.60, 0.64), (0.38, 0.72), (0.16, 0.66)]),
        ("body", [(0.70, 0.50), (0.96, 0.30), (0.90, 0.51), (0.96, 0.72)]),
        ("dark", [(0.34, 0.32), (0.50, 0.18), (0.58, 0.38)]),
        ("dark", [(0.13, 0.46), (0.19, 0.46), (0.19, 0.52), (0.13, 0.52)]),
    ],
}  # fmt: skip
GROUNDS = [  # above, below the horizon
    ((150, 195, 235), (110, 155, 70)),
    ((205, 215, 225), (195, 170, 120)),
    ((160, 190, 220), (50, 100, 150)),
    ((235, 190, 150), (120, 110, 105)),
    ((90, 150, 175), (45, 95, 130)),
    ((180, 200, 190), (225, 230, 235)),
]


def shrunk(picture: Image.Image, scale: int) -> np.ndarray:
    """The mean of each square of ``scale`` by ``scale`` pixels, float32 (height, width, 3)."""
    pixels = np.asarray(picture).astype(np.uint16)
    lines = sum(pixels[i::scale] for i in range(scale))
    return sum(lines[:, i::scale] for i in range(scale)) / np.float32(scale**2)


def draw(kind: str, rng: np.random.Generator, left: bool, size: int = 32) -> np.ndarray:
    """One picture, uint8 (3, size, size): the object's position, size and colour, the ground and the clutter are chosen by ``rng``."""
    big = 4 * size
    above, below = (tuple(int(v) for v in np.clip(np.array(c) + rng.normal(0, 25, 3), 0, 255)) for c in GROUNDS[rng.integers(len(GROUNDS))])
    picture = Image.new("RGB", (big, big), above)
    pen = ImageDraw.Draw(picture)
    horizon = int(big * rng.uniform(0.35, 0.75))
    pen.rectangle([0, horizon, big, big], fill=below)
    for _ in range(rng.integers(0, 5)):  # clutter
        x, y, w, h = rng.uniform(0, big, 4) * (1, 1, 0.25, 0.25)
        pen.ellipse([x, y, x + w, y + h], fill=tuple(int(v) for v in rng.integers(30, 230, 3)))
    scale = big * rng.uniform(0.62, 0.95)
    dx, dy = rng.uniform(-0.06, 0.06, 2) * big + (big - scale) / 2
    stretch = rng.uniform(0.85, 1.1)
    body = tuple(int(v) for v in rng.integers(20, 236, 3))
    if kind == "horse":  # bay, chestnut, black, grey
        body = tuple(
            int(v)
            for v in np.clip(
                np.array([(120, 75, 45), (165, 95, 50), (50, 42, 40), (150, 145, 140)][rng.integers(4)]) + rng.normal(0, 12, 3), 0, 255
            )
        )
    for colour, outline in SHAPES[kind]:
        points = [((x if left else 1 - x) * scale + dx, ((y - 0.5) * stretch + 0.5) * scale + dy) for x, y in outline]
        pen.polygon(points, fill=body if colour == "body" else PAINT[colour])
    small = shrunk(picture, 4)
    noisy = small + rng.normal(0, 6, small.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8).transpose(2, 0, 1)


def scenes(count: int, seed: int = 0, size: int = 32) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures uint8 (count, 3, size, size), their kinds int64 (count,), and whether each faces left, bool (count,)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(KINDS), count)
    left = rng.random(count) < 0.5
    images = np.stack([draw(KINDS[label], rng, bool(facing), size) for label, facing in zip(labels, left, strict=True)])
    return images, labels, left


FIGURE = (28, 14)  # height and width of a person in a crowd
STRIPES = {
    "red": (215, 40, 45),
    "white": (245, 245, 240),
    "blue": (45, 80, 185),
    "green": (40, 140, 70),
    "yellow": (235, 195, 50),
    "black": (40, 40, 45),
}


def person(pen: ImageDraw.ImageDraw, top: float, left: float, scale: int, rng: np.random.Generator, wanted: bool) -> None:
    """One figure. The wanted one wears red and white in rings, a red hat and blue trousers; no other has all of these."""

    def box(y: float, x: float, h: float, w: float, colour: tuple[int, ...], round_: bool = False) -> None:
        corners = [(left + x) * scale, (top + y) * scale, (left + x + w) * scale - 1, (top + y + h) * scale - 1]
        (pen.ellipse if round_ else pen.rectangle)(corners, fill=colour)

    colours = list(STRIPES)
    first, second, trousers, hat = (STRIPES[colours[i]] for i in rng.integers(0, len(colours), 4))
    pattern = rng.choice(["plain", "rings", "bars"])
    if wanted:
        first, second, trousers, hat, pattern = STRIPES["red"], STRIPES["white"], STRIPES["blue"], STRIPES["red"], "rings"
    elif pattern == "rings" and {first, second} == {STRIPES["red"], STRIPES["white"]}:
        pattern = "bars"
    box(20, 3, 8, 3, trousers)
    box(20, 8, 8, 3, trousers)
    box(9, 1, 12, 12, first)
    if pattern == "rings":
        for y in (11, 15, 19):
            box(y, 1, 2, 12, second)
    elif pattern == "bars":
        for x in (3, 7, 11):
            box(9, x, 12, 2, second)
    box(2, 4, 7, 6, (235, 190, 160), round_=True)
    box(0, 4, 4, 6, hat, round_=True)


def crowd(seed: int, size: tuple[int, int] = (160, 240), people: int = 90, wanted: bool = True) -> tuple[np.ndarray, tuple[int, int]]:
    """A crowd, float32 (3, height, width) from 0 to 1, and the place (top, left) of the wanted figure, which is never hidden completely."""
    rng = np.random.default_rng(seed)
    height, width = size
    scale = 4
    ground = tuple(int(v) for v in rng.integers(140, 220, 3))
    picture = Image.new("RGB", (width * scale, height * scale), ground)
    pen = ImageDraw.Draw(picture)
    places = np.stack([rng.integers(0, height - FIGURE[0], people), rng.integers(0, width - FIGURE[1], people)], 1)
    places = places[np.argsort(places[:, 0])]  # those behind first
    who = int(rng.integers(people))
    near = (np.abs(places - places[who]) < 0.75 * np.array(FIGURE)).all(1).tolist()
    for number, (top, left) in enumerate(places.tolist()):
        if number > who and near[number]:
            continue  # would hide the wanted one
        person(pen, top, left, scale, rng, wanted and number == who)
    small = shrunk(picture, scale) / 255
    noisy = np.clip(small + rng.normal(0, 0.03, small.shape), 0, 1).astype(np.float32)
    return noisy.transpose(2, 0, 1), (int(places[who, 0]), int(places[who, 1]))


THINGS = ("0", "1", "2", "3", "4", "disc", "square", "triangle")


def board(digits: np.ndarray, labels: np.ndarray, count: int, most: int, seed: int = 0, size: int = 64) -> tuple[np.ndarray, list[dict]]:
    """Things on grey boards: handwritten digits (M, 28, 28) from 0 to 1 with their labels, and shapes; they may touch, but cover little of one another.

    Returns boards float32 (count, 1, size, size), and for each a dict with ``boxes`` float32 (N, 4) (left, top, right, bottom), ``labels``
    int64 (N,), numbers of THINGS, and ``masks`` bool (N, size, size); N is from 1 to ``most``.
    """
    rng = np.random.default_rng(seed)
    own = [np.flatnonzero(labels == digit) for digit in range(5)]
    y, x = np.mgrid[:28, :28]
    result, truths = np.empty((count, 1, size, size), np.float32), []
    for number in range(count):
        image = np.full((size, size), rng.uniform(0.0, 0.3)) + rng.normal(0, 0.05, (size, size))
        boxes: list[list[int]] = []
        kinds, masks = [], np.zeros((0, size, size), bool)
        wanted = rng.integers(1, most + 1)
        for _ in range(20):
            if len(kinds) == wanted:
                break
            kind = int(rng.integers(len(THINGS)))
            if kind < 5:
                ink = digits[rng.choice(own[kind])]
            else:
                radius = rng.uniform(6, 12)
                depth = np.maximum(abs(y - 13.5), abs(x - 13.5)) if kind == 6 else np.hypot(y - 13.5, x - 13.5)
                if kind == 7:
                    depth = np.maximum(y - 13.5, 2 * abs(x - 13.5) - (y - 13.5))
                ink = (depth <= radius).astype(np.float32)
            covered = ink > 0.3
            rows, columns = np.flatnonzero(covered.any(1)), np.flatnonzero(covered.any(0))
            ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            high, wide = ink.shape
            top, left = rng.integers(0, size - high + 1), rng.integers(0, size - wide + 1)
            centre = np.array([top + high / 2, left + wide / 2])
            if any(np.abs(centre - [(b[1] + b[3]) / 2, (b[0] + b[2]) / 2]).max() < 14 for b in boxes):
                continue
            place = image[top : top + high, left : left + wide]
            place[:] = np.maximum(place, ink * rng.uniform(0.6, 1.0))
            mask = np.zeros((1, size, size), bool)
            mask[0, top : top + high, left : left + wide] = ink > 0.3
            masks = np.concatenate([masks & ~mask, mask])
            boxes.append([int(left), int(top), int(left + wide), int(top + high)])
            kinds.append(kind)
        result[number, 0] = image.clip(0, 1)
        truths.append({"boxes": np.array(boxes, np.float32), "labels": np.array(kinds, np.int64), "masks": masks})
    return result, truths
