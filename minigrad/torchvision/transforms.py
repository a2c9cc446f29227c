"""``torchvision.transforms``."""

# mypy: implicit-reexport

from minigrad.nn.data.transforms import (
    CenterCrop, ColorJitter, Compose, Grayscale, InterpolationMode, Lambda, Normalize, Pad, RandomAffine, RandomApply, RandomChoice, RandomCrop,
    RandomErasing, RandomGrayscale, RandomHorizontalFlip, RandomOrder, RandomResizedCrop, RandomRotation, RandomVerticalFlip, Resize, ToTensor,
)  # fmt: skip
