"""Q-learning with a replay memory, a target network that follows slowly, and an environment of a few lines: a cart on a track with two ends."""

import math
import random
from collections import deque, namedtuple

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from drawn import same_weights

Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))


class Track:
    def reset(self, seed):
        self.x, self.v, self.t = 0.1 * (seed % 3 - 1), 0.0, 0
        return [self.x, self.v]

    def step(self, action):
        self.v += 0.1 * (action - 1) - 0.05 * math.sin(3 * self.x)
        self.x += self.v
        self.t += 1
        return [self.x, self.v], -abs(self.x), abs(self.x) > 1.0, self.t >= 20


class ReplayMemory(object):  # noqa: UP004
    def __init__(self, capacity):
        self.memory = deque(maxlen=capacity)

    def push(self, *args):
        self.memory.append(Transition(*args))

    def sample(self, batch_size):
        return random.sample(self.memory, batch_size)

    def __len__(self):
        return len(self.memory)


class DQN(nn.Module):
    def __init__(self, n_observations, n_actions):
        super(DQN, self).__init__()  # noqa: UP008
        self.layer1 = nn.Linear(n_observations, 16)
        self.value, self.advantage = nn.Linear(16, 1), nn.Linear(16, n_actions)

    def forward(self, x):
        x = F.relu(self.layer1(x))
        advantage = self.advantage(x)
        return self.value(x) + advantage - advantage.mean(dim=1, keepdim=True)


BATCH_SIZE, GAMMA, TAU = 16, 0.95, 0.05
device = torch.device("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() and False else "cpu")


def select_action(policy_net, state, steps_done):
    if random.random() > 0.05 + 0.85 * math.exp(-steps_done / 30):
        with torch.no_grad():
            return policy_net(state).max(1).indices.view(1, 1)
    return torch.tensor([[random.randrange(3)]], device=device, dtype=torch.long)


def optimize_model(policy_net, target_net, optimizer, memory):
    batch = Transition(*zip(*memory.sample(BATCH_SIZE)))  # noqa: B905
    non_final_mask = torch.tensor(tuple(map(lambda s: s is not None, batch.next_state)), device=device, dtype=torch.bool)  # noqa: C417
    non_final_next_states = torch.cat([s for s in batch.next_state if s is not None])
    state_batch, action_batch, reward_batch = torch.cat(batch.state), torch.cat(batch.action), torch.cat(batch.reward)
    state_action_values = policy_net(state_batch).gather(1, action_batch)
    next_state_values = torch.zeros(BATCH_SIZE, device=device)
    with torch.no_grad():
        next_state_values[non_final_mask] = target_net(non_final_next_states).max(1).values
    expected = (next_state_values * GAMMA) + reward_batch
    loss = nn.SmoothL1Loss()(state_action_values, expected.unsqueeze(1))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(policy_net.parameters(), 100)
    optimizer.step()
    return loss.item()


def main():
    random.seed(0)
    env, memory = Track(), ReplayMemory(200)
    policy_net, target_net = same_weights(DQN(2, 3)).to(device), DQN(2, 3).to(device)
    target_net.load_state_dict(policy_net.state_dict())
    optimizer = optim.AdamW(policy_net.parameters(), lr=1e-2, amsgrad=True)
    losses, steps_done = [], 0
    for i_episode in range(4):
        state = torch.tensor(env.reset(i_episode), device=device).unsqueeze(0)
        done = False
        while not done:
            action = select_action(policy_net, state, steps_done)
            steps_done += 1
            observation, reward, terminated, truncated = env.step(action.item())
            done = terminated or truncated
            next_state = None if terminated else torch.tensor(observation, device=device).unsqueeze(0)
            memory.push(state, action, next_state, torch.tensor([reward], device=device))
            state = next_state
            if len(memory) >= BATCH_SIZE:
                losses.append(optimize_model(policy_net, target_net, optimizer, memory))
            target_dict, policy_dict = target_net.state_dict(), policy_net.state_dict()
            for key in policy_dict:
                target_dict[key] = policy_dict[key] * TAU + target_dict[key] * (1 - TAU)
            target_net.load_state_dict(target_dict)
    return losses


if __name__ == "__main__":
    print(main())
