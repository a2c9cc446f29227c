"""``torch.distributions.kl``."""

# mypy: implicit-reexport

from minigrad.distributions.kl import kl_divergence, register_kl
