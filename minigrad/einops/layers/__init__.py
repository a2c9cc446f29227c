"""einops' layers, by library: :mod:`minigrad.einops.layers.torch` is in the place of ``einops.layers.torch``."""
