"""``torch.fft``."""

# mypy: implicit-reexport

from minigrad.ops.fft import (
    fft, fft2, fftfreq, fftn, fftshift, hfft, ifft, ifft2, ifftn, ifftshift, ihfft, irfft, irfft2, irfftn, rfft, rfft2, rfftfreq, rfftn,
)  # fmt: skip
