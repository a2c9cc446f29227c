"""A Fourier neural operator learns the solution of a heat equation on a grid: complex weights for the lowest modes, Adam, a checkpoint."""

import io
import math
import operator
from functools import reduce

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import normal


class SpectralConv2d(nn.Module):
    def __init__(self, in_channels, out_channels, modes1, modes2):
        super().__init__()
        self.out_channels, self.modes1, self.modes2 = out_channels, modes1, modes2
        self.scale = 1 / (in_channels * out_channels)
        self.weights1 = nn.Parameter(self.scale * torch.rand(in_channels, out_channels, modes1, modes2, dtype=torch.cfloat))
        self.weights2 = nn.Parameter(self.scale * torch.rand(in_channels, out_channels, modes1, modes2, dtype=torch.cfloat))

    def compl_mul2d(self, input, weights):
        return torch.einsum("bixy,ioxy->boxy", input, weights)

    def forward(self, x):
        batchsize = x.shape[0]
        x_ft = torch.fft.rfft2(x)
        out_ft = torch.zeros(batchsize, self.out_channels, x.size(-2), x.size(-1) // 2 + 1, dtype=x_ft.dtype, device=x.device)
        out_ft[:, :, : self.modes1, : self.modes2] = self.compl_mul2d(x_ft[:, :, : self.modes1, : self.modes2], self.weights1)
        out_ft[:, :, -self.modes1 :, : self.modes2] = self.compl_mul2d(x_ft[:, :, -self.modes1 :, : self.modes2], self.weights2)
        return torch.fft.irfft2(out_ft, s=(x.size(-2), x.size(-1)))


class FNO2d(nn.Module):
    def __init__(self, modes1, modes2, width, layers=2):
        super().__init__()
        self.padding = 2
        self.fc0 = nn.Linear(3, width)
        self.convs = nn.ModuleList([SpectralConv2d(width, width, modes1, modes2) for _ in range(layers)])
        self.ws = nn.ModuleList([nn.Conv2d(width, width, 1) for _ in range(layers)])
        self.fc1, self.fc2 = nn.Linear(width, 12), nn.Linear(12, 1)

    def forward(self, x):
        x = torch.cat((x, self.get_grid(x.shape, x.device)), dim=-1)
        x = self.fc0(x).permute(0, 3, 1, 2)
        x = F.pad(x, [0, self.padding, 0, self.padding])
        for i, (conv, w) in enumerate(zip(self.convs, self.ws, strict=True)):
            x = conv(x) + w(x)
            if i < len(self.convs) - 1:
                x = F.gelu(x)
        x = x[..., : -self.padding, : -self.padding].permute(0, 2, 3, 1)
        return self.fc2(F.gelu(self.fc1(x)))

    def get_grid(self, shape, device):
        batchsize, size_x, size_y = shape[0], shape[1], shape[2]
        gridx = torch.linspace(0, 1, size_x, device=device).reshape(1, size_x, 1, 1).repeat([batchsize, 1, size_y, 1])
        gridy = torch.linspace(0, 1, size_y, device=device).reshape(1, 1, size_y, 1).repeat([batchsize, size_x, 1, 1])
        return torch.cat((gridx, gridy), dim=-1)


class LpLoss:
    def rel(self, x, y):
        n = x.size()[0]
        diff_norms = torch.norm(x.reshape(n, -1) - y.reshape(n, -1), 2, 1)
        return torch.mean(diff_norms / torch.norm(y.reshape(n, -1), 2, 1))

    def __call__(self, x, y):
        return self.rel(x, y)


def heat(a, t=0.02):
    k = torch.fft.fftfreq(a.shape[-1], d=1 / a.shape[-1]) * 2 * math.pi
    decay = torch.exp(-t * (k[:, None] ** 2 + k[None, :] ** 2))
    return torch.fft.ifft2(torch.fft.fft2(a) * decay).real


def count_params(model):
    return sum(reduce(operator.mul, list(p.size() + (2,) if p.is_complex() else p.size())) for p in model.parameters())


def main():
    a = torch.from_numpy(normal(1, 6, 9, 9))
    u = heat(a).unsqueeze(-1)
    torch.manual_seed(0)
    model = FNO2d(3, 3, 4)
    with torch.no_grad():
        for i, p in enumerate(model.parameters()):
            if p.is_complex():
                p.data = torch.view_as_complex(torch.from_numpy(normal(i, *p.shape, 2, scale=0.3)))
            else:
                p.copy_(torch.from_numpy(normal(i, *p.shape, scale=0.4)))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.5)
    criterion, losses = LpLoss(), [count_params(model)]
    for step in range(8):
        optimizer.zero_grad()
        loss = criterion(model(a.unsqueeze(-1)), u)
        loss.backward()
        if step == 3:
            losses.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5).item())
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    w = model.convs[0].weights1
    losses += [w.grad.abs().sum().item(), w.grad.real.sum().item(), w.grad.imag.sum().item(), w.detach().angle().mean().item()]

    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    again = FNO2d(3, 3, 4)
    for p in again.parameters():
        if p.is_complex():
            p.data = p.data.to(torch.cdouble)
    again.load_state_dict(torch.load(file))
    again.eval()
    with torch.no_grad():
        losses.append(criterion(again(a.unsqueeze(-1)), u).item())
    sgd = torch.optim.SGD(again.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    for _ in range(3):
        sgd.zero_grad(set_to_none=False)
        loss = (again(a.unsqueeze(-1)) - u).pow(2).mean()
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    print(main())
