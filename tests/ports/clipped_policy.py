"""A policy that is kept near the one that drew the actions: advantages from the end backwards, minibatches of indices, clipped losses."""

import numpy as np
import torch
import torch.nn as nn
from drawn import integers, normal, same_weights
from torch.distributions import Categorical
from torch.utils.data.sampler import BatchSampler, SequentialSampler


def layer_init(layer, std=2**0.5, bias=0.0):
    torch.nn.init.orthogonal_(layer.weight, std)
    torch.nn.init.constant_(layer.bias, bias)
    return layer


class Agent(nn.Module):
    def __init__(self):
        super().__init__()
        self.critic = nn.Sequential(layer_init(nn.Linear(4, 8)), nn.Tanh(), layer_init(nn.Linear(8, 1), std=1.0))
        self.actor = nn.Sequential(layer_init(nn.Linear(4, 8)), nn.Tanh(), layer_init(nn.Linear(8, 3), std=0.01))

    def evaluate(self, x, action=None):
        probs = Categorical(logits=self.actor(x))
        if action is None:
            action = probs.sample()
        return action, probs.log_prob(action), probs.entropy(), self.critic(x)


def main():
    steps, envs, updates = 6, 4, 3
    agent = same_weights(Agent())
    optimizer = torch.optim.Adam(agent.parameters(), lr=2.5e-2, eps=1e-5)
    obs = torch.zeros((steps, envs) + (4,))
    actions, logprobs, rewards, dones, values = (torch.zeros((steps, envs)) for _ in range(5))
    next_done, losses = torch.zeros(envs), []
    for update in range(1, updates + 1):
        optimizer.param_groups[0]["lr"] = (1.0 - (update - 1.0) / updates) * 2.5e-2
        for step in range(steps):
            obs[step] = torch.tensor(normal(100 * update + step, envs, 4))
            dones[step] = next_done
            with torch.no_grad():
                action, logprob, _, value = agent.evaluate(obs[step], torch.tensor(integers(10 * update + step, 3, envs)))
                values[step] = value.flatten()
            actions[step], logprobs[step] = action, logprob
            best = obs[step].cpu().numpy().argmax(1) % 3
            rewards[step] = torch.tensor((action.cpu().numpy() == best).astype(np.float64)).view(-1)
            next_done = torch.Tensor(integers(step, 2, envs).astype(np.float32)).double()

        with torch.no_grad():
            next_value = agent.critic(obs[0]).reshape(1, -1)
            advantages, last = torch.zeros_like(rewards), 0
            for t in reversed(range(steps)):
                nonterminal = 1.0 - (next_done if t == steps - 1 else dones[t + 1])
                following = next_value if t == steps - 1 else values[t + 1]
                delta = rewards[t] + 0.99 * following * nonterminal - values[t]
                advantages[t] = last = delta + 0.99 * 0.95 * nonterminal * last
            returns = advantages + values

        b_obs, b_actions = obs.reshape((-1,) + (4,)), actions.reshape(-1)
        b_logprobs, b_advantages, b_returns, b_values = (x.reshape(-1) for x in (logprobs, advantages, returns, values))
        clipped = []
        for _ in range(2):
            for indices in BatchSampler(SequentialSampler(range(steps * envs)), 8, drop_last=True):
                _, logprob, entropy, value = agent.evaluate(b_obs[indices], b_actions.long()[indices])
                log_ratio = logprob - b_logprobs[indices]
                ratio = log_ratio.exp()
                with torch.no_grad():
                    kl = ((ratio - 1) - log_ratio).mean()
                    clipped += [((ratio - 1.0).abs() > 0.2).float().mean().item()]
                advantage = b_advantages[indices]
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
                policy_loss = torch.max(-advantage * ratio, -advantage * torch.clamp(ratio, 1 - 0.2, 1 + 0.2)).mean()
                value = value.view(-1)
                near = b_values[indices] + torch.clamp(value - b_values[indices], -0.2, 0.2)
                value_loss = 0.5 * torch.max((value - b_returns[indices]) ** 2, (near - b_returns[indices]) ** 2).mean()
                loss = policy_loss - 0.01 * entropy.mean() + 0.5 * value_loss
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
                optimizer.step()
                losses += [loss.item(), kl.item()]
        predicted, true = b_values.cpu().numpy(), b_returns.cpu().numpy()
        losses += [float(np.mean(clipped)), float(1 - np.var(true - predicted) / np.var(true))]
    return losses


if __name__ == "__main__":
    print(main())
