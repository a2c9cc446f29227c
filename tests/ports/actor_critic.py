"""An actor that acts and a critic that guesses what will come of it; both share a layer, and the surprise of the critic teaches them."""

from collections import namedtuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import same_weights
from torch.autograd import Variable

SavedAction = namedtuple("SavedAction", ["log_prob", "value", "entropy"])


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine = nn.Linear(2, 12)
        self.action_head = nn.Linear(12, 3)
        self.value_head = nn.Linear(12, 1)

    def forward(self, x):
        x = torch.tanh(self.affine(x))
        return F.log_softmax(self.action_head(x), dim=-1), self.value_head(x)


def main():
    model, rng = same_weights(ActorCritic()), np.random.default_rng(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-2, amsgrad=True)
    losses = []
    for _episode in range(6):
        position, speed, saved, rewards = rng.uniform(-1, 1), 0.0, [], []
        for _ in range(10):
            log_probs, value = model(Variable(torch.from_numpy(np.array([position, speed]))))
            action = rng.choice(3, p=log_probs.exp().detach().numpy() / log_probs.exp().sum().item())
            entropy = -(log_probs * log_probs.exp()).sum()
            saved.append(SavedAction(log_probs[action], value, entropy))
            speed = 0.9 * speed + 0.1 * (action - 1)
            position += speed
            rewards.append(-abs(position))
        returns = []
        R = 0.0
        for r in reversed(rewards):
            R = r + 0.9 * R
            returns.insert(0, R)
        policy_losses, value_losses = [], []
        for (log_prob, value, entropy), R in zip(saved, torch.tensor(returns, dtype=torch.float64), strict=True):
            advantage = R - value.item()
            policy_losses.append(-log_prob * advantage - 0.01 * entropy)
            value_losses.append(F.smooth_l1_loss(value, R.unsqueeze(0)))
        optimizer.zero_grad()
        loss = torch.stack(policy_losses).sum() + torch.stack(value_losses).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    print(main())
