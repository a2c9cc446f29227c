"""``torchvision.transforms``."""

# mypy: implicit-reexport

from minigrad.nn.data import (
    CenterCrop, ColorJitter, Compose, ConvertImageDtype, FiveCrop, GaussianBlur, Grayscale, InterpolationMode, Lambda, Normalize, Pad, PILToTensor,
    RandomAffine, RandomApply, RandomChoice, RandomCrop, RandomErasing, RandomGrayscale, RandomHorizontalFlip, RandomOrder, RandomResizedCrop,
    RandomRotation, RandomVerticalFlip, Resize, TenCrop, ToPILImage, ToTensor,
)  # fmt: skip
from minigrad.torchvision.transforms import functional, v2
