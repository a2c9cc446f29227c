"""Numbers for the scripts of this folder that are the same under every library: numpy draws them."""

import numpy as np


def normal(seed, *shape, scale=1.0):
    """An array of normal numbers."""
    return np.random.default_rng(seed).normal(0.0, scale, shape)


def integers(seed, high, *shape):
    """An array of whole numbers from 0 to ``high - 1``."""
    return np.random.default_rng(seed).integers(0, high, shape)


def labelled_images(seed, n, classes, channels=1, size=8):
    """Images, each with a pattern of its class under noise, and their labels."""
    rng = np.random.default_rng(seed)
    patterns = rng.normal(0.0, 1.0, (classes, channels, size, size))
    labels = rng.integers(0, classes, n)
    return patterns[labels] + rng.normal(0.0, 0.5, (n, channels, size, size)), labels


def same_weights(model, seed=0):
    """Give the parameters of a model values that depend on nothing but their names and shapes, and return the model."""
    rng = np.random.default_rng(seed)
    for name, p in sorted(model.named_parameters()):
        if p.ndim > 1:
            value = rng.normal(0.0, (p.numel() / p.shape[0]) ** -0.5, tuple(p.shape))
        else:
            value = rng.normal(1.0 if name.endswith("weight") else 0.0, 0.1, tuple(p.shape))
        p.data.copy_(p.data.new_tensor(value))
    return model
