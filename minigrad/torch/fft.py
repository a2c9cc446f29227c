"""``torch.fft``."""
