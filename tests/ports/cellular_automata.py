"""Cellular automata, written by slices and views: the game of life, a neural one that heals a picture, and a sandpile."""

import torch
import torch.nn.functional as F
from torch import nn


def life(board, steps):
    """Conway's game with dead borders: neighbours are counted into a view of a padded board."""
    padded = torch.zeros(board.shape[0] + 2, board.shape[1] + 2)
    inside = padded[1:-1, 1:-1]
    inside.copy_(board)
    alive = []
    for _ in range(steps):
        count = torch.zeros_like(board)
        for dy in (0, 1, 2):
            for dx in (0, 1, 2):
                if (dy, dx) != (1, 1):
                    count.add_(padded[dy : dy + board.shape[0], dx : dx + board.shape[1]])
        born = (count == 3) & (inside == 0)
        stays = ((count == 2) | (count == 3)) & (inside == 1)
        inside.zero_()
        inside[born | stays] = 1
        alive.append(padded.sum() + 0.01 * (inside * torch.arange(float(inside.numel())).view_as(inside)).sum())
    return alive


def sandpile(size, grains):
    pile = torch.zeros(size, size)
    pile[size // 2][size // 2] = grains
    while (pile >= 4).any():
        topple = pile.ge(4).to(pile.dtype)
        pile.sub_(topple, alpha=4)
        pile[1:].add_(topple[:-1])
        pile[:-1].add_(topple[1:])
        pile.t()[1:].add_(topple.t()[:-1])
        pile.t()[:-1].add_(topple.t()[1:])
    pile.diagonal().mul_(2)
    return (pile * torch.arange(float(size * size)).reshape(size, size)).sum()


class Healer(nn.Module):
    """A neural automaton; its update rule starts at zero, and its hidden channels are written through views."""

    def __init__(self, channels=4):
        super().__init__()
        self.perceive = nn.Conv2d(channels, 3 * channels, 3, padding=1, groups=channels, bias=False)
        self.rule = nn.Sequential(nn.Conv2d(3 * channels, 12, 1), nn.Tanh(), nn.Conv2d(12, channels, 1))
        with torch.no_grad():
            kernels = self.perceive.weight.view(channels, 3, 3, 3)
            for channel in kernels:
                channel.zero_()
                channel[0][1, 1] = 1
                channel[1].copy_(torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).div_(8))
                channel[2].copy_(channel[1].t())
            generator = torch.arange(float(self.rule[0].weight.numel()))
            self.rule[0].weight.view(-1).copy_(generator.mul_(0.7).sin_().mul_(0.3))
            self.rule[0].bias.data[::2].fill_(0.1)
            self.rule[0].bias.data[1::2].fill_(-0.1)
            self.rule[2].weight.zero_()
            self.rule[2].weight[0].add_(0.02)
            self.rule[2].bias.zero_()

    def forward(self, state, steps):
        for _ in range(steps):
            state = state + self.rule(self.perceive(state))
            state[:, 0].clamp_(0, 1)
            state[:, :, 0].mul_(0.5)
            state[..., -1] *= 0.5
        return state


def main():
    board = torch.zeros(9, 9)
    board[1:4, 1:4].copy_(torch.tensor([[0.0, 1, 0], [0, 0, 1], [1, 1, 1]]))
    board[6].narrow(0, 4, 3).fill_(1)
    losses = [*life(board, 8), sandpile(9, 60.0)]

    picture = torch.zeros(8, 8)
    picture[2:6, 2:6] = 1
    picture.view(-1)[::9] += 0.5
    model = Healer()
    optimizer = torch.optim.Adam(model.rule.parameters(), lr=0.02)
    for step in range(6):
        state = torch.zeros(2, 4, 8, 8)
        state[:, 0] = picture
        for i, one in enumerate(state):
            one[0][2 + step % 3 :, 3 + i].zero_()  # damage
            one[1:].add_(0.1 * (i + 1))
        loss = F.mse_loss(model(state, 4)[:, 0], picture.expand(2, 8, 8))
        optimizer.zero_grad()
        loss.backward()
        for p in model.rule.parameters():
            p.grad.view(-1)[0].mul_(0.5)
        optimizer.step()
        losses.append(loss.detach())
    return losses


if __name__ == "__main__":
    print(main())
