"""A polynomial through points by L-BFGS with a line search, then the same by plain steps on tensors without any module."""

import torch
import torch.nn.functional as F
from drawn import normal

POLY_DEGREE = 4


def make_features(x):
    x = x.unsqueeze(1)
    return torch.cat([x**i for i in range(1, POLY_DEGREE + 1)], 1)


def main():
    W_target = torch.from_numpy(normal(20, POLY_DEGREE, 1)) * 2
    b_target = torch.from_numpy(normal(21, 1)) * 2
    x = make_features(torch.linspace(-1, 1, 30))
    y = x.mm(W_target) + b_target.item()
    fc = torch.nn.Linear(W_target.size(0), 1)
    with torch.no_grad():
        fc.weight.zero_()
        fc.bias.fill_(0.0)
    optimizer = torch.optim.LBFGS(fc.parameters(), lr=1, max_iter=6, history_size=5, line_search_fn="strong_wolfe")
    losses = []

    def closure():
        optimizer.zero_grad()
        loss = F.smooth_l1_loss(fc(x), y)
        loss.backward()
        losses.append(loss.item())
        return loss

    for _ in range(2):
        optimizer.step(closure)

    w = torch.zeros(POLY_DEGREE, 1, requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    for _ in range(6):
        loss = (x @ w + b - y).pow(2).mean()
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
            b -= 0.1 * b.grad
            w.grad.zero_()
            b.grad.data.zero_()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    print(main())
