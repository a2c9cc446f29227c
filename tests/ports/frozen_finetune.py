"""A trained body for a new task: its weights are loaded from a file and held still, a new head is learned, then the last block too."""

import io

import torch
import torch.nn as nn
import torch.optim as optim
from drawn import labelled_images, same_weights


def backbone(classes):
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU6(inplace=True), nn.MaxPool2d(2)),
        nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU6(inplace=True), nn.AdaptiveAvgPool2d(1)),
        nn.Flatten(),
        nn.Linear(6, classes),
    )


def main():
    trained = same_weights(backbone(10))
    trained(torch.from_numpy(labelled_images(24, 20, 5)[0]))
    buffer = io.BytesIO()
    torch.save({"epoch": 5, "model_state_dict": trained.state_dict()}, buffer)
    buffer.seek(0)
    checkpoint = torch.load(buffer, map_location=torch.device("cpu"))
    model = backbone(10)
    missing, unexpected = model.load_state_dict(checkpoint["model_state_dict"])
    assert not missing and not unexpected and checkpoint["epoch"] == 5
    for param in model.parameters():
        param.requires_grad = False
    model[3] = same_weights(nn.Linear(model[3].in_features, 3), 4)
    images, labels = (torch.from_numpy(a) for a in labelled_images(25, 24, 3))
    optimizer = optim.SGD(filter(lambda p: p.requires_grad, model.parameters()), lr=0.1, momentum=0.9)
    scheduler = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    losses = []

    def epoch():
        model.train()
        model[0].eval()
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    for _ in range(4):
        epoch()
        scheduler.step()
    for param in model[1].parameters():
        param.requires_grad_(True)
    optimizer.add_param_group({"params": model[1].parameters(), "lr": 0.01})
    for _ in range(4):
        epoch()
    assert model[0][0].weight.grad is None and torch.equal(model[0][0].weight, trained[0][0].weight)
    model.eval()
    with torch.no_grad():
        losses.append(nn.functional.cross_entropy(model(images), labels).item())
    return losses


if __name__ == "__main__":
    print(main())
