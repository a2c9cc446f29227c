"""A variational autoencoder: images through a narrow code that is drawn from a normal distribution whose mean and spread are learned."""

import torch
import torch.utils.data
from drawn import labelled_images, normal, same_weights
from torch import nn, optim
from torch.nn import functional as F


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 32)
        self.fc21 = nn.Linear(32, 4)
        self.fc22 = nn.Linear(32, 4)
        self.fc3 = nn.Linear(4, 32)
        self.fc4 = nn.Linear(32, 64)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.fc21(h), self.fc22(h)

    def reparameterize(self, mu, logvar, noise):
        std = torch.exp(0.5 * logvar)
        assert torch.is_tensor(std) and noise.size() == std.size()
        return mu + noise.type_as(std) * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x, noise):
        mu, logvar = self.encode(x.view(-1, 64))
        return self.decode(self.reparameterize(mu, logvar, noise)), mu, logvar


def loss_function(recon, x, mu, logvar):
    bce = F.binary_cross_entropy(recon, x.view(-1, 64), reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


def main():
    images, _ = labelled_images(2, 48, 3)
    images = torch.sigmoid(torch.from_numpy(images))
    loader = torch.utils.data.DataLoader(images, batch_size=12)
    model = same_weights(VAE())
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for epoch in range(3):
        for i, data in enumerate(loader):
            optimizer.zero_grad()
            noise = torch.from_numpy(normal(100 * epoch + i, len(data), 4))
            recon, mu, logvar = model(data, noise)
            loss = loss_function(recon, data, mu, logvar)
            loss.backward()
            losses.append(loss.item() / len(data))
            optimizer.step()
    with torch.inference_mode():
        sample = model.decode(torch.from_numpy(normal(7, 8, 4))).cpu()
        losses.append(sample.view(8, 1, 8, 8).mean().item())
    return losses


if __name__ == "__main__":
    print(main())
