"""One-stage detector: anchors by meshgrid, IoU matching, box coding, focal and smooth L1 losses over positives, feature pyramid, suppression by class."""

import math
from functools import partial

import torch
import torch.nn.functional as F
from drawn import normal, same_weights
from torch import nn


def box_iou(a, b):
    area = lambda x: (x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1])
    lt = torch.max(a[:, None, :2], b[:, :2])
    rb = torch.min(a[:, None, 2:], b[:, 2:])
    wh = (rb - lt).clamp(min=0)
    inter = wh[..., 0] * wh[..., 1]
    return inter / (area(a)[:, None] + area(b) - inter)


class Anchors(nn.Module):
    def __init__(self, strides=(4, 8), ratios=(0.5, 1, 2)):
        super().__init__()
        self.strides = strides
        for i, stride in enumerate(strides):
            r = torch.as_tensor(ratios, dtype=torch.float64).sqrt()
            wh = torch.stack((2 * stride / r, 2 * stride * r), dim=1)
            self.register_buffer(f"cell_{i}", torch.cat([-wh, wh], 1).div_(2))

    def forward(self, sizes):
        out = []
        for i, ((h, w), stride) in enumerate(zip(sizes, self.strides)):  # noqa: B905
            sy, sx = torch.meshgrid(torch.arange(0, h * stride, step=stride), torch.arange(0, w * stride, step=stride), indexing="ij")
            shifts = torch.stack((sx.reshape(-1), sy.reshape(-1)) * 2, dim=1)
            out.append((shifts.view(-1, 1, 4) + getattr(self, f"cell_{i}").view(1, -1, 4)).reshape(-1, 4))
        return torch.cat(out)


def encode(boxes, anchors, weights=(10.0, 10.0, 5.0, 5.0)):
    ax, ay, aw, ah = ((anchors[:, :2] + anchors[:, 2:]) / 2).unbind(1) + (anchors[:, 2:] - anchors[:, :2]).unbind(1)
    centre, size = (boxes[:, :2] + boxes[:, 2:]) * 0.5, boxes[:, 2:] - boxes[:, :2]
    wx, wy, ww, wh = weights
    return torch.stack(
        [wx * (centre[:, 0] - ax) / aw, wy * (centre[:, 1] - ay) / ah, ww * torch.log(size[:, 0] / aw), wh * torch.log(size[:, 1] / ah)],
        dim=-1,
    )


def decode(deltas, anchors, clip=math.log(1000.0 / 16)):  # noqa: B008
    widths, heights = anchors[:, 2] - anchors[:, 0], anchors[:, 3] - anchors[:, 1]
    cx, cy = anchors[:, 0] + 0.5 * widths, anchors[:, 1] + 0.5 * heights
    d = deltas / deltas.new_tensor([10.0, 10.0, 5.0, 5.0])
    dw, dh = d[..., 2::4].clamp(max=clip), d[..., 3::4].clamp(max=clip)
    px, py = d[..., 0::4] * widths[:, None] + cx[:, None], d[..., 1::4] * heights[:, None] + cy[:, None]
    w, h = dw.exp() * widths[:, None], dh.exp() * heights[:, None]
    return torch.stack((px - w / 2, py - h / 2, px + w / 2, py + h / 2), dim=2).flatten(1)


class Matcher:
    BELOW, BETWEEN = -1, -2

    def __call__(self, quality):
        values, matches = quality.max(dim=0)
        every = matches.clone()
        matches[values < 0.3] = self.BELOW
        matches[(values >= 0.3) & (values < 0.4)] = self.BETWEEN
        best, _ = quality.max(dim=1)
        _, low = torch.where(quality == best[:, None])
        matches[low] = every[low]
        return matches


def focal(inputs, targets, alpha=0.25, gamma=2.0):
    p = torch.sigmoid(inputs)
    ce = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    p_t = p * targets + (1 - p) * (1 - targets)
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * ce * (1 - p_t) ** gamma).sum()


class ConvNormAct(nn.Sequential):
    def __init__(self, cin, cout, k=3, s=1, norm_layer=partial(nn.GroupNorm, 2), act=nn.SiLU):  # noqa: B008
        super().__init__(nn.Conv2d(cin, cout, k, s, k // 2, bias=norm_layer is None), norm_layer(cout), act(inplace=True))
        self.out_channels = cout


class Detector(nn.Module):
    def __init__(self, classes=3, width=4, anchors=3):
        super().__init__()
        self.classes = classes
        self.stem, self.c1, self.c2 = ConvNormAct(3, width, s=2), ConvNormAct(width, width, s=2), ConvNormAct(width, 2 * width, s=2)
        self.inner = nn.ModuleList([nn.Conv2d(c, width, 1) for c in (width, 2 * width)])
        self.outer = nn.ModuleList([nn.Conv2d(width, width, 3, padding=1) for _ in range(2)])
        self.cls, self.reg = nn.Conv2d(width, classes * anchors, 3, padding=1), nn.Conv2d(width, 4 * anchors, 3, padding=1)
        for layer in self.children():
            if isinstance(layer, nn.Conv2d):
                torch.nn.init.normal_(layer.weight, std=0.01)
                torch.nn.init.constant_(layer.bias, -math.log((1 - 0.01) / 0.01))
        self.anchors = Anchors()

    def forward(self, images: list[torch.Tensor]):
        size = [max(s) for s in zip(*[tuple(im.shape) for im in images])]  # noqa: B905
        batch = images[0].new_full([len(images)] + size, 0)
        for i in range(len(images)):
            batch[i, :, : images[i].shape[1], : images[i].shape[2]] = images[i]
        c1 = self.c1(self.stem(batch))
        features = [c1, self.c2(c1)]
        last = self.inner[-1](features[-1])
        pyramid = [self.outer[-1](last)]
        for i in range(len(features) - 2, -1, -1):
            lateral = self.inner[i](features[i])
            last = lateral + F.interpolate(last, size=lateral.shape[-2:], mode="nearest")
            pyramid.insert(0, self.outer[i](last))
        heads: dict[str, list[torch.Tensor]] = {"cls": [], "reg": []}
        for f in pyramid:
            for name, module, k in (("cls", self.cls, self.classes), ("reg", self.reg, 4)):
                y = module(f)
                n, _, h, w = y.shape
                heads[name].append(y.view(n, -1, k, h, w).permute(0, 3, 4, 1, 2).reshape(n, -1, k))
        return {k: torch.cat(v, dim=1) for k, v in heads.items()}, self.anchors([f.shape[-2:] for f in pyramid])


def loss_of(heads, anchors, targets):
    cls_losses, reg_losses = [], []
    for logits, deltas, target in zip(heads["cls"], heads["reg"], targets):  # noqa: B905
        if target["boxes"].numel() == 0:
            matched = torch.full((anchors.size(0),), -1, dtype=torch.int64, device=anchors.device)
        else:
            matched = Matcher()(box_iou(target["boxes"], anchors))
        foreground = matched >= 0
        n = foreground.sum()
        one_hot = torch.zeros_like(logits)
        if n > 0:
            one_hot[foreground, target["labels"][matched[foreground]]] = 1.0
        valid = matched != Matcher.BETWEEN
        cls_losses.append(focal(logits[valid], one_hot[valid]) / max(1, n))
        index = torch.where(foreground)[0]
        goal = encode(target["boxes"][matched[index]], anchors[index, :]) if len(index) else deltas[index]
        reg_losses.append(F.smooth_l1_loss(deltas[index, :], goal, beta=1.0 / 9, reduction="sum") / max(1, index.numel()))
    return {"cls": sum(cls_losses) / len(targets), "reg": torch.stack(reg_losses).mean()}


def nms(boxes, scores, threshold):
    order = scores.argsort(descending=True)
    keep = []
    while order.numel() > 0:
        i = order[0].item()
        keep.append(i)
        if order.numel() == 1:
            break
        overlap = box_iou(boxes[i : i + 1], boxes[order[1:]]).squeeze(0)
        order = order[1:][(overlap <= threshold).nonzero().squeeze(1)]
    return torch.as_tensor(keep, dtype=torch.long)


def main():
    images = [torch.as_tensor(normal(320 + i, 3, 24 + 8 * (i % 2), 32)) for i in range(3)]
    corners = torch.tensor([[2.0, 3.0, 13.0, 12.0], [10.0, 4.0, 27.0, 15.0], [1.0, 10.0, 9.0, 22.0]])
    targets = [
        {"boxes": corners, "labels": torch.tensor([0, 2, 1])},
        {"boxes": corners[1:2] + 3, "labels": torch.tensor([1])},
        {"boxes": torch.zeros((0, 4)), "labels": torch.zeros(0, dtype=torch.int64)},
    ]
    model = same_weights(Detector())
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.01, momentum=0.9)
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1e-1, total_iters=4)
    losses = []
    for _ in range(5):
        parts = loss_of(*model(images), targets)
        total = sum(loss for loss in parts.values())
        if not math.isfinite(total.item()):
            raise RuntimeError(parts)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        warmup.step()
        losses += [total.item(), *(v.detach().item() for v in parts.values())]
    model.eval()
    with torch.inference_mode():
        heads, anchors = model(images)
        for logits, deltas in zip(heads["cls"], heads["reg"]):  # noqa: B905
            scores = torch.sigmoid(logits).flatten()
            kept = torch.where(scores > 0.2)[0]
            top, order = scores[kept].topk(min(30, kept.numel()))
            index = kept[order]
            anchor, label = torch.div(index, 3, rounding_mode="floor"), index % 3
            boxes = decode(deltas[anchor], anchors[anchor])
            boxes = (
                torch.stack([boxes[:, 0::2].clamp(0, 32), boxes[:, 1::2].clamp(0, 24)], dim=boxes.dim()).flatten(1)[:, [0, 2, 1, 3]]
                if len(boxes)
                else boxes
            )
            offsets = label.to(boxes) * (boxes.max() + torch.tensor(1).to(boxes)) if len(boxes) else label.to(boxes)
            keep = nms(boxes + offsets[:, None], top, 0.5)[:10]
            losses += [float(len(keep)), boxes[keep].sum().item(), top[keep].sum().item(), label[keep].sum().item()]
    return losses
