"""Boxes: drawn on a canvas by slices and views, labelled, thinned out by non-maximum suppression, and read back by a small network."""

import torch
import torch.nn.functional as F
from torch import nn


def draw(canvas, boxes, colours):
    """Filled boxes with a border and a shadow, on channels x rows x columns, in place."""
    for (x0, y0, x1, y1), colour in zip(boxes.tolist(), colours, strict=True):
        part = canvas[:, y0:y1, x0:x1]
        part.mul_(0.25)
        part.add_(colour[:, None, None])
        for edge in (part[:, 0], part[:, -1], part[:, :, 0], part[:, :, -1]):
            edge.fill_(1)
        canvas[0][y1 - 1][x1 - 1] = 0
    return canvas


def line(canvas, x0, y0, x1, y1):
    steps = max(abs(x1 - x0), abs(y1 - y0))
    pixels = canvas.view(canvas.shape[0], -1)
    for k in range(steps + 1):
        x, y = round(x0 + (x1 - x0) * k / steps), round(y0 + (y1 - y0) * k / steps)
        pixels[:, y * canvas.shape[2] + x] += 0.5
    canvas.clamp_(0, 1)


def iou(boxes):
    low = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    both = (high - low).clamp_(min=0).prod(-1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    return both / (area[:, None] + area[None] - both)


def nms(boxes, scores, threshold):
    overlap = iou(boxes)
    overlap.diagonal().zero_()
    keep = torch.ones(len(boxes), dtype=torch.bool)
    for i in scores.argsort(descending=True).tolist():
        if keep[i]:
            keep.logical_and_(overlap[i] <= threshold)
            keep[i : i + 1].fill_(True)
    return keep


def soft_nms(boxes, scores, sigma=0.5):
    overlap, scores, out = iou(boxes), scores.clone(), torch.zeros(len(scores))
    left = scores.clone()
    for _ in range(len(scores)):
        best = int(left.argmax())
        out[best : best + 1].copy_(left[best])
        left.mul_(torch.exp(-overlap[best].pow(2).div_(sigma)))
        left[best] = -1
        left.masked_fill_(out > 0, -1)
    return out


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4 * 16, 4)
        for i, p in enumerate(self.parameters()):
            p.data.view(-1).copy_(torch.arange(float(p.numel())).add_(i).mul_(1.7).sin_().mul_(0.2))
            p.data[0].mul_(0.5)

    def forward(self, x):
        maps = self.conv(x)
        maps[:, ::2].mul_(2)
        maps[:, 1::2].tanh_()
        return self.head(F.adaptive_avg_pool2d(maps, 4).flatten(1))


def main():
    boxes = torch.tensor([[1, 1, 8, 7], [2, 2, 9, 8], [6, 8, 14, 15], [0, 9, 4, 16], [7, 9, 15, 15]])
    scores = torch.tensor([0.9, 0.8, 0.7, 0.95, 0.75])
    colours = torch.linspace(0.1, 0.9, 15).view(5, 3)
    canvas = draw(torch.zeros(3, 16, 16), boxes, colours)
    line(canvas, 0, 0, 15, 9)
    canvas.permute(1, 2, 0)[3, 4] = torch.tensor([0.2, 0.4, 0.6])
    weights = torch.arange(float(canvas.numel())).view_as(canvas).cos()
    losses = [(canvas * weights).sum(), canvas.flip(2).mul_(weights).sum(), (canvas * weights).sum()]
    losses += [(nms(boxes.to(canvas.dtype), scores, 0.3) * torch.arange(1, 6)).sum()]
    losses += list(soft_nms(boxes.to(canvas.dtype), scores))

    targets = boxes.to(canvas.dtype) / 16
    images = torch.zeros(5, 3, 16, 16)
    for image, box, colour in zip(images, boxes, colours, strict=True):
        draw(image, box[None], colour[None])
    images.select(1, 2).sub_(0.1)
    model = Reader()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    for _ in range(6):
        out = model(images)
        size = out[:, 2:]
        size.mul_(0.5).add_(0.5)  # of the network's result, in its graph
        out[:, :2].sigmoid_()
        loss = F.smooth_l1_loss(out, targets)
        optimizer.zero_grad()
        loss.backward()
        model.head.weight.grad[0].mul_(2)
        optimizer.step()
        losses.append(loss.detach())
    return losses


if __name__ == "__main__":
    print(main())
