"""Transforms of images: exact cases, the same draws one image at a time, and PyTorch's interpolation as a reference."""

import colorsys
import warnings

import numpy as np
import pytest
from answers import torch
from numpy.testing import assert_allclose, assert_array_equal

import minigrad as mg
from minigrad.nn.data import (
    MNIST,
    CenterCrop,
    ColorJitter,
    Compose,
    Cutout,
    DataLoader,
    GaussianBlur,
    Grayscale,
    InterpolationMode,
    Lambda,
    Normalize,
    Pad,
    RandomAffine,
    RandomApply,
    RandomChoice,
    RandomCrop,
    RandomErasing,
    RandomGrayscale,
    RandomHorizontalFlip,
    RandomOrder,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
    Subset,
    TenCrop,
    ToPILImage,
    ToTensor,
)


def seeded(seed=0):
    return mg.Generator().manual_seed(seed)


def images(n=6, c=3, h=9, w=7, dtype=np.float64):
    return np.random.default_rng(0).random((n, c, h, w)).astype(dtype)


RANDOM = {
    "RandomCrop": lambda **g: RandomCrop((6, 5), padding=2, **g),
    "RandomResizedCrop": lambda **g: RandomResizedCrop((5, 4), **g),
    "RandomHorizontalFlip": lambda **g: RandomHorizontalFlip(**g),
    "RandomVerticalFlip": lambda **g: RandomVerticalFlip(**g),
    "RandomAffine": lambda **g: RandomAffine(30, (0.2, 0.2), (0.8, 1.2), 10, **g),
    "RandomRotation": lambda **g: RandomRotation(90, "bilinear", **g),
    "RandomErasing": lambda **g: RandomErasing(p=1, value="random", **g),
    "Cutout": lambda **g: Cutout(3, n_holes=2, **g),
    "ColorJitter": lambda **g: ColorJitter(0.5, 0.5, 0.5, 0.2, **g),
    "RandomApply": lambda **g: RandomApply([Normalize(0.5, 2.0)], **g),
}
FIXED = {
    "Normalize": Normalize(0.5, 2.0),
    "Pad": Pad((1, 2)),
    "CenterCrop": CenterCrop(5),
    "Resize": Resize((4, 11)),
}


@pytest.mark.parametrize("name", RANDOM)
def test_each_image_has_draws_of_its_own(name):
    same = np.tile(images(1), (30, 1, 1, 1))
    transform = RANDOM[name](generator=seeded())
    first, second = transform(same), transform(same)
    kinds = {image.tobytes() for image in first}
    assert len(kinds) > (1 if "Flip" in name or name == "RandomApply" else 8)
    assert not np.array_equal(first, second)
    assert_array_equal(RANDOM[name](generator=seeded())(same), first)
    mg.manual_seed(4)
    a = RANDOM[name]()(same)
    mg.manual_seed(4)
    assert_array_equal(RANDOM[name]()(same), a)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [*RANDOM, *FIXED])
def test_forms_of_images(name, dtype):
    """One image or a batch, an array or a Tensor; the dtype stays, and what came in is left alone."""
    x = images(dtype=dtype)
    before = x.copy()

    def transform():
        return FIXED.get(name) or RANDOM[name](generator=seeded(3))

    out = transform()(x)
    assert out.dtype == dtype and out.ndim == 4 and len(out) == 6
    assert transform().batched
    one = transform()(x[0])
    assert one.shape == out.shape[1:]
    assert_array_equal(one, transform()(x[:1])[0])
    tensor = transform()(mg.tensor(x))
    assert isinstance(tensor, mg.Tensor)
    assert_array_equal(tensor.numpy(), out)
    assert transform()(x[:0]).shape == (0, *out.shape[1:])
    assert not np.shares_memory(out, x)
    assert_array_equal(x, before)
    with pytest.raises(mg.ShapeError, match=rf"^{name}: images are"):
        transform()(x[0, 0])
    with pytest.raises(TypeError, match=rf"^{name}: an array or a Tensor"):
        transform()([1.0])


@pytest.mark.parametrize("name", ["Normalize", "Resize", "RandomResizedCrop", "RandomAffine", "RandomRotation", "ColorJitter"])
def test_floats_are_needed(name):
    with pytest.raises(TypeError, match=f"{name}: images of floats are needed, not uint8"):
        (FIXED.get(name) or RANDOM[name]())(np.zeros((3, 9, 9), np.uint8))


def test_bytes_are_taken_where_they_can_be():
    x = np.random.default_rng(0).integers(256, size=(4, 3, 8, 8), dtype=np.uint8)
    chain = Compose([RandomCrop(8, padding=2), RandomHorizontalFlip(), RandomErasing(), Cutout(2), Pad(1), CenterCrop(8)])
    assert chain.batched
    assert chain(x).dtype == np.uint8


# --------------------------------------------------------------------------------------------------------- crops


def test_pad():
    x = np.arange(1.0, 5).reshape(1, 2, 2)
    assert_array_equal(Pad(1)(x)[0], [[0, 0, 0, 0], [0, 1, 2, 0], [0, 3, 4, 0], [0, 0, 0, 0]])
    assert_array_equal(Pad((1, 0), fill=9)(x)[0], [[9, 1, 2, 9], [9, 3, 4, 9]])
    assert_array_equal(Pad((0, 1, 2, 0))(x)[0], [[0, 0, 0, 0], [1, 2, 0, 0], [3, 4, 0, 0]])
    assert_array_equal(Pad((1, 0), padding_mode="reflect")(x)[0], [[2, 1, 2, 1], [4, 3, 4, 3]])
    assert_array_equal(Pad((1, 0), padding_mode="edge")(x)[0], [[1, 1, 2, 2], [3, 3, 4, 4]])
    assert_array_equal(Pad((2, 0), padding_mode="symmetric")(x)[0, 0], [2, 1, 1, 2, 2, 1])
    assert Pad(1, fill=(1, 2, 3))(images())[0, :, 0, 0].tolist() == [1, 2, 3]
    with pytest.raises(mg.ShapeError, match="reflect"):
        Pad(2, padding_mode="reflect")(x)
    with pytest.raises(mg.ShapeError, match="2 values"):
        Pad(1, fill=(1, 2))(images())


def test_random_crop_takes_windows_anywhere():
    x = np.tile(np.arange(30.0).reshape(1, 1, 5, 6), (500, 2, 1, 1))
    out = RandomCrop((4, 3), generator=seeded())(x)
    corners = out[:, 0, 0, 0].astype(int)
    assert set(corners) == {6 * i + j for i in range(2) for j in range(4)}
    for window, corner in zip(out, corners, strict=True):
        i, j = divmod(corner, 6)
        assert_array_equal(window, x[0, :, i : i + 4, j : j + 3])
    assert_array_equal(RandomCrop((5, 6))(x), x)


def test_random_crop_with_padding():
    x = np.ones((200, 1, 4, 4))
    out = RandomCrop(4, padding=3, fill=7, generator=seeded())(x)
    assert {(image == 7).sum() for image in out} >= {0, 4, 15}
    assert RandomCrop(6, pad_if_needed=True)(x).shape == (200, 1, 6, 6)
    shifted = RandomCrop(4, padding=2, padding_mode="edge", generator=seeded())(images(3, h=4, w=4))
    assert_array_equal(shifted, np.stack([RandomCropOf(images(3, h=4, w=4), 2)(i) for i in range(3)]))
    with pytest.raises(mg.ShapeError, match="a window of 5x5 does not fit images of 4x4"):
        RandomCrop(5)(x)


class RandomCropOf:
    """The same draws, image by image."""

    def __init__(self, x, pad):
        rng = seeded().numpy
        self.padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="edge")
        self.top, self.left = (rng.integers(2 * pad + 1, size=len(x)) for _ in range(2))

    def __call__(self, i):
        return self.padded[i, :, self.top[i] : self.top[i] + 4, self.left[i] : self.left[i] + 4]


def test_center_crop():
    x = np.arange(20).reshape(1, 4, 5)
    assert_array_equal(CenterCrop(2)(x)[0], [[7, 8], [12, 13]])  # 1.5 rounds to the even 2, as in torchvision
    assert_array_equal(CenterCrop((4, 3))(x)[0], x[0, :, 1:4])
    assert_array_equal(CenterCrop((4, 8))(x)[0], np.pad(x[0], ((0, 0), (1, 2))))
    assert_array_equal(CenterCrop((6, 1))(x)[0, :, 0], [0, 2, 7, 12, 17, 0])


@pytest.mark.parametrize("size", [(4, 3), (20, 15), (3, 16), (9, 7), (1, 1), 4, 13])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("antialias", [True, False])
def test_resize_is_pytorchs(size, mode, antialias):
    x = images()
    out = Resize(size, mode, antialias=antialias)(x)
    options = {"align_corners": False, "antialias": antialias} if mode == "bilinear" else {}
    expected = torch.nn.functional.interpolate(torch.tensor(x), out.shape[2:], mode=mode, **options)
    assert_allclose(out, expected.numpy(), rtol=1e-7, atol=1e-12)


def test_resize_by_the_shorter_side():
    x = images(h=30, w=20)
    assert Resize(10)(x).shape == (6, 3, 15, 10)
    assert Resize(10)(x.swapaxes(2, 3)).shape == (6, 3, 10, 15)
    assert Resize(10, max_size=12)(x).shape == (6, 3, 12, 8)
    assert_allclose(Resize((15, 10), antialias=False)(x), x.reshape(6, 3, 15, 2, 10, 2).mean((3, 5)))
    assert_array_equal(Resize((60, 40), "nearest")(x), x.repeat(2, 2).repeat(2, 3))
    constant = np.full((1, 1, 17, 5), 0.3)
    assert_allclose(Resize((5, 11))(constant), np.full((1, 1, 5, 11), 0.3))


def test_random_resized_crop_is_a_crop_that_is_resized():
    """The windows are those of the same draws, each resized by itself."""
    x = images(40, h=24, w=31)
    out = RandomResizedCrop((8, 6), scale=(0.1, 0.8), generator=seeded(2))(x)
    rng = seeded(2).numpy
    areas = rng.uniform(0.1, 0.8, (40, 10)) * 24 * 31
    ratios = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3), (40, 10)))
    sizes = []
    for area, ratio in zip(areas, ratios, strict=True):
        tries = [(round(np.sqrt(a / r)), round(np.sqrt(a * r))) for a, r in zip(area, ratio, strict=True)]
        sizes.append(next((h, w) for h, w in tries if h <= 24 and w <= 31))
    top = rng.integers([24 - h + 1 for h, _ in sizes])
    left = rng.integers([31 - w + 1 for _, w in sizes])
    for i, (h, w) in enumerate(sizes):
        assert_allclose(out[i], Resize((8, 6))(x[i, :, top[i] : top[i] + h, left[i] : left[i] + w]), rtol=1e-7, atol=1e-12)


def test_random_resized_crop_whole_and_hopeless():
    x = images(h=12, w=12)
    assert_allclose(RandomResizedCrop(12, scale=(1, 1), ratio=(1, 1))(x), x)
    wide = images(h=4, w=40)  # no window of this area and ratio fits: the largest one in the middle is taken
    assert_allclose(RandomResizedCrop(4, scale=(1, 1), ratio=(1, 1))(wide), wide[:, :, :, 18:22], atol=1e-12)
    assert_allclose(RandomResizedCrop(4, scale=(1, 1), ratio=(1, 1))(wide.swapaxes(2, 3)), wide.swapaxes(2, 3)[:, :, 18:22], atol=1e-12)


# ------------------------------------------------------------------------------------------------ turns and mirrors


@pytest.mark.parametrize(("kind", "axis"), [(RandomHorizontalFlip, 3), (RandomVerticalFlip, 2)])
def test_flips(kind, axis):
    x = images(400)
    assert_array_equal(kind(p=1.0)(x), np.flip(x, axis))
    assert_array_equal(kind(p=0.0)(x), x)
    out = kind(p=0.25, generator=seeded())(x)
    flipped = np.array([np.array_equal(a, np.flip(b, axis - 1)) for a, b in zip(out, x, strict=True)])
    assert_array_equal(out[~flipped], x[~flipped])
    assert 70 < flipped.sum() < 130


@pytest.mark.parametrize("size", [4, 5])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_right_angles(size, interpolation):
    x = images(h=size, w=size)
    check = assert_array_equal if interpolation == "nearest" else lambda a, b: assert_allclose(a, b, atol=1e-12)
    for turns in (-1, 1, 2):
        expected = np.rot90(x, turns, axes=(2, 3))  # counter-clockwise
        check(RandomRotation((90 * turns, 90 * turns), interpolation)(x), expected)
        check(RandomAffine((-90 * turns, -90 * turns), interpolation=interpolation)(x), expected)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_whole_shifts_and_fill(interpolation):
    """Draws that come out as whole pixels: the picture moves, and what is uncovered has the fill."""
    x = images(1, h=5, w=4)

    class Highest(np.random.Generator):
        def uniform(self, low=0.0, high=1.0, size=None):
            return np.full(size, high)

    class Largest(mg.Generator):  # shifts by the largest amount
        @property
        def numpy(self):
            return Highest(np.random.PCG64(0))

    out = RandomAffine(0, (0.25, 0.4), interpolation=interpolation, fill=(7, 8, 9), generator=Largest())(x)
    assert_allclose(out[:, :, 2:, 1:], x[:, :, :3, :3])
    assert_allclose(out[0, :, 0], np.repeat([[7], [8], [9]], 4, 1))
    assert_allclose(out[0, :, :, 0], np.repeat([[7], [8], [9]], 5, 1))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("center", [None, (2.0, 5.5)])
@pytest.mark.parametrize("fill", [0, 0.5])
def test_random_affine_is_pytorchs(interpolation, center, fill):
    """The same matrix, written as a product, into PyTorch's grid_sample."""
    x = images(20, h=9, w=7)
    transform = RandomAffine((-40, 70), (0.2, 0.3), (0.6, 1.5), (-20, 10, 5, 25), interpolation, fill, center, generator=seeded(5))
    out = transform(x)
    rng, n = seeded(5).numpy, len(x)
    angle = np.deg2rad(rng.uniform(-40, 70, n))
    tx, ty = rng.uniform(-0.2, 0.2, n) * 7, rng.uniform(-0.3, 0.3, n) * 9
    scale = rng.uniform(0.6, 1.5, n)
    sx, sy = np.deg2rad(rng.uniform(-20, 10, n)), np.deg2rad(rng.uniform(5, 25, n))
    cx, cy = center or (3.5, 4.5)
    theta = []
    for i in range(n):
        turn = np.array([[np.cos(angle[i]), -np.sin(angle[i])], [np.sin(angle[i]), np.cos(angle[i])]])
        along_y, along_x = np.array([[1, 0], [-np.tan(sy[i]), 1]]), np.array([[1, -np.tan(sx[i])], [0, 1]])
        back = np.linalg.inv(scale[i] * turn @ along_y @ along_x)
        # from pixels (centres at halves) to the square from -1 to 1
        to_pixels = np.array([[3.5, 0, 3.5], [0, 4.5, 4.5], [0, 0, 1]])
        whole = np.eye(3)
        whole[:2, :2] = back
        whole[:2, 2] = np.array([cx, cy]) - back @ [cx + tx[i], cy + ty[i]]
        theta.append((np.linalg.inv(to_pixels) @ whole @ to_pixels)[:2])
    grid = torch.nn.functional.affine_grid(torch.tensor(np.stack(theta)), x.shape, align_corners=False)
    expected = torch.nn.functional.grid_sample(torch.tensor(x - fill), grid, mode=interpolation, align_corners=False).numpy() + fill
    assert_allclose(out, expected, atol=1e-9)


def test_shear_moves_rows():
    """45 degrees along x: each row moves by as many pixels as it is below the centre."""
    x = images(1, h=5, w=5)
    out = RandomAffine(0, shear=(45, 45, 0, 0), interpolation="nearest")(x)
    for row in range(5):
        expected = np.zeros((3, 5))
        for column in range(5):
            source = column + (row - 2)
            if 0 <= source < 5:
                expected[:, column] = x[0, :, row, source]
        assert_array_equal(out[0, :, row], expected)


# -------------------------------------------------------------------------------------------------- holes, colours


def test_random_erasing():
    x = np.ones((300, 3, 16, 20))
    out = RandomErasing(p=0.6, scale=(0.1, 0.3), ratio=(0.5, 2.0), value=(5, 6, 7), generator=seeded())(x)
    erased = 0
    for image in out:
        hole = image[0] == 5
        if not hole.any():
            assert (image == 1).all()
            continue
        erased += 1
        rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
        assert hole.sum() == len(rows) * len(columns), "a rectangle"
        assert rows[-1] - rows[0] + 1 == len(rows) and columns[-1] - columns[0] + 1 == len(columns)
        assert 0.08 < hole.mean() < 0.34
        assert 0.4 < len(rows) / len(columns) < 2.4
        for channel, value in enumerate((5, 6, 7)):
            assert_array_equal(image[channel], np.where(hole, value, 1))
    assert 150 < erased < 210
    noise = RandomErasing(p=1, value="random", generator=seeded())(x)
    assert abs(noise[noise != 1].mean()) < 0.05 and abs(noise[noise != 1].std() - 1) < 0.05
    assert_array_equal(RandomErasing(p=1, scale=(1, 1), ratio=(1, 1))(x), x)  # never fits
    tall = RandomErasing(p=1, scale=(0.1, 0.1), ratio=(3, 3), generator=seeded())(x)[0, 0] == 0
    assert tall.any(1).sum() > 2 * tall.any(0).sum(), "the ratio is height over width"


def test_cutout():
    out = Cutout(4, fill=3, generator=seeded())(np.ones((2000, 1, 8, 8)))
    sizes = (out == 3).sum((1, 2, 3))
    assert set(sizes.tolist()) >= {16, 8, 4} and sizes.min() >= 4 and sizes.max() == 16
    assert_allclose((sizes == 16).mean(), (5 / 8) ** 2, atol=0.04)
    assert (Cutout(2, n_holes=500)(np.ones((1, 1, 4, 4))) == 0).all()


def test_color_jitter_factors():
    x = images(2)
    gray = 0.2989 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]
    assert_allclose(ColorJitter(brightness=(1.7, 1.7))(x), np.clip(1.7 * x, 0, 1))
    mean = gray.mean((1, 2))[:, None, None, None]
    assert_allclose(ColorJitter(contrast=(0.25, 0.25))(x), 0.25 * x + 0.75 * mean)
    assert_allclose(ColorJitter(contrast=(0, 0))(x), np.broadcast_to(mean, x.shape))
    assert_allclose(ColorJitter(saturation=(0, 0))(x), np.repeat(gray[:, None], 3, 1))
    assert_allclose(ColorJitter(saturation=(2, 2))(x), np.clip(2 * x - gray[:, None], 0, 1))
    assert_array_equal(ColorJitter()(x), x)
    one = images(2, c=1)
    assert_array_equal(ColorJitter(saturation=0.9, hue=0.4)(one), one)
    assert_allclose(ColorJitter(contrast=(0, 0))(one), np.broadcast_to(one.mean((2, 3), keepdims=True), one.shape))
    with pytest.raises(mg.ShapeError, match="1 channel or 3, not 2"):
        ColorJitter(1)(images(c=2))


@pytest.mark.parametrize("shift", [-0.5, -0.2, 0.1, 1 / 3, 0.5])
def test_color_jitter_hue_is_that_of_colorsys(shift):
    x = images(3, h=6, w=6)
    x[0, :, 0], x[0, 1, 1] = 0.4, x[0, 0, 1]  # gray, and ties
    out = ColorJitter(hue=(shift, shift))(x)
    for n, i, j in np.ndindex(3, 6, 6):
        h, s, v = colorsys.rgb_to_hsv(*x[n, :, i, j])
        assert_allclose(out[n, :, i, j], colorsys.hsv_to_rgb((h + shift) % 1, s, v), atol=1e-12)


def test_color_jitter_draws_within_limits_and_in_random_order():
    pixel = np.full((4000, 3, 1, 1), 0.4)
    pixel[:, 0] = 0.1
    factors = ColorJitter(brightness=0.3, generator=seeded())(pixel)[:, 1, 0, 0] / 0.4
    assert 0.7 <= factors.min() < 0.72 and 1.28 < factors.max() <= 1.3
    both = ColorJitter(brightness=(3, 3), saturation=(0, 0), generator=seeded())(pixel)[:, 0, 0, 0].round(6)
    assert len(set(both.tolist())) == 2, "clipped before or after it became gray"
    assert 1800 < (both == both[0]).sum() < 2200


# ------------------------------------------------------------------------------------------------------ composition


def test_to_tensor():
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    out = ToTensor()(picture)
    assert isinstance(out, mg.Tensor) and out.dtype == np.float32 and out.shape == (3, 2, 4)
    assert_allclose(out.numpy(), picture.transpose(2, 0, 1) / 255, rtol=1e-6)
    assert ToTensor()(picture[None]).shape == (1, 3, 2, 4)
    assert ToTensor()(picture[..., 0]).shape == (1, 2, 4)
    floats = ToTensor()(picture.astype(np.float64))
    assert floats.dtype == np.float64 and floats.max() == 23
    assert Compose([ToTensor(), Normalize(0.5, 0.5)])(picture).shape == (3, 2, 4)
    for wrong in (np.zeros(3), np.array([["a"]])):
        with pytest.raises(mg.ShapeError, match=r"^ToTensor: images are \(H, W\)"):
            ToTensor()(wrong)
    with pytest.raises(TypeError, match="already"):
        ToTensor()(mg.zeros(1, 2, 2))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "1", "F", "I", "LA"])
def test_to_tensor_of_an_image_of_pil(mode):
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(256, size=(4, 6, 3)).astype(np.uint8)
    picture = image.fromarray(pixels).convert(mode)
    out = ToTensor()(picture)
    expected = np.asarray(picture)
    expected = expected.reshape(4, 6, -1).transpose(2, 0, 1)
    scale = {"1": np.float32(1), "F": np.float32(1), "I": np.int32(1)}.get(mode, np.float32(255))
    assert out.shape == (len(picture.getbands()), 4, 6) and out.dtype == scale.dtype
    assert_allclose(out.numpy(), expected / scale)


@pytest.mark.parametrize("lead", [(), (5,)])
def test_to_tensor_never_takes_rows_for_channels(lead):
    """Images of floats have their channels first in this house; what may be either is refused."""
    for channels in (1, 3):
        floats = np.random.default_rng(0).random((*lead, channels, 28, 20), dtype=np.float32)
        out = ToTensor()(floats)
        assert_array_equal(out.numpy(), floats)
        out += 1
        assert floats.max() < 1, "the Tensor has values of its own"
        last = np.moveaxis(floats, -3, -1)
        assert_array_equal(ToTensor()(last).numpy(), floats)
        for whole in (np.uint8, np.int64):
            with pytest.raises(mg.ShapeError, match=r"^ToTensor: an image of \w+ is \(H, W, C\), and .* seems to have the channels first"):
                ToTensor()((floats * 255).astype(whole))
            assert ToTensor()((last * 255).astype(whole)).shape == (*lead, channels, 28, 20)
        with pytest.raises(mg.ShapeError, match=r"^ToTensor: floats of shape .* may be \(H, W, C\) or \(C, H, W\)"):
            ToTensor()(floats[..., :3])
    assert ToTensor()(np.zeros((*lead, 3, 2, 3), np.uint8)).shape == (*lead, 3, 3, 2), "bytes are (H, W, C)"


def test_to_tensor_anywhere_in_a_chain():
    """Before and after transforms of arrays, the images stay upright."""
    image = np.random.default_rng(0).random((1, 28, 28), dtype=np.float32)
    expected = Resize(20)(image)
    for chain in ([Resize(20), ToTensor()], [ToTensor(), Resize(20)], [CenterCrop(28), ToTensor(), Resize((20, 20))]):
        assert_allclose(np.asarray(Compose(chain)(image)), expected, rtol=1e-6)


@pytest.mark.parametrize("wrong", ["picture", [[1, 2], [3, 4]], None, 3])
def test_to_tensor_of_no_image(wrong):
    with pytest.raises(TypeError, match=r"^ToTensor: an array or an image of PIL is needed, not \w+"):
        ToTensor()(wrong)


def test_random_apply():
    x = images(400, dtype=np.float32)
    out = RandomApply([Normalize(1.0, 0.5), np.abs], p=0.3, generator=seeded())(x)  # one of them takes single images only
    changed = (out != x).any((1, 2, 3))
    assert_allclose(out[changed], np.abs((x[changed] - 1) * 2))
    assert 90 < changed.sum() < 150
    assert_array_equal(RandomApply([np.negative], p=0)(x), x)
    with pytest.raises(mg.ShapeError, match=r"made images \(3, 4, 4\) of images \(3, 9, 7\)"):
        RandomApply([CenterCrop(4)], p=1)(x)


def test_lambda():
    assert Lambda(np.negative, batched=True).batched
    assert not Lambda(np.negative).batched
    assert_array_equal(Lambda(np.negative)(np.ones(2)), [-1, -1])
    with pytest.raises(TypeError, match="lambd must be a function"):
        Lambda(3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomCrop(0),
        lambda: RandomCrop((1, 2, 3)),
        lambda: RandomCrop(2, padding=(1, 2, 3)),
        lambda: RandomCrop(2, padding_mode="wrap"),
        lambda: Pad(-1),
        lambda: Resize(0),
        lambda: Resize(4, "cubic"),
        lambda: Resize((4, 4), max_size=9),
        lambda: Resize(4, max_size=3),
        lambda: RandomResizedCrop(4, scale=(0, 1)),
        lambda: RandomResizedCrop(4, ratio=(2, 1)),
        lambda: RandomHorizontalFlip(1.5),
        lambda: RandomVerticalFlip(-0.1),
        lambda: RandomAffine(0, shear=(1, 2, 3)),
        lambda: RandomAffine(0, shear=(2, 1)),
        lambda: RandomAffine(0, interpolation="cubic"),
        lambda: RandomRotation(-1),
        lambda: RandomRotation(5, expand=True),
        lambda: RandomErasing(scale=(0.1, 2)),
        lambda: RandomErasing(value="black"),
        lambda: Cutout(0),
        lambda: Cutout(3, n_holes=0),
        lambda: ColorJitter(brightness=-1),
        lambda: ColorJitter(hue=0.6),
        lambda: ColorJitter(contrast=(2, 1)),
        lambda: RandomApply([], p=2),
    ],
)
def test_wrong_arguments(make):
    with pytest.raises(ValueError, match=r"^[A-Z]\w+: "):
        make()


def test_a_loader_augments_the_same_with_any_number_of_workers():
    chain = Compose([RandomCrop(28, padding=3), RandomAffine(10), RandomErasing(), Normalize(0.13, 0.31)])
    results = []
    for num_workers in (0, 2):
        mg.manual_seed(0)
        loader = DataLoader(Subset(MNIST(transform=chain), range(30)), 8, shuffle=True, num_workers=num_workers)
        results.append([images.numpy().tobytes() for _ in range(2) for images, _ in loader])
    assert results[0] == results[1]
    assert len(set(results[0])) == 8


def test_a_generator_of_ones_own_is_refused_in_workers():
    data = Subset(MNIST(transform=RandomCrop(28, padding=3, generator=seeded())), range(8))
    assert len(list(DataLoader(data, 4))) == 2
    with pytest.raises(RuntimeError, match=r"RandomCrop: its own generator was copied .* leave generator out"):
        list(DataLoader(data, 4, num_workers=1))


def test_images_of_pil_go_through_every_transform():
    """As scripts write them: ToTensor last or in the middle; the values are those of the array, without a rounding to bytes between."""
    image = pytest.importorskip("PIL.Image")
    bytes_ = np.random.default_rng(1).integers(0, 256, (12, 20, 3), np.uint8)
    photo, array = image.fromarray(bytes_), np.moveaxis(bytes_ / np.float32(255), -1, 0)
    for chain in ([Resize(8), CenterCrop(8)], [Pad(2), Grayscale(3)], [RandomCrop(6), ColorJitter(0.2, 0.2, 0.2, 0.1), RandomRotation(10)]):
        mg.manual_seed(4)
        of_photo = Compose([*chain, ToTensor(), Normalize((0.5, 0.4, 0.3), (0.5, 0.5, 0.5))])(photo)
        mg.manual_seed(4)
        of_array = Compose([*chain, Normalize((0.5, 0.4, 0.3), (0.5, 0.5, 0.5))])(array)
        assert of_photo.dtype == mg.float32
        assert_array_equal(of_photo.numpy(), of_array)
    assert Resize(8)(photo.convert("L")).shape == (1, 8, 13)


@pytest.mark.parametrize(
    "transform",
    [
        Pad(1, 255),
        RandomCrop(9, 2, fill=128),
        RandomRotation((20, 20), fill=(124, 116, 104)),
        RandomAffine((20, 20), fill=255),
        Cutout(3, fill=200),
    ],
)
def test_a_colour_of_bytes_among_floats_is_warned_of(transform):
    """torchvision's images of PIL are bytes, and these are floats from 0 to 1: a fill of 255 was 255 times as bright as white, without a word."""
    x = np.random.default_rng(0).random((1, 3, 9, 9), np.float32)
    with pytest.warns(UserWarning, match="white is 1, and a byte b is b / 255"):
        transform(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        transform(x * 255)  # other units
        transform(x - 0.5)  # normalised
        Pad(1, 1.0)(x)
        RandomErasing(1.0, value="random")(x)
    photo = pytest.importorskip("PIL.Image").fromarray(np.zeros((9, 9, 3), np.uint8))
    with pytest.warns(UserWarning, match="white is 1"):
        transform(photo)


def test_a_fill_that_bytes_cannot_hold_is_refused():
    x = np.zeros((1, 3, 5, 5), np.uint8)
    assert Pad(1, 255)(x).max() == 255
    for wrong in (0.5, 256, -1, float("nan")):
        with pytest.raises(ValueError, match="does not fit images of uint8, whole numbers from 0 to 255"):
            Pad(1, wrong)(x)


def test_other_channels_are_not_gray():
    for transform in (Grayscale(), RandomGrayscale(1.0)):
        with pytest.raises(mg.ShapeError, match=r"these images have 4 channels; image.convert\('RGB'\)"):
            transform(np.zeros((4, 5, 5), np.float32))


def test_an_interpolation_that_is_not_here_is_told():
    with pytest.raises(AttributeError, match="InterpolationMode has no BICUBIC: NEAREST and BILINEAR are here"):
        _ = InterpolationMode.BICUBIC
    assert InterpolationMode("nearest") is InterpolationMode.NEAREST and len(InterpolationMode) == 2


def test_grey_images():
    x = images()
    grey = Grayscale()(x)
    assert_allclose(grey[:, 0], 0.2989 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2])
    assert_array_equal(Grayscale(3)(x), np.repeat(grey, 3, 1))
    assert_array_equal(Grayscale()(grey), grey)
    some = RandomGrayscale(0.5, seeded())(x)
    lost = (some == grey).all((1, 2, 3))
    assert 0 < lost.sum() < 6 and some.shape == x.shape
    assert_array_equal(some[~lost], x[~lost])


def test_one_of_several_and_all_in_any_order():
    x = np.ones((200, 1, 1, 1))
    double, add = Normalize(0.0, 0.5), Normalize(-1.0, 1.0)
    assert set(RandomOrder([double, add], seeded())(x).ravel()) == {3.0, 4.0}
    assert set(RandomChoice([double, add, Normalize(2.0, 1.0)], generator=seeded())(x).ravel()) == {2.0, -1.0}
    drawn = RandomChoice([double, Normalize(2.0, 1.0)], p=[3, 1], generator=seeded())(x)
    assert 0.65 < (drawn == 2).mean() < 0.85
    with pytest.raises(ValueError, match="RandomChoice: p must be 1 weights of 0 or above, not all 0"):
        RandomChoice([double], p=[0.5, 0.5])


def test_interpolations_by_torchvision_s_names_and_pil_s_numbers():
    x = images()
    for name, others in (("nearest", (InterpolationMode.NEAREST, 0)), ("bilinear", (InterpolationMode.BILINEAR, 2))):
        for other in others:
            assert_array_equal(Resize(5, interpolation=other)(x), Resize(5, interpolation=name)(x))


@pytest.mark.parametrize(
    ("transform", "text"),  # as torchvision writes them
    [
        (ToTensor(), "ToTensor()"),
        (Normalize((0.5,), (0.25,)), "Normalize(mean=(0.5,), std=(0.25,))"),
        (Resize(32), "Resize(size=32, interpolation=bilinear, max_size=None, antialias=True)"),
        (Resize((3, 4), InterpolationMode.NEAREST), "Resize(size=(3, 4), interpolation=nearest, max_size=None, antialias=True)"),
        (CenterCrop(5), "CenterCrop(size=(5, 5))"),
        (Pad(2), "Pad(padding=2, fill=0, padding_mode=constant)"),
        (Pad((1, 2), padding_mode="reflect"), "Pad(padding=(1, 2), fill=0, padding_mode=reflect)"),
        (Lambda(np.negative), "Lambda()"),
        (RandomApply([ToTensor(), CenterCrop(5)], p=0.3), "RandomApply(\n    p=0.3\n    ToTensor()\n    CenterCrop(size=(5, 5))\n)"),
        (RandomOrder([ToTensor()]), "RandomOrder(\n    ToTensor()\n)"),
        (RandomChoice([ToTensor()]), "RandomChoice(\n    ToTensor()\n)(p=None)"),
        (RandomChoice([ToTensor()], p=[1.0]), "RandomChoice(\n    ToTensor()\n)(p=[1.0])"),
        (RandomCrop(32, padding=4), "RandomCrop(size=(32, 32), padding=4)"),
        (RandomCrop((3, 4)), "RandomCrop(size=(3, 4), padding=None)"),
        (RandomHorizontalFlip(), "RandomHorizontalFlip(p=0.5)"),
        (
            RandomResizedCrop(22),
            "RandomResizedCrop(size=(22, 22), scale=(0.08, 1.0), ratio=(0.75, 1.3333), interpolation=bilinear, antialias=True)",
        ),
        (ColorJitter(0.5, hue=0.25), "ColorJitter(brightness=(0.5, 1.5), contrast=None, saturation=None, hue=(-0.25, 0.25))"),
        (RandomRotation(10), "RandomRotation(degrees=[-10.0, 10.0], interpolation=nearest, expand=False, fill=0)"),
        (
            RandomRotation((0, 5), center=(1, 2)),
            "RandomRotation(degrees=[0.0, 5.0], interpolation=nearest, expand=False, center=(1, 2), fill=0)",
        ),
        (RandomAffine(10, interpolation="nearest"), "RandomAffine(degrees=[-10.0, 10.0])"),
        (
            RandomAffine(0, translate=(0.1, 0.1), scale=(0.9, 1.1), shear=5, fill=3),
            "RandomAffine(degrees=[0.0, 0.0], translate=(0.1, 0.1), scale=(0.9, 1.1), shear=[-5.0, 5.0], interpolation=bilinear, fill=3)",
        ),
        (Grayscale(), "Grayscale(num_output_channels=1)"),
        (RandomErasing(), "RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False)"),
        (GaussianBlur(3), "GaussianBlur(kernel_size=(3, 3), sigma=(0.1, 2.0))"),
        (TenCrop(3), "TenCrop(size=(3, 3), vertical_flip=False)"),
        (ToPILImage(), "ToPILImage()"),
        (ToPILImage("RGB"), "ToPILImage(mode=RGB)"),
        (Compose([ToTensor(), CenterCrop((3, 4))]), "Compose(\n    ToTensor()\n    CenterCrop(size=(3, 4))\n)"),
    ],
)
def test_transforms_show_how_they_were_made(transform, text):
    assert repr(transform) == text
