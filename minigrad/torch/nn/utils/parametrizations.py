"""``torch.nn.utils.parametrizations``."""

# mypy: implicit-reexport

from minigrad.nn.utils.parametrizations import orthogonal, spectral_norm, weight_norm
