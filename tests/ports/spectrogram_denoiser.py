"""Speech from noise: a mask over the spectrogram, back to samples, with losses of spectra at several resolutions and a mel filter bank."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import normal, same_weights


def mel_filters(n_mels, n_fft, sample_rate):
    def mel(hz):
        return 2595.0 * torch.log10(1.0 + hz / 700.0)

    edges = torch.linspace(mel(torch.tensor(0.0)), mel(torch.tensor(sample_rate / 2)), n_mels + 2)
    edges = 700.0 * (10.0 ** (edges / 2595.0) - 1.0)
    freqs = torch.linspace(0, sample_rate // 2, n_fft // 2 + 1)
    slopes = edges.unsqueeze(0) - freqs.unsqueeze(1)
    width = edges[1:] - edges[:-1]
    return torch.max(torch.zeros(1), torch.min(-slopes[:, :-2] / width[:-1], slopes[:, 2:] / width[1:]))


class Denoiser(nn.Module):
    def __init__(self, n_fft=32, hop=8, n_mels=8):
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.register_buffer("mel", mel_filters(n_mels, n_fft, 800))
        self.gru = nn.GRU(n_mels, 10, batch_first=True)
        self.mask = nn.Linear(10, n_fft // 2 + 1)

    def forward(self, x):
        spec = torch.stft(x, self.n_fft, hop_length=self.hop, window=self.window, center=True, return_complex=True)
        power = spec.abs().pow(2)
        log_mel = torch.log(torch.matmul(power.transpose(1, 2), self.mel) + 1e-6)
        hidden, _ = self.gru((log_mel - log_mel.mean()) / log_mel.std())
        mask = torch.sigmoid(self.mask(hidden)).transpose(1, 2)
        return torch.istft(mask * spec, self.n_fft, hop_length=self.hop, window=self.window, length=x.size(-1)), mask


class SpectralLoss(nn.Module):
    def __init__(self, sizes=(16, 32)):
        super().__init__()
        self.sizes = sizes

    def forward(self, x, y):
        total = 0.0
        for n in self.sizes:
            window = torch.hamming_window(n, device=x.device, dtype=x.dtype)
            a, b = (torch.stft(s, n, n // 4, window=window, return_complex=True).abs().clamp(min=1e-7) for s in (x, y))
            total = total + torch.norm(b - a, p="fro") / torch.norm(b, p="fro") + F.l1_loss(torch.log(a), torch.log(b))
        return total / len(self.sizes)


def main():
    t = torch.arange(256) / 800
    clean = torch.stack([torch.sin(2 * math.pi * f * t) * torch.exp(-3 * t) for f in (40.0, 90.0, 170.0)])
    noisy = clean + torch.from_numpy(normal(63, 3, 256, scale=0.3))
    model = same_weights(Denoiser())
    criterion = SpectralLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    losses = []
    for _step in range(6):
        estimate, mask = model(noisy)
        si = F.cosine_similarity(estimate, clean, dim=-1).mean()
        loss = criterion(estimate, clean) - si + 1e-2 * mask.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    spectrum = torch.fft.rfft(estimate.detach(), dim=-1)
    peak = torch.fft.rfftfreq(256, d=1 / 800)[spectrum.abs().argmax(dim=-1)]
    shifted = torch.fft.irfft(spectrum * torch.exp(-spectrum.abs()), n=256)
    return [*losses, *peak.tolist(), shifted.square().sum().item()]


if __name__ == "__main__":
    print(main())
