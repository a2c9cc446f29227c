"""Image models in the manner of the model libraries: registry, feature info, drop path, squeeze-excite, layer scale, window attention with a bias table, mixup, remapped weights."""

import math
import re
from collections import OrderedDict
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from itertools import repeat

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import labelled_images, same_weights
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.loss import _WeightedLoss
from torch.nn.modules.utils import _pair, _single

_models: dict[str, Callable] = {}


def register_model(fn):
    _models[fn.__name__] = fn
    return fn


def make_divisible(v, divisor=2, min_value: int | None = None):
    return max(min_value or divisor, int(v + divisor / 2) // divisor * divisor)


class DropPath(nn.Module):
    def __init__(self, p: float = 0.0, scale_by_keep: bool = True):
        super().__init__()
        self.p, self.scale_by_keep = p, scale_by_keep

    def forward(self, x):
        if self.p == 0.0 or not self.training:
            return x
        keep = 1 - self.p
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)
        if keep > 0.0 and self.scale_by_keep:
            mask.div_(keep)
        return x * mask

    def extra_repr(self):
        return f"drop_prob={round(self.p, 3):0.3f}"


class StdConv2d(nn.Conv2d):
    def forward(self, x):
        w = F.batch_norm(self.weight.reshape(1, self.out_channels, -1), None, None, training=True, momentum=0.0, eps=1e-6).reshape_as(
            self.weight
        )
        k, s = _pair(self.kernel_size), self.stride
        ih, iw = x.size()[-2:]
        pad = [max((math.ceil(i / b) - 1) * b + a - i, 0) for i, a, b in zip((ih, iw), k, s)]  # noqa: B905
        x = F.pad(x, [pad[1] // 2, pad[1] - pad[1] // 2, pad[0] // 2, pad[0] - pad[0] // 2])
        return F.conv2d(x, w, self.bias, self.stride, _pair(0), self.dilation, self.groups)


class SqueezeExcite(nn.Module):
    def __init__(self, c, ratio=0.5, gate: str | Callable = nn.Hardsigmoid):
        super().__init__()
        self.reduce, self.act, self.expand, self.gate = (
            nn.Conv2d(c, make_divisible(c * ratio), 1),
            nn.ReLU6(),
            nn.Conv2d(make_divisible(c * ratio), c, 1),
            gate(),
        )

    def forward(self, x):
        return x * self.gate(self.expand(self.act(self.reduce(x.mean((2, 3), keepdim=True)))))


class InvertedResidual(nn.Module):
    def __init__(self, cin, cout, s=1, expand=2, drop=0.0, norm=partial(nn.BatchNorm2d, eps=1e-3, momentum=0.05)):  # noqa: B008
        super().__init__()
        mid = make_divisible(cin * expand)
        self.skip = cin == cout and s == 1
        self.conv_pw, self.bn1 = nn.Conv2d(cin, mid, 1, bias=False), norm(mid)
        self.conv_dw, self.bn2 = StdConv2d(mid, mid, 3, stride=s, groups=mid, bias=False), norm(mid)
        self.se = SqueezeExcite(mid)
        self.conv_pwl, self.bn3 = nn.Conv2d(mid, cout, 1, bias=False), norm(cout)
        self.drop_path = DropPath(drop) if drop else nn.Identity()

    def forward(self, x):
        y = F.hardswish(self.bn1(self.conv_pw(x)), inplace=True)
        y = self.se(F.silu(self.bn2(self.conv_dw(y))))
        y = self.bn3(self.conv_pwl(y))
        return self.drop_path(y) + x if self.skip else y


def window_partition(x, w):
    B, H, W, C = x.shape
    return x.view(B, H // w, w, W // w, w, C).permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, w, w, C)


def window_reverse(windows, w, H, W):
    B = int(windows.shape[0] / (H * W / w / w))
    return windows.view(B, H // w, W // w, w, w, -1).permute(0, 1, 3, 2, 4, 5).contiguous().view(B, H, W, -1)


class SwinBlock(nn.Module):
    def __init__(self, dim, size=4, heads=2, window=2, shift=1, init_values=0.1):
        super().__init__()
        self.dim, self.heads, self.window, self.shift = dim, heads, window, shift
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.proj = nn.Linear(dim, dim * 3, bias=True), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(OrderedDict([("fc1", nn.Linear(dim, dim * 2)), ("act", nn.GELU()), ("fc2", nn.Linear(dim * 2, dim))]))
        self.gamma = nn.Parameter(init_values * torch.ones(dim), requires_grad=True)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        coords = torch.stack(torch.meshgrid([torch.arange(window), torch.arange(window)], indexing="ij"))
        flat = torch.flatten(coords, 1)
        relative = (flat[:, :, None] - flat[:, None, :]).permute(1, 2, 0).contiguous()
        relative[:, :, 0] += window - 1
        relative[:, :, 1] += window - 1
        relative[:, :, 0] *= 2 * window - 1
        self.register_buffer("relative_position_index", relative.sum(-1))
        mask = None
        if shift > 0:
            img = torch.zeros((1, size, size, 1))
            slices = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
            for cnt, (h, w) in enumerate((h, w) for h in slices for w in slices):
                img[:, h, w, :] = cnt
            windows = window_partition(img, window).view(-1, window * window)
            mask = windows.unsqueeze(1) - windows.unsqueeze(2)
            mask = mask.masked_fill(mask != 0, (-100.0)).masked_fill(mask == 0, 0.0)
        self.register_buffer("attn_mask", mask, persistent=False)

    def attend(self, x):
        B_, N, C = x.shape
        q, k, v = self.qkv(x).reshape(B_, N, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        attn = (q * (C // self.heads) ** -0.5) @ k.transpose(-2, -1)
        bias = self.relative_position_bias_table[self.relative_position_index.view(-1)].view(N, N, -1)
        attn = attn + bias.permute(2, 0, 1).contiguous().unsqueeze(0)
        if self.attn_mask is not None:
            nW = self.attn_mask.shape[0]
            attn = attn.view(B_ // nW, nW, self.heads, N, N) + self.attn_mask.unsqueeze(1).unsqueeze(0)
            attn = attn.view(-1, self.heads, N, N)
        return self.proj((attn.softmax(dim=-1) @ v).transpose(1, 2).reshape(B_, N, C))

    def forward(self, x):
        B, H, W, C = x.shape  # noqa: RUF059
        y = torch.roll(self.norm1(x), shifts=(-self.shift, -self.shift), dims=(1, 2))
        y = self.attend(window_partition(y, self.window).view(-1, self.window**2, C)).view(-1, self.window, self.window, C)
        y = torch.roll(window_reverse(y, self.window, H, W), shifts=(self.shift, self.shift), dims=(1, 2))
        x = x + self.gamma * y
        return x + self.mlp(self.norm2(x))


class Net(nn.Module):
    def __init__(self, num_classes=3, in_chans=1, widths=(4, 6), drop_path_rate=0.0, global_pool="avg"):
        super().__init__()
        self.num_classes, self.num_features, self.feature_info = num_classes, widths[-1], []
        rates = [x.item() for x in torch.linspace(0, drop_path_rate, len(widths))]
        self.conv_stem, self.bn1 = StdConv2d(in_chans, widths[0], 3, stride=1, bias=False), nn.BatchNorm2d(widths[0])
        blocks, prev = [], widths[0]
        for i, w in enumerate(widths):
            blocks.append(nn.Sequential(InvertedResidual(prev, w, s=1 + i, drop=rates[i]), InvertedResidual(w, w, drop=rates[i])))
            self.feature_info += [dict(num_chs=w, reduction=2**i, module=f"blocks.{i}")]  # noqa: C408
            prev = w
        self.blocks = nn.Sequential(*blocks)
        self.swin = nn.Sequential(*(SwinBlock(prev, shift=s) for s in (0, 1)))
        self.classifier = nn.Linear(prev, num_classes) if num_classes > 0 else nn.Identity()
        for name, m in self.named_modules():  # noqa: B007
            if isinstance(m, nn.Conv2d):
                fan_out = m.kernel_size[0] * m.kernel_size[1] * m.out_channels // m.groups
                m.weight.data.normal_(0, math.sqrt(2.0 / fan_out))
            elif isinstance(m, _BatchNorm):
                m.weight.data.fill_(1.0)
                m.bias.data.zero_()

    def no_weight_decay(self):
        return {n for n, _ in self.named_parameters() if "relative_position_bias_table" in n}

    def forward_features(self, x):
        return self.swin(self.blocks(F.silu(self.bn1(self.conv_stem(x)))).permute(0, 2, 3, 1))

    def forward(self, x):
        return self.classifier(self.forward_features(x).mean(dim=(1, 2)))


@register_model
def tiny_net(pretrained=False, **kwargs):
    return Net(**dict(dict(widths=(4, 6)), **kwargs))  # noqa: C408


class SmoothCrossEntropy(_WeightedLoss):
    def __init__(self, weight=None, reduction="mean", smoothing=0.0):
        super().__init__(weight=weight, reduction=reduction)
        self.smoothing = smoothing

    def forward(self, inputs, targets):
        with torch.no_grad():
            soft = torch.empty(size=(targets.size(0), inputs.size(-1)), device=targets.device).fill_(self.smoothing / (inputs.size(-1) - 1))
            soft = soft.scatter_(1, targets.data.unsqueeze(1), 1.0 - self.smoothing)
        lsm = F.log_softmax(inputs, -1)
        if self.weight is not None:
            lsm = lsm * self.weight.unsqueeze(0)
        loss = -(soft * lsm).sum(-1)
        return loss.mean() if self.reduction == "mean" else loss.sum()


def convert(module):
    """BatchNorm2d becomes GroupNorm, in the dicts of the modules themselves."""
    for name, child in module._modules.items():
        if isinstance(child, nn.BatchNorm2d):
            module._modules[name] = nn.GroupNorm(1, child.num_features)
        elif child is not None:
            convert(child)
    return module


def main():
    assert _single(3) == (3,) and _pair([1, 2]) == (1, 2) and _pair(5) == tuple(repeat(5, 2))
    images, labels = labelled_images(400, 6, 3)
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    model = same_weights(_models["tiny_net"](num_classes=3))
    for name, p in model.named_parameters():
        p._no_weight_decay = p.ndim <= 1 or name in model.no_weight_decay()
    groups = [
        {"params": [p for p in model.parameters() if p._no_weight_decay is flag], "weight_decay": 0.0 if flag else 0.05}
        for flag in (True, False)
    ]
    optimizer = torch.optim.RAdam(groups, lr=1e-2, decoupled_weight_decay=True)
    criterion = SmoothCrossEntropy(weight=torch.tensor([1.0, 2.0, 0.5]), smoothing=0.1)
    ema, losses = deepcopy(model).eval(), []
    for step in range(3):
        lam, perm = 0.3 + 0.1 * step, torch.arange(len(x) - 1, -1, -1)
        if step % 2:
            mixed = lam * x + (1 - lam) * x[perm]
        else:
            mixed = x.clone()
            mixed[:, :, 2:5, 1:6] = x[perm, :, 2:5, 1:6]
            lam = 1 - (3 * 5) / (x.size()[-1] * x.size()[-2])
        out = model(mixed)
        loss = lam * criterion(out, y) + (1 - lam) * criterion(out, y[perm])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.05)
        optimizer.step()
        with torch.no_grad():
            for e, m in zip(ema.parameters(), model.parameters()):  # noqa: B905
                e.copy_(0.7 * e + 0.3 * m.detach())
        acc = [
            out.topk(k, 1, True, True)[1].t().eq(y.view(1, -1).expand(k, -1)).reshape(-1).double().sum(0).mul_(100.0 / len(y)).item()
            for k in (1, 2)
        ]
        losses += [loss.item(), *acc]
    theirs = OrderedDict((re.sub(r"^blocks\.(\d+)\.(\d+)", r"module.stages.\1.\2", k), v) for k, v in model.state_dict().items())
    mine = {re.sub(r"stages\.", "blocks.", k[7:] if k.startswith("module.") else k): v for k, v in theirs.items()}
    w = mine.pop("classifier.weight")
    mine["classifier.weight"], mine["classifier.bias"] = torch.cat([w, w.mean(0, keepdim=True)]), F.pad(mine["classifier.bias"], (0, 1))
    other = tiny_net(num_classes=4)
    other.load_state_dict(mine, strict=True)
    other.eval()
    features = OrderedDict()
    h = other.blocks[0](F.silu(other.bn1(other.conv_stem(x))))
    features[other.feature_info[0]["module"]] = h
    losses += [h.detach().norm().item(), other(x).amax(1).sum().item(), ema(x).logsumexp(1).sum().item()]
    convert(other)
    assert not any(isinstance(m, _BatchNorm) for m in other.modules())
    losses += [other(x).sum().item(), sum(m.numel() for m in other.parameters()), len(str(other)), len(str(DropPath(0.1)))]
    del other._modules["swin"]
    other.add_module("swin", nn.Identity())
    other._parameters["scale"], other._buffers["shift"] = nn.Parameter(torch.ones(1)), torch.zeros(1)
    losses += [
        other(x).sum().item(),
        float("scale" in other.state_dict()) + float("shift" in other.state_dict()) + float("swin" in other._modules),
    ]
    return losses
