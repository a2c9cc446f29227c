"""``torch.distributions``."""
