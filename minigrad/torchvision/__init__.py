"""``import minigrad.torchvision as torchvision``: torchvision's module names over what minigrad has of it."""

# mypy: implicit-reexport

from minigrad import __version__, absent
from minigrad.torchvision import datasets, models, ops, transforms, utils

absent.answer_for(__name__)
