"""Q-learning on a ring of states from a replay buffer of preallocated tensors, whose rows are written and overwritten in place."""

import torch
import torch.nn.functional as F
from torch import nn


class Buffer:
    """A ring of transitions; priorities are a tree of sums over the leaves."""

    def __init__(self, capacity, width):
        self.states = torch.zeros(2, capacity, width)
        self.rest = torch.zeros(capacity, 3)
        self.actions, self.rewards, self.ends = self.rest.unbind(1)
        self.tree = torch.zeros(2 * capacity)
        self.capacity, self.size, self.next = capacity, 0, 0

    def add(self, state, action, reward, following, end):
        i = self.next
        self.states[0][i].copy_(state)
        self.states[1, i] = following
        row = self.rest[i]
        row[0] = action
        row[1] = reward
        row[2:].fill_(float(end))
        self.prefer(i, self.tree[self.capacity :].max().clamp(min=1.0))
        self.next, self.size = (i + 1) % self.capacity, min(self.size + 1, self.capacity)

    def prefer(self, i, priority):
        i += self.capacity
        self.tree[i : i + 1].copy_(priority)
        while i > 1:
            i //= 2
            self.tree[i : i + 1].zero_().add_(self.tree[2 * i]).add_(self.tree[2 * i + 1])

    def draw(self, count):
        found = torch.empty(count, dtype=torch.long)
        for k in range(count):
            mass, i = self.tree[1] * (k + 0.5) / count, 1
            while i < self.capacity:
                left = self.tree[2 * i]
                i, mass = (2 * i, mass) if mass <= left else (2 * i + 1, mass - left)
            found[k : k + 1].fill_(i - self.capacity)
        return found


class Frames:
    """The last observations, the newest last, shifted in place."""

    def __init__(self, depth, width):
        self.stack = torch.zeros(depth, width)

    def push(self, position):
        self.stack[:-1].copy_(self.stack[1:].clone())
        self.stack[-1].zero_()
        self.stack[-1][position] = 1
        return self.stack.view(-1)


class Value(nn.Module):
    def __init__(self, inputs, actions):
        super().__init__()
        self.body = nn.Linear(inputs, 16)
        self.heads = nn.Linear(16, 1 + actions)
        for i, p in enumerate(self.parameters()):
            flat = p.data.view(-1)
            flat.copy_(torch.arange(float(p.numel())).mul_(0.9 + i).sin_())
            flat.mul_(0.3)

    def forward(self, x):
        both = self.heads(self.body(x).relu_())
        value, advantage = both[:, :1], both[:, 1:]
        advantage -= advantage.mean(1, keepdim=True)
        return value + advantage


def main():
    places, depth = 6, 2
    buffer, frames = Buffer(16, depth * places), Frames(depth, places)
    online, target = Value(depth * places, 2), Value(depth * places, 2)
    optimizer = torch.optim.Adam(online.parameters(), lr=0.02)
    steps = torch.zeros(places, 2)
    losses, position = [], 0
    state = frames.push(position).clone()
    for step in range(40):
        with torch.no_grad():
            action = int(online(state[None])[0].argmax()) if step % 3 else step % 2
        steps[position][action] += 1
        position = (position + (1 if action else -1)) % places
        end = position == places - 1
        following = frames.push(position)
        buffer.add(state, action, 1.0 if end else -0.1, following, end)
        state = following.clone()
        if end:
            frames.stack.zero_()
            position = 0
            state = frames.push(position).clone()
        if step < 8:
            continue
        chosen = buffer.draw(6)
        rest = buffer.rest[chosen]
        with torch.no_grad():
            best = target(buffer.states[1][chosen])
            goal = best.max(1).values
            goal.mul_(rest[:, 2].neg_().add_(1)).mul_(0.9).add_(rest[:, 1])
        q = online(buffer.states[0][chosen]).gather(1, rest[:, :1].long())[:, 0]
        loss = F.smooth_l1_loss(q, goal)
        optimizer.zero_grad()
        loss.backward()
        for p in online.parameters():
            p.grad.view(-1)[::2].clamp_(-0.05, 0.05)
        optimizer.step()
        with torch.no_grad():
            for i, error in zip(chosen.tolist(), (q - goal).abs(), strict=True):
                buffer.prefer(i, error + 0.01)
            for mine, theirs in zip(target.parameters(), online.parameters(), strict=True):
                mine.view(-1).lerp_(theirs.view(-1), 0.1)
        losses.append(loss.detach())
    losses += [buffer.tree[1], buffer.rest.sum(), *steps.view(-1)]
    return losses


if __name__ == "__main__":
    print(main())
