"""Images through global filters (GFNet): tokens are multiplied in the frequency domain by a complex weight, kept as real numbers or as complex.

With a loss between spectra, weighted by how far they are apart (focal frequency loss), an augmentation of phases and amplitudes, and complex
layers of a small "deep complex" head.
"""

import math
from functools import partial

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import labelled_images, normal


class GlobalFilter(nn.Module):
    def __init__(self, dim, h=4, w=3):
        super().__init__()
        self.complex_weight = nn.Parameter(torch.randn(h, w, dim, 2, dtype=torch.float64) * 0.02)
        self.w, self.h = w, h

    def forward(self, x, spatial_size=None):
        B, N, C = x.shape
        a, b = (int(math.sqrt(N)),) * 2 if spatial_size is None else spatial_size
        x = x.view(B, a, b, C)
        x = torch.fft.rfft2(x, dim=(1, 2), norm="ortho")
        weight = torch.view_as_complex(self.complex_weight)
        x = x * weight
        x = torch.fft.irfft2(x, s=(a, b), dim=(1, 2), norm="ortho")
        return x.reshape(B, N, C)


class ComplexFilter(nn.Module):
    """The same with a complex parameter, and a shrinkage of the small coefficients (AFNO)."""

    def __init__(self, dim, h=4, w=3, blocks=2, sparsity=0.01):
        super().__init__()
        self.blocks, self.size, self.sparsity = blocks, dim // blocks, sparsity
        self.weight = nn.Parameter(torch.ones(h, w, dim, dtype=torch.cdouble))
        self.mix = nn.Parameter(torch.zeros(blocks, self.size, self.size, dtype=torch.cdouble))
        self.bias = nn.Parameter(torch.zeros(blocks, self.size, dtype=torch.cdouble))

    def forward(self, x):
        B, N, C = x.shape
        side = int(math.sqrt(N))
        bias = x
        z = torch.fft.rfft2(x.reshape(B, side, side, C), dim=(1, 2), norm="ortho") * self.weight
        z = z.reshape(B, side, side // 2 + 1, self.blocks, self.size)
        z = z + torch.einsum("...bi,bio->...bo", z, self.mix) + self.bias
        z = torch.view_as_complex(F.softshrink(torch.view_as_real(z), lambd=self.sparsity))
        z = z.reshape(B, side, side // 2 + 1, C)
        return torch.fft.irfft2(z, s=(side, side), dim=(1, 2), norm="ortho").reshape(B, N, C) + bias


class Block(nn.Module):
    def __init__(self, dim, mlp_ratio=2.0, norm_layer=nn.LayerNorm, filter_layer=GlobalFilter):
        super().__init__()
        self.norm1, self.filter, self.norm2 = norm_layer(dim), filter_layer(dim), norm_layer(dim)
        hidden = int(dim * mlp_ratio)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(self, x):
        return x + self.mlp(self.norm2(self.filter(self.norm1(x))))


class ComplexLinear(nn.Module):
    """A complex layer of two real ones, and the activation of both parts."""

    def __init__(self, i, o):
        super().__init__()
        self.fc_r, self.fc_i = nn.Linear(i, o), nn.Linear(i, o)

    def forward(self, z):
        real, imag = self.fc_r(z.real) - self.fc_i(z.imag), self.fc_r(z.imag) + self.fc_i(z.real)
        z = real + 1j * imag
        return torch.complex(F.relu(z.real), F.relu(z.imag))


class GFNet(nn.Module):
    def __init__(self, img_size=8, patch=2, in_chans=1, num_classes=3, dim=8):
        super().__init__()
        self.patch_embed = nn.Conv2d(in_chans, dim, kernel_size=patch, stride=patch)
        self.pos_embed = nn.Parameter(torch.zeros(1, (img_size // patch) ** 2, dim))
        norm_layer = partial(nn.LayerNorm, eps=1e-6)
        self.blocks = nn.ModuleList(Block(dim, norm_layer=norm_layer, filter_layer=f) for f in (GlobalFilter, ComplexFilter))
        self.norm = norm_layer(dim)
        self.head, self.complex_head = nn.Linear(dim, num_classes), ComplexLinear(dim, 4)
        self.magnitude = nn.Linear(4, num_classes)

    def forward(self, x):
        x = self.patch_embed(x).flatten(2).transpose(1, 2) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        spectrum = torch.fft.fft(x, dim=1)[:, :3].mean(1)
        return self.head(x.mean(1)) + self.magnitude(self.complex_head(spectrum).abs()), x


class FocalFrequencyLoss(nn.Module):
    def __init__(self, alpha=1.0):
        super().__init__()
        self.alpha = alpha

    def tensor2freq(self, x):
        freq = torch.fft.fft2(x, norm="ortho")
        return torch.stack([freq.real, freq.imag], -1)

    def forward(self, pred, target):
        recon, real = self.tensor2freq(pred), self.tensor2freq(target)
        distance = (recon - real) ** 2
        weight = torch.sqrt(distance[..., 0] + distance[..., 1]) ** self.alpha
        weight = torch.clamp(weight / weight.amax(dim=(-2, -1), keepdim=True), min=0.0, max=1.0).detach()
        return torch.mean(weight * (distance[..., 0] + distance[..., 1]))


def mix_amplitudes(a, b, ratio):
    """The phases of ``a`` with amplitudes between those of both, in the middle of the shifted spectrum only."""
    fa, fb = torch.fft.fftshift(torch.fft.fft2(a), dim=(-2, -1)), torch.fft.fftshift(torch.fft.fft2(b), dim=(-2, -1))
    amplitude, phase = torch.abs(fa), torch.angle(fa)
    mask = torch.zeros(a.shape[-2:], dtype=torch.bool)
    mask[2:6, 2:6] = True
    amplitude = torch.where(mask, (1 - ratio) * amplitude + ratio * fb.abs(), amplitude)
    mixed = amplitude * torch.exp(1j * phase)
    return torch.fft.ifft2(torch.fft.ifftshift(mixed, dim=(-2, -1))).real


def main():
    images, labels = (torch.from_numpy(a) for a in labelled_images(3, 12, 3))
    images = torch.cat([images, mix_amplitudes(images, images.roll(1, 0), 0.3)])
    labels = labels.repeat(2)
    torch.manual_seed(0)
    model, decoder = GFNet(), nn.Linear(8, 4)
    params = [*model.named_parameters(), *decoder.named_parameters()]
    with torch.no_grad():
        for i, (name, p) in enumerate(params):
            if p.is_complex():
                p.copy_(
                    torch.view_as_complex(torch.from_numpy(normal(i, *p.shape, 2, scale=0.2)))
                    + (1.0 if name.endswith("filter.weight") else 0.0)
                )
            elif not name.startswith("norm") and "norm" not in name:
                p.copy_(torch.from_numpy(normal(i, *p.shape, scale=0.3)))
    decay = [p for _, p in params if p.ndim > 1]
    rest = [p for _, p in params if p.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}], lr=5e-3)
    spectral, losses = FocalFrequencyLoss(), []
    averaged = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    for _step in range(7):
        logits, tokens = model(images)
        rebuilt = F.pixel_shuffle(decoder(tokens).transpose(1, 2).reshape(-1, 4, 4, 4), 2)
        l1 = F.l1_loss(torch.fft.rfft2(rebuilt), torch.fft.rfft2(images))
        loss = F.cross_entropy(logits, labels, label_smoothing=0.1) + spectral(rebuilt, images) + 0.02 * l1
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        averaged.update_parameters(model)
        losses.append(loss.item())
    weight = model.blocks[1].filter.weight
    losses += [weight.grad.abs().mean().item(), weight.detach().real.std().item(), weight.imag.norm().item()]
    with torch.no_grad():
        losses.append(F.cross_entropy(averaged(images)[0], labels).item())
    kept = {k: v.clone() for k, v in model.state_dict().items() if v.is_complex()}
    return [*losses, len(kept), sum(v.abs().sum().item() for v in kept.values())]


if __name__ == "__main__":
    print(main())
