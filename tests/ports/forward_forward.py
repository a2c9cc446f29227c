"""Layers that learn one by one, without a backward through all: each is to be excited by images with the right label, and not by others."""

import torch
import torch.nn as nn
from drawn import labelled_images, same_weights
from torch.optim import Adam


def overlay(x, y, classes=4):
    x_ = x.clone()
    x_[:, :classes] *= 0.0
    x_[range(x.shape[0]), y] = x.max()
    return x_


class Layer(nn.Linear):
    def __init__(self, in_features, out_features):
        super().__init__(in_features, out_features)
        self.relu = nn.ReLU()
        self.threshold = 2.0

    def forward(self, x):
        direction = x / (x.norm(2, 1, keepdim=True) + 1e-4)
        return self.relu(torch.mm(direction, self.weight.T) + self.bias.unsqueeze(0))

    def learn(self, positive, negative, epochs):
        losses = []
        for _ in range(epochs):
            g_pos = self.forward(positive).pow(2).mean(1)
            g_neg = self.forward(negative).pow(2).mean(1)
            loss = torch.log(1 + torch.exp(torch.cat([-g_pos + self.threshold, g_neg - self.threshold]))).mean()
            self.opt.zero_grad()
            loss.backward()
            self.opt.step()
            losses.append(loss.item())
        return self.forward(positive).detach(), self.forward(negative).detach(), losses


def main():
    images, labels = labelled_images(5, 40, 4)
    x, y = torch.from_numpy(images).flatten(1), torch.from_numpy(labels)
    positive, negative = overlay(x, y), overlay(x, (y + 1) % 4)
    losses = []
    for i, (inside, outside) in enumerate([(64, 20), (20, 12)]):
        layer = same_weights(Layer(inside, outside), i)
        layer.opt = Adam(layer.parameters(), lr=0.03)
        positive, negative, found = layer.learn(positive, negative, 6)
        losses += found
    return losses


if __name__ == "__main__":
    print(main())
