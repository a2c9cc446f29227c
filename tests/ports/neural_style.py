"""An image that has the content of one and the style of another: what is optimised are its pixels, the network is only looked through."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from drawn import labelled_images, same_weights


def gram_matrix(input):
    a, b, c, d = input.size()
    features = input.view(a * b, c * d)
    return torch.mm(features, features.t()).div(a * b * c * d)


class ContentLoss(nn.Module):
    def __init__(self, target):
        super().__init__()
        self.target = target.detach()

    def forward(self, input):
        self.loss = F.mse_loss(input, self.target)
        return input


class StyleLoss(nn.Module):
    def __init__(self, target_feature):
        super().__init__()
        self.target = gram_matrix(target_feature).detach()

    def forward(self, input):
        self.loss = F.mse_loss(gram_matrix(input), self.target)
        return input


def main():
    content, style = (torch.sigmoid(torch.from_numpy(labelled_images(s, 1, 1, channels=3, size=10)[0])) for s in (8, 9))
    cnn = same_weights(nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU()))
    cnn.requires_grad_(False).eval()
    model, styles, contents = nn.Sequential(), [], []
    for i, layer in enumerate(cnn.children()):
        model.add_module(f"layer_{i}", layer)
        if isinstance(layer, nn.Conv2d):
            styles.append(StyleLoss(model(style)))
            model.add_module(f"style_{i}", styles[-1])
            contents.append(ContentLoss(model(content)))
            model.add_module(f"content_{i}", contents[-1])
    image = content.clone().requires_grad_(True)
    optimizer, losses = optim.LBFGS([image], max_iter=4), []
    for _ in range(3):

        def closure():
            with torch.no_grad():
                image.clamp_(0, 1)
            optimizer.zero_grad()
            model(image)
            loss = 1e4 * sum(s.loss for s in styles) + sum(c.loss for c in contents)
            loss.backward()
            losses.append(loss.item())
            return loss

        optimizer.step(closure)
    return losses


if __name__ == "__main__":
    print(main())
