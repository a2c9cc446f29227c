"""Two images through one network: how far apart are they? Pairs of one class are pulled together, others pushed apart."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import labelled_images, same_weights
from torch.utils.data import DataLoader, Dataset


class Pairs(Dataset):
    def __init__(self, images, labels):
        self.images, self.labels = torch.from_numpy(images), torch.from_numpy(labels)

    def __len__(self):
        return len(self.images) // 2

    def __getitem__(self, index):
        other = (index * 7 + 3) % len(self.images)
        same = float(self.labels[index] == self.labels[other])
        return self.images[index], self.images[other], torch.tensor(same, dtype=torch.get_default_dtype())


class SiameseNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.PReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64, 10), nn.Tanh())
        self.head = nn.Linear(10, 1)

    def forward(self, first, second):
        a, b = self.body(first), self.body(second)
        return torch.sigmoid(self.head(torch.abs(a - b))).squeeze(-1), F.pairwise_distance(a, b)


def main():
    loader = DataLoader(Pairs(*labelled_images(4, 48, 3)), batch_size=8, drop_last=True)
    model = same_weights(SiameseNetwork())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-4)
    criterion = nn.BCELoss()
    losses = []
    for _epoch in range(3):
        for first, second, same in loader:
            optimizer.zero_grad()
            chance, distance = model(first, second)
            contrast = (same * distance.pow(2) + (1 - same) * F.relu(2 - distance).pow(2)).mean()
            loss = criterion(chance, same) + 0.1 * contrast
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


if __name__ == "__main__":
    print(main())
