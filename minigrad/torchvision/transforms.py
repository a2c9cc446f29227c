"""``torchvision.transforms``."""

# mypy: implicit-reexport

from minigrad.nn.data.transforms import (
    CenterCrop, ColorJitter, Compose, Lambda, Normalize, Pad, RandomAffine, RandomApply, RandomCrop, RandomErasing, RandomHorizontalFlip,
    RandomResizedCrop, RandomRotation, RandomVerticalFlip, Resize, ToTensor,
)  # fmt: skip
