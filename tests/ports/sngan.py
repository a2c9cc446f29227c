"""A conditional GAN: spectral norm with its vectors set, conditional batch norm, hinge loss, R1 penalty, equalised weights by a pre-hook, a printed summary."""

import contextlib
import io

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import labelled_images, normal, same_weights
from torch.autograd import Variable, grad
from torch.nn.utils import spectral_norm


class EqualLR:
    def __init__(self, name):
        self.name = name

    def compute_weight(self, module):
        weight = getattr(module, self.name + "_orig")
        fan_in = weight.data.size(1) * weight.data[0][0].numel()
        return weight * np.sqrt(2 / fan_in)

    @staticmethod
    def apply(module, name):
        fn = EqualLR(name)
        weight = getattr(module, name)
        del module._parameters[name]
        module.register_parameter(name + "_orig", nn.Parameter(weight.data))
        module.register_forward_pre_hook(fn)
        return fn

    def __call__(self, module, input):
        setattr(module, self.name, self.compute_weight(module))


def equal_lr(module, name="weight"):
    EqualLR.apply(module, name)
    return module


class PixelNorm(nn.Module):
    def forward(self, input):
        return input / torch.sqrt(torch.mean(input**2, dim=1, keepdim=True) + 1e-8)


class ConditionalNorm2d(nn.Module):
    def __init__(self, c, classes):
        super().__init__()
        self.c, self.bn, self.embed = c, nn.BatchNorm2d(c, affine=False), nn.Embedding(classes, c * 2)
        self.embed.weight.data[:, :c].fill_(1.0)
        self.embed.weight.data[:, c:].zero_()

    def forward(self, x, y):
        gamma, beta = self.embed(y).chunk(2, 1)
        return gamma.view(-1, self.c, 1, 1) * self.bn(x) + beta.view(-1, self.c, 1, 1)


class Generator(nn.Module):
    def __init__(self, z=4, c=4, classes=3):
        super().__init__()
        self.start = equal_lr(nn.Linear(z, c * 2 * 2))
        self.norm, self.c = ConditionalNorm2d(c, classes), c
        self.up = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
            equal_lr(nn.Conv2d(c, c, 3, 1, 1)),
            PixelNorm(),
            nn.LeakyReLU(0.2, True),
        )
        self.out = nn.Sequential(nn.ConvTranspose2d(c, 1, kernel_size=4, stride=2, padding=1), nn.Tanh())

    def forward(self, z, y):
        h = self.start(z).view(z.shape[0], self.c, 2, 2)
        return self.out(self.up(F.leaky_relu_(self.norm(h, y), 0.2)))


class Discriminator(nn.Module):
    def __init__(self, c=4, classes=3):
        super().__init__()
        self.features = nn.Sequential(
            spectral_norm(nn.Conv2d(1, c, 3, padding=1)),
            nn.LeakyReLU(0.1),
            nn.AvgPool2d(2),
            spectral_norm(nn.Conv2d(c, c, 3, padding=1)),
            nn.CELU(0.5),
        )
        self.linear, self.embed = spectral_norm(nn.Linear(c + 1, 1)), spectral_norm(nn.Embedding(classes, c + 1))

    def forward(self, x, y=None):
        h = self.features(x).sum(dim=[2, 3])
        std = torch.sqrt(h.var(0, unbiased=False) + 1e-8).mean().view(1, 1).repeat(h.size(0), 1)
        h = torch.cat([h, std], 1)
        out = self.linear(h)
        return out if y is None else out + torch.sum(self.embed(y) * h, dim=1, keepdim=True)


def summary(model, *inputs):
    rows, handles = [], []

    def hook(module, args, output):
        shape = [list(o.size()) for o in output] if isinstance(output, (list, tuple)) else list(output.size())
        params = sum(int(torch.prod(torch.LongTensor(list(p.size())))) for p in module.parameters(recurse=False))
        rows.append("{:<20} {:>18} {:>8,}".format(str(module.__class__).split(".")[-1].split("'")[0], str([-1] + shape[1:]), params))

    for m in model.modules():
        if not isinstance(m, (nn.Sequential, nn.ModuleList)) and m is not model:
            handles.append(m.register_forward_hook(hook))
    model(*inputs)
    for h in handles:
        h.remove()
    print("\n".join(rows))
    print(
        f"total: {sum(np.prod(p.size()) for p in model.parameters() if p.requires_grad):,}, {model.start.weight.shape}, {inputs[0].size()}, {inputs[1].dtype}"
    )


def main():
    images, labels = labelled_images(430, 8, 3)
    real, y = Variable(torch.from_numpy(images)).tanh(), torch.from_numpy(labels)
    G, D = same_weights(Generator()), same_weights(Discriminator())
    for i, m in enumerate(D.modules()):
        if hasattr(m, "weight_u"):
            m.weight_u.copy_(F.normalize(torch.tensor(normal(431 + i, *m.weight_u.shape)), dim=0))
            m.weight_v.copy_(F.normalize(torch.tensor(normal(451 + i, *m.weight_v.shape)), dim=0))
    opt_g = torch.optim.Adam(G.parameters(), lr=2e-2, betas=(0.0, 0.99))
    opt_d = torch.optim.Adam(D.parameters(), lr=2e-2, betas=(0.0, 0.99))
    norms = {}
    for name, p in G.named_parameters():
        p.register_hook(lambda g, name=name: norms.update({name: g.norm().item()}) or g.clamp(-0.5, 0.5))
    losses = []
    for step in range(4):
        z = torch.as_tensor(normal(470 + step, 8, 4))
        for p in D.parameters():
            p.requires_grad_(True)
        real_in = real.clone().detach().requires_grad_()
        d_real, d_fake = D(real_in, y), D(G(z, y).detach(), y)
        loss_d = F.relu(1.0 - d_real).mean() + F.relu(1.0 + d_fake).mean()
        (g,) = grad(outputs=d_real.sum(), inputs=real_in, create_graph=True, retain_graph=True, only_inputs=True)
        r1 = g.pow(2).reshape(g.size(0), -1).sum(1).mean()
        opt_d.zero_grad()
        (loss_d + 0.5 * r1).backward()
        opt_d.step()
        for p in D.parameters():
            p.requires_grad_(False)
        loss_g = -D(G(z, y), y).mean()
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
        losses += [loss_d.item(), r1.item(), loss_g.item(), sum(norms.values())]
    assert sorted(norms) == sorted(n for n, _ in G.named_parameters())
    keys = list(D.state_dict())
    assert "linear.weight_orig" in keys and "linear.weight_u" in keys and "start.weight_orig" in G.state_dict()
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        summary(G.eval(), z, y)
    text = out.getvalue().replace("torch.Size([16, 4])", "(16, 4)").replace("torch.Size([8, 4])", "(8, 4)").replace("torch.int64", "int64")
    assert "ConditionalNorm2d         [-1, 4, 2, 2]        0" in text
    losses += [float(len(text)), float(len(keys))]
    for layer in (D.linear, D.features[0]):
        nn.utils.remove_spectral_norm(layer)
    return losses + [D.eval()(real, y).sum().item()]
