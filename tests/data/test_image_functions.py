"""Transforms as functions, gradients through transforms, forms of images, MixUp and CutMix: torchvision's documented formulas, PyTorch's ops as reference."""

import colorsys

import numpy as np
import pytest
from answers import torch
from numpy.testing import assert_allclose, assert_array_equal

import minigrad as mg
import minigrad.torchvision
import minigrad.torchvision.transforms.functional as TF
import minigrad.torchvision.transforms.v2 as v2
from minigrad.nn import data
from minigrad.testing import gradcheck

SEED = np.random.default_rng(0)
BATCH = SEED.random((2, 3, 6, 5))


def generator(seed=0):
    return mg.Generator().manual_seed(seed)


# ------------------------------------------------------------------------------------------------------- gradients

DIFFERENTIABLE = {
    "normalize": lambda x: TF.normalize(x, [0.4, 0.5, 0.6], [0.1, 0.2, 0.3]),
    "resize": lambda x: TF.resize(x, (4, 7)),
    "resize down": lambda x: TF.resize(x, 3),
    "crop": lambda x: TF.crop(x, 1, -1, 4, 8),
    "center_crop": lambda x: TF.center_crop(x, (4, 7)),
    "hflip": TF.hflip,
    "vflip": TF.vflip,
    "pad": lambda x: TF.pad(x, (1, 2, 0, 1), fill=0.5),
    "pad reflect": lambda x: TF.pad(x, 2, padding_mode="reflect"),
    "pad symmetric": lambda x: TF.pad(x, (1, 0), padding_mode="symmetric"),
    "rotate": lambda x: TF.rotate(x, 30.0, "bilinear", expand=True, fill=0.5),
    "rotate nearest": lambda x: TF.rotate(x, 20.0),
    "affine": lambda x: TF.affine(x, 10.0, (1, -1), 1.2, (5.0, -3.0), "bilinear"),
    "brightness": lambda x: TF.adjust_brightness(x, 0.7),
    "contrast": lambda x: TF.adjust_contrast(x, 0.6),
    "saturation": lambda x: TF.adjust_saturation(x, 0.6),
    "sharpness": lambda x: TF.adjust_sharpness(x, 0.5),
    "hue": lambda x: TF.adjust_hue(x, 0.17),
    "gamma": lambda x: TF.adjust_gamma(x, 2.2),
    "grayscale": lambda x: TF.rgb_to_grayscale(x, 3),
    "gaussian_blur": lambda x: TF.gaussian_blur(x, (3, 5)),
    "invert": TF.invert,
    "solarize": lambda x: TF.solarize(x, 0.55),
    "autocontrast": TF.autocontrast,
    "erase": lambda x: TF.erase(x, 1, 2, 3, 2, 0.0),
    "five_crop": lambda x: mg.stack(list(TF.five_crop(x, (3, 4)))),
    "RandomCrop": lambda x: data.RandomCrop(4, padding=1, generator=generator())(x),
    "RandomResizedCrop": lambda x: data.RandomResizedCrop(4, generator=generator())(x),
    "RandomHorizontalFlip": lambda x: data.RandomHorizontalFlip(generator=generator(1))(x),
    "RandomErasing": lambda x: data.RandomErasing(1.0, generator=generator())(x),
    "ColorJitter": lambda x: data.ColorJitter(0.1, 0.1, 0.1, 0.1, generator=generator())(x * 0.5 + 0.2),
    "RandomGrayscale": lambda x: data.RandomGrayscale(0.5, generator=generator())(x),
    "RandomApply": lambda x: data.RandomApply([data.Normalize(0.5, 2.0)], generator=generator(1))(x),
    "RandomOrder": lambda x: data.RandomOrder([data.Normalize(0.5, 2.0), data.Grayscale()], generator=generator())(x),
    "GaussianBlur": lambda x: data.GaussianBlur(3, generator=generator())(x),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_flow_and_values_are_those_of_arrays(name):
    transform = DIFFERENTIABLE[name]
    x = mg.tensor(BATCH, requires_grad=True)
    out = transform(x)
    assert out.requires_grad
    before = BATCH.copy()
    assert_allclose(out.numpy(force=True), np.asarray(transform(BATCH)), rtol=1e-12, atol=1e-15)
    assert_array_equal(BATCH, before)
    gradcheck(transform, mg.tensor(BATCH, requires_grad=True))
    if name in ("five_crop", "ColorJitter", "GaussianBlur") or name.startswith("Random"):
        return  # a tuple, and draws for each image of a batch
    assert_allclose(np.asarray(transform(BATCH[0])), out.numpy(force=True)[0], rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------------------------------------------------- values


def test_blur_is_a_depthwise_convolution():
    x = torch.tensor(BATCH)
    for size, sigma in (((3, 5), None), ((5, 3), (1.5, 0.5))):
        widths = sigma or tuple(0.3 * ((k - 1) * 0.5 - 1) + 0.8 for k in size)
        across, down = (np.exp(-0.5 * (np.linspace(-(k - 1) / 2, (k - 1) / 2, k) / s) ** 2) for k, s in zip(size, widths, strict=True))
        kernel = np.outer(down / down.sum(), across / across.sum())
        padded = torch.nn.functional.pad(x, [size[0] // 2, size[0] // 2, size[1] // 2, size[1] // 2], mode="reflect")
        expected = torch.nn.functional.conv2d(padded, torch.tensor(np.stack([kernel[None]] * 3)), groups=3)
        assert_allclose(TF.gaussian_blur(BATCH, size, sigma), expected.numpy(), rtol=1e-10)


def test_sharpness_blends_with_a_small_blur():
    kernel = np.ones((3, 3))
    kernel[1, 1] = 5
    blurred = torch.nn.functional.conv2d(torch.tensor(BATCH), torch.tensor(np.stack([kernel[None] / 13] * 3)), groups=3).numpy()
    expected = BATCH.copy()
    expected[:, :, 1:-1, 1:-1] = np.clip(1.5 * BATCH[:, :, 1:-1, 1:-1] - 0.5 * blurred, 0, 1)
    assert_allclose(TF.adjust_sharpness(BATCH, 1.5), expected, rtol=1e-10)
    assert_array_equal(TF.adjust_sharpness(BATCH[:, :, :2], 1.5), BATCH[:, :, :2])


def test_colours():
    grey = np.tensordot([0.2989, 0.587, 0.114], BATCH, (0, 1))[:, None]
    assert_allclose(TF.rgb_to_grayscale(BATCH), grey)
    assert_allclose(TF.adjust_brightness(BATCH, 1.5), np.minimum(BATCH * 1.5, 1))
    assert_allclose(TF.adjust_contrast(BATCH, 0.3), 0.3 * BATCH + 0.7 * grey.mean((1, 2, 3), keepdims=True))
    assert_allclose(TF.adjust_saturation(BATCH, 1.7), np.clip(1.7 * BATCH - 0.7 * grey, 0, 1))
    turned = TF.adjust_hue(BATCH, -0.3)
    for i in range(5):
        h, s, v = colorsys.rgb_to_hsv(*BATCH[0, :, 1, i])
        assert_allclose(turned[0, :, 1, i], colorsys.hsv_to_rgb((h - 0.3) % 1, s, v), rtol=1e-9)
    assert_allclose(TF.adjust_gamma(BATCH, 0.5, gain=2), np.minimum(2 * BATCH**0.5, 1))
    low, high = BATCH.min((2, 3), keepdims=True), BATCH.max((2, 3), keepdims=True)
    assert_allclose(TF.autocontrast(BATCH), (BATCH - low) / (high - low))
    assert TF.autocontrast(np.full((1, 2, 2), 0.3)).tolist() == np.full((1, 2, 2), 0.3).tolist()
    assert TF.invert(np.array([[[0, 200]]], np.uint8)).tolist() == [[[255, 55]]]
    assert TF.solarize(np.array([[[0, 200, 90]]], np.uint8), 100).tolist() == [[[0, 55, 90]]]
    for image, threshold in ((np.zeros((1, 2, 2)), 128), (np.zeros((1, 2, 2), np.uint8), 256)):  # nothing would be inverted
        with pytest.raises(ValueError, match="solarize: threshold must be at most"):
            TF.solarize(image, threshold)


def test_rotation_with_the_whole_image():
    image = np.arange(12.0).reshape(1, 3, 4)
    for angle, turns in ((90, 1), (180, 2), (270, 3), (-90, 3)):
        assert_allclose(TF.rotate(image, angle, expand=True), np.rot90(image, turns, (1, 2)))
    assert TF.rotate(np.zeros((1, 30, 40)), 45, expand=True).shape == (1, 50, 50)
    assert TF.rotate(np.zeros((1, 20, 20)), 30, expand=True).shape == (1, 28, 28)
    assert TF.rotate(np.ones((1, 8, 8)), 45, "bilinear", expand=True, fill=2.0).min() == 1.0


def test_affine_is_a_grid_sampled():
    """The matrix of torchvision's documentation: rotation, scale and shear about the middle, then the shift."""
    angle, (dx, dy), scale, (sx, sy) = np.deg2rad(20), (1.5, -0.5), 1.3, np.deg2rad([8.0, -4.0])
    a = np.cos(angle - sy) / np.cos(sy)
    b = -np.cos(angle - sy) * np.tan(sx) / np.cos(sy) - np.sin(angle)
    c = np.sin(angle - sy) / np.cos(sy)
    d = -np.sin(angle - sy) * np.tan(sx) / np.cos(sy) + np.cos(angle)
    inverse = np.linalg.inv([[a * scale, b * scale, dx], [c * scale, d * scale, dy], [0, 0, 1]])[:2]
    h, w = BATCH.shape[2:]
    theta = inverse * [[1, h / w, 2 / w], [w / h, 1, 2 / h]]
    grid = torch.nn.functional.affine_grid(torch.tensor(np.stack([theta] * 2)), [2, 3, h, w], align_corners=False)
    for mode in ("bilinear", "nearest"):
        expected = torch.nn.functional.grid_sample(torch.tensor(BATCH), grid, mode=mode, align_corners=False).numpy()
        assert_allclose(TF.affine(BATCH, 20, (dx, dy), scale, (8.0, -4.0), mode), expected, atol=1e-12)


def test_crops():
    image = np.arange(30.0).reshape(1, 5, 6)
    assert_array_equal(TF.crop(image, 1, 2, 3, 2), image[:, 1:4, 2:4])
    for top, left, height, width in ((-2, -1, 4, 4), (3, 4, 5, 5), (7, 0, 2, 3), (-9, 1, 3, 2), (-1, -1, 8, 9)):
        around = np.pad(image, ((0, 0), (10, 10), (10, 10)))
        assert_array_equal(TF.crop(image, top, left, height, width), around[:, 10 + top : 10 + top + height, 10 + left : 10 + left + width])
    found = TF.five_crop(image, (2, 3))
    assert isinstance(found, tuple) and [x[0, 0, 0] for x in found] == [0, 3, 18, 21, 14] and {x.shape for x in found} == {(1, 2, 3)}
    ten = TF.ten_crop(image, 2, vertical_flip=True)
    assert_array_equal(ten[5], image[:, ::-1][:, :2, :2])
    assert len(ten) == 10 and len(TF.ten_crop(image, 2)) == 10
    assert_allclose(TF.resized_crop(image, 1, 1, 4, 4, 2, antialias=False), TF.resize(image[:, 1:5, 1:5], [2, 2], antialias=False))
    assert TF.get_dimensions(image) == [1, 5, 6] and TF.get_image_size(image) == [6, 5] and TF.get_image_num_channels(image) == 1


# ----------------------------------------------------------------------------------------------------------- forms


@pytest.mark.parametrize("old", ["uint8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("new", ["uint8", "int16", "float32", "float64"])
def test_image_dtypes(old, new):
    """torchvision's documented rule, whose arithmetic is PyTorch's."""
    kinds = {"f": lambda d: None, "i": np.iinfo, "u": np.iinfo}
    most, least = (kinds[np.dtype(d).kind](d) for d in (old, new))
    values = np.array([[[0.0, 0.1, 0.5, 0.999, 1.0]]])
    x = values.astype(old) if most is None else (values * most.max).astype(old)
    t = torch.tensor(x)
    if old == new or (most is None and least is None):
        expected = t.to(getattr(torch, new))
    elif least is None:
        expected = t.to(getattr(torch, new)) / most.max
    elif most is None:
        if old == "float16":
            pytest.skip("too few digits")
        expected = (t * (least.max + 1.0 - 1e-3)).to(getattr(torch, new))
    elif most.max > least.max:
        expected = torch.div(t, (most.max + 1) // (least.max + 1), rounding_mode="floor").to(getattr(torch, new))
    else:
        expected = t.to(getattr(torch, new)) * ((least.max + 1) // (most.max + 1))
    for given in (x, mg.tensor(x)):
        found = TF.convert_image_dtype(given, np.dtype(new))
        assert type(found) is type(given) and found.dtype == new
        assert_allclose(np.asarray(found), expected.numpy(), rtol=1e-6)
    assert v2.ToDtype(mg.float64)(mg.tensor(x)).tolist() == x.astype(np.float64).tolist()


def test_floats_have_too_few_digits_for_large_numbers():
    with pytest.raises(RuntimeError, match="float32 has too few digits for the values of int32"):
        TF.convert_image_dtype(mg.zeros(1, 1, 1), mg.int32)


def test_images_of_pil_there_and_back():
    image_of = pytest.importorskip("PIL.Image", reason="needs Pillow")
    bytes_ = SEED.integers(0, 256, (4, 6, 3)).astype(np.uint8)
    picture = image_of.fromarray(bytes_)
    assert_array_equal(TF.pil_to_tensor(picture).numpy(), np.moveaxis(bytes_, -1, 0))
    assert_array_equal(v2.ToImage()(picture).numpy(), np.moveaxis(bytes_, -1, 0))
    assert_array_equal(v2.ToImage()(bytes_).numpy(), np.moveaxis(bytes_, -1, 0))
    assert_array_equal(np.asarray(TF.to_pil_image(TF.to_tensor(picture))), bytes_)
    assert_array_equal(np.asarray(TF.to_pil_image(bytes_)), bytes_)
    assert TF.get_dimensions(picture) == [3, 4, 6] and TF.get_image_size(picture) == [6, 4]
    grey = TF.to_pil_image(mg.tensor([[[0.0, 1.0]]]))
    assert grey.mode == "L" and np.asarray(grey).tolist() == [[0, 255]]
    assert TF.to_pil_image(mg.tensor([[[0.0, 1.0]]]), mode="RGB").getbands() == ("R", "G", "B")
    both = v2.Compose([v2.ToImage(), v2.ToDtype(mg.float32, scale=True), v2.Normalize([0.5] * 3, [0.5] * 3), v2.RandomCrop(4)])
    assert both(picture).shape == (3, 4, 4) and both(picture).dtype == mg.float32


# ---------------------------------------------------------------------------------------------------------- mixing


@pytest.mark.parametrize("kind", [v2.MixUp, v2.CutMix])
def test_labels_are_mixed_as_images_are(kind):
    """Each image has one value, so that its share can be read in the result."""
    images = mg.tensor(np.arange(4.0)).reshape(4, 1, 1, 1).expand(4, 2, 12, 10)
    shares = []
    for seed in range(8):
        mixed, labels = kind(alpha=0.8, num_classes=4, generator=generator(seed))(images, mg.arange(4))
        assert labels.dtype == mg.float32 and labels.shape == (4, 4)
        share = float(labels[1, 1])
        shares.append(share)
        assert_allclose(labels.numpy(), share * np.eye(4) + (1 - share) * np.roll(np.eye(4), 1, 0), atol=1e-6)
        before = np.roll(np.arange(4.0), 1)
        assert_allclose(mixed.numpy().mean((1, 2, 3)), share * np.arange(4.0) + (1 - share) * before, atol=1e-6)
        if kind is v2.CutMix:
            assert all(set(np.unique(x)) <= {i, b} for x, i, b in zip(mixed.numpy(), np.arange(4.0), before, strict=True))
    assert len(set(shares)) > 4 and 0 <= min(shares) < max(shares) <= 1


def test_shares_of_mixup_are_drawn_from_beta():
    draw = v2.MixUp(alpha=0.4, num_classes=2, generator=generator())
    shares = [float(draw(mg.zeros(2, 1, 1, 1), mg.arange(2))[1][0, 0]) for _ in range(800)]
    assert abs(np.mean(shares) - 0.5) < 0.05 and abs(np.var(shares) - 0.25 / 1.8) < 0.02  # Beta(a, a): 1 / (4 (2a + 1))


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: v2.MixUp()(mg.zeros(2, 1, 1, 1), mg.arange(2)), ValueError, "MixUp: num_classes is needed"),
    (lambda: v2.CutMix(num_classes=2)(mg.zeros(2, 1, 1, 1), mg.arange(3)), mg.ShapeError, r"\(3,\) are no labels \(N,\)"),
    (lambda: v2.MixUp(num_classes=2)(mg.zeros(2, 1, 1), mg.arange(2)), mg.ShapeError, r"a batch \(N, C, H, W\) of floats"),
    (lambda: v2.MixUp(num_classes=2)(np.zeros((2, 1, 1, 1)), mg.arange(2)), TypeError, "a batch is Tensors"),
    (lambda: TF.rotate(BATCH, 30, expand=True, center=(1, 1)), ValueError, "leave center out"),
    (lambda: TF.gaussian_blur(BATCH, 4), ValueError, "gaussian_blur: kernel_size is odd"),
    (lambda: TF.gaussian_blur(BATCH, 3, 0.0), ValueError, "sigma must be above 0"),
    (lambda: TF.adjust_hue(BATCH, 0.7), ValueError, "hue_factor is from -0.5 to 0.5"),
    (lambda: TF.adjust_contrast(BATCH[:, :2], 0.7), mg.ShapeError, "adjust_contrast: images have 1 channel or 3, not 2"),
    (lambda: TF.five_crop(BATCH, 7), mg.ShapeError, "FiveCrop: a window of 7x7 does not fit"),
    (lambda: TF.hflip(np.zeros(3)), mg.ShapeError, "hflip: images are"),
    (lambda: TF.to_pil_image(np.zeros(3)), mg.ShapeError, "an image has 2 or 3 dimensions"),
    (lambda: TF.pil_to_tensor(BATCH), TypeError, "an image of PIL is needed"),
])  # fmt: skip
def test_what_is_refused(call, error, message):
    if "PIL" in message or "2 or 3" in message:
        pytest.importorskip("PIL.Image", reason="needs Pillow")
    with pytest.raises(error, match=message):
        call()
