"""Which pixels belong to the blob? Down through smaller images, up again, and across from each size to its like."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import normal, same_weights


class DoubleConv(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.GroupNorm(2, out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class Up(nn.Module):
    def __init__(self, in_channels, out_channels, bilinear):
        super().__init__()
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        else:
            self.up = nn.ConvTranspose2d(in_channels, in_channels, kernel_size=2, stride=2)
        self.conv = DoubleConv(in_channels + out_channels, out_channels)

    def forward(self, x1, x2):
        x1 = self.up(x1)
        dy, dx = x2.size()[2] - x1.size()[2], x2.size()[3] - x1.size()[3]
        x1 = F.pad(x1, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.conv(torch.cat([x2, x1], dim=1))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.inc = DoubleConv(1, 4)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(4, 6))
        self.down2 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(6, 8))
        self.up1, self.up2 = Up(8, 6, bilinear=True), Up(6, 4, bilinear=False)
        self.outc = nn.Conv2d(4, 1, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        return self.outc(self.up2(self.up1(x3, x2), x1))


def dice_loss(pred, target, eps=1e-6):
    inter = 2 * (pred * target).sum(dim=(-1, -2))
    sets = pred.sum(dim=(-1, -2)) + target.sum(dim=(-1, -2))
    return 1 - ((inter + eps) / (sets + eps)).mean()


def main():
    yy, xx = torch.meshgrid(torch.arange(13.0), torch.arange(11.0), indexing="ij")
    centres = [(3, 4), (6, 7), (9, 5), (5, 2)]
    masks = torch.stack([((yy - a) ** 2 + (xx - b) ** 2 < 9).to(yy.dtype) for a, b in centres]).unsqueeze(1)
    images = masks + torch.from_numpy(normal(17, *masks.shape, scale=0.4))
    model = same_weights(UNet())
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, weight_decay=1e-8, momentum=0.9, foreach=True)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", patience=1)
    criterion, losses = nn.BCEWithLogitsLoss(), []
    for _ in range(6):
        logits = model(images)
        loss = criterion(logits, masks) + dice_loss(torch.sigmoid(logits), masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        hit = ((torch.sigmoid(logits) > 0.5) == (masks > 0.5)).double().mean()
        scheduler.step(hit)
        losses += [loss.item(), hit.item(), optimizer.param_groups[0]["lr"]]
    return losses


if __name__ == "__main__":
    print(main())
