"""``torch.backends``: switches that scripts set."""

# mypy: implicit-reexport

from minigrad.torch.backends import cpu, cuda, cudnn, mkl, mkldnn, mps, openmp
