"""Optimisers and learning-rate schedulers under PyTorch's names, with PyTorch's formulas: ``torch.optim``.

>>> import minigrad as mg
>>> from minigrad.nn import optim
>>> w = mg.tensor([1.0, -2.0], requires_grad=True)
>>> optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
>>> for _ in range(2):
...     optimizer.zero_grad()
...     (w * w).sum().backward()
...     optimizer.step()
>>> w
tensor([ 0.4600, -0.9200], requires_grad=True)
"""

from minigrad.nn.optim import lr_scheduler, swa_utils
from minigrad.nn.optim.adam import Adam, Adamax, AdamW, NAdam, RAdam
from minigrad.nn.optim.adaptive import ASGD, Adadelta, Adagrad, RMSprop, Rprop
from minigrad.nn.optim.lbfgs import LBFGS
from minigrad.nn.optim.matrix import Adafactor, Muon
from minigrad.nn.optim.optimizer import Optimizer
from minigrad.nn.optim.sgd import SGD

__all__ = [
    "ASGD", "LBFGS", "SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Muon", "NAdam", "Optimizer", "RAdam", "RMSprop",
    "Rprop",
    "lr_scheduler", "swa_utils",
]  # fmt: skip
