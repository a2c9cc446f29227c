"""A module with a layer, a parameter and two buffers, and one that holds two of it."""

import minigrad as mg
from minigrad import nn


class Block(nn.Module):
    def __init__(self, size=4):
        super().__init__()
        self.lin = nn.Linear(size, size)
        self.scale = nn.Parameter(mg.ones(size))
        self.register_buffer("count", mg.zeros(()))
        self.register_buffer("cache", mg.zeros(2), persistent=False)

    def forward(self, x):
        return self.lin(x) * self.scale


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(4, 2, bias=False)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)
