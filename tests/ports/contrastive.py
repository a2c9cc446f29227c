"""Pictures without labels: two views of one are to be alike, and unlike all views of others."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import labelled_images, normal, same_weights


def info_nce_loss(features, temperature=0.5):
    n = features.shape[0] // 2
    labels = torch.cat([torch.arange(n) for _ in range(2)], dim=0)
    labels = (labels.unsqueeze(0) == labels.unsqueeze(1)).float()
    features = F.normalize(features, dim=1)
    similarity_matrix = torch.matmul(features, features.T)
    mask = torch.eye(labels.shape[0], dtype=torch.bool)
    labels = labels[~mask].view(labels.shape[0], -1)
    similarity_matrix = similarity_matrix[~mask].view(similarity_matrix.shape[0], -1)
    positives = similarity_matrix[labels.bool()].view(labels.shape[0], -1)
    negatives = similarity_matrix[~labels.bool()].view(similarity_matrix.shape[0], -1)
    logits = torch.cat([positives, negatives], dim=1) / temperature
    return logits, torch.zeros(logits.shape[0], dtype=torch.long)


def accuracy(output, target, topk=(1, 3)):
    with torch.no_grad():
        _, pred = output.topk(max(topk), 1, True, True)
        correct = pred.t().eq(target.view(1, -1).expand_as(pred.t()))
        return [correct[:k].reshape(-1).float().sum(0, keepdim=True).mul_(100.0 / target.size(0)).item() for k in topk]


def main():
    images = torch.from_numpy(labelled_images(28, 12, 12)[0])
    model = same_weights(
        nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, 12), nn.ReLU(), nn.Linear(12, 6)
        )
    )
    optimizer = torch.optim.Adam(model.parameters(), 0.01, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss().to("cpu")
    losses = []
    for step in range(6):
        views = [images + torch.from_numpy(normal(300 + 2 * step + k, *images.shape, scale=0.3)) for k in range(2)]
        views[1] = torch.flip(views[1], dims=[3])
        logits, labels = info_nce_loss(model(torch.cat(views, dim=0)))
        loss = criterion(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += [loss.item(), *accuracy(logits, labels)]
    return losses


if __name__ == "__main__":
    print(main())
