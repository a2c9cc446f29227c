"""Images that fool a network: a step along the sign of the gradient, then training on them so that it is fooled less."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import labelled_images, same_weights


def fgsm_attack(image, epsilon, data_grad):
    return torch.clamp(image + epsilon * data_grad.sign(), 0, 1)


def pgd(model, x, y, steps=3, alpha=0.05, eps=0.1):
    delta = torch.zeros_like(x, requires_grad=True)
    for _ in range(steps):
        F.cross_entropy(model(x + delta), y).backward()
        delta.data = (delta + alpha * delta.grad.detach().sign()).clamp(-eps, eps)
        delta.grad.zero_()
    return delta.detach()


def main():
    images, labels = labelled_images(40, 20, 3)
    x, y = torch.sigmoid(torch.from_numpy(images)), torch.from_numpy(labels)
    model = same_weights(nn.Sequential(nn.Conv2d(1, 4, 3), nn.CELU(), nn.Flatten(), nn.Linear(144, 3)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(5):
        delta = pgd(model, x, y)
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss(reduction="none")(model(x + delta), y).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    data = x.clone()
    data.requires_grad = True
    loss = F.nll_loss(F.log_softmax(model(data), dim=1), y)
    model.zero_grad()
    loss.backward()
    perturbed = fgsm_attack(data, 0.1, data.grad.data)
    final_pred = model(perturbed).max(1, keepdim=True)[1]
    return losses + [loss.item(), F.cross_entropy(model(perturbed), y).item(), final_pred.eq(y.view_as(final_pred)).sum().item()]


if __name__ == "__main__":
    print(main())
