"""``torchvision.transforms.v2``."""

# mypy: implicit-reexport

from minigrad.nn.data import (
    CenterCrop, ColorJitter, Compose, ConvertImageDtype, FiveCrop, GaussianBlur, Grayscale, InterpolationMode, Lambda, Normalize, Pad, PILToTensor,
    RandomAffine, RandomApply, RandomChoice, RandomCrop, RandomErasing, RandomGrayscale, RandomHorizontalFlip, RandomOrder, RandomResizedCrop,
    RandomRotation, RandomVerticalFlip, Resize, TenCrop, ToPILImage, ToTensor,
    CutMix, MixUp, ToDtype, ToImage,
)  # fmt: skip
from minigrad.nn.data.transforms import Grayscale as RGBToGrayscale
from minigrad.torchvision.transforms.v2 import functional
