"""Reinforcement learning: PPO with GAE on a rollout buffer, a categorical and a squashed Gaussian head, SAC-style twin critics with polyak updates, prioritised replay."""

import random
from collections import deque, namedtuple
from copy import deepcopy

import numpy as np
import torch
import torch.nn as nn
from drawn import normal, same_weights
from torch.distributions import Categorical, Independent, Normal, TransformedDistribution, kl_divergence
from torch.distributions.transforms import AffineTransform, TanhTransform

Transition = namedtuple("Transition", ("state", "action", "reward", "next_state", "done"))


class Line:
    def __init__(self, seed):
        self.noise = iter(normal(seed, 4000))
        self.x = np.zeros(3, dtype=np.float64)

    def reset(self):
        self.t, self.x = 0, np.array([next(self.noise) for _ in range(3)])
        return self.x.copy(), {}

    def step(self, action):
        self.t += 1
        self.x = 0.9 * self.x + 0.3 * np.asarray(action).sum() + 0.1 * np.array([next(self.noise) for _ in range(3)])
        return self.x.copy(), float(-np.square(self.x).sum()), self.t % 5 == 0, False, {}


def layer_init(layer, std=np.sqrt(2), bias_const=0.0):  # noqa: B008
    torch.nn.init.orthogonal_(layer.weight, std)
    torch.nn.init.constant_(layer.bias, bias_const)
    return layer


class Agent(nn.Module):
    def __init__(self):
        super().__init__()
        self.critic = nn.Sequential(layer_init(nn.Linear(3, 6)), nn.Tanh(), layer_init(nn.Linear(6, 1), std=1.0))
        self.actor = nn.Sequential(layer_init(nn.Linear(3, 6)), nn.Tanh(), layer_init(nn.Linear(6, 3), std=0.01))

    def value(self, x):
        return self.critic(x)

    def act(self, x, action=None):
        probs = Categorical(logits=self.actor(x))
        if action is None:
            action = probs.probs.argmax(-1)
        return action, probs.log_prob(action), probs.entropy(), self.critic(x)


def ppo(losses, steps=10):
    env, agent = Line(410), same_weights(Agent())
    optimizer = torch.optim.Adam(agent.parameters(), lr=2.5e-2, eps=1e-5)
    obs, actions = torch.zeros((steps, 1, 3)), torch.zeros((steps, 1)).long()
    logprobs, rewards, dones, values = (torch.zeros((steps, 1)) for _ in range(4))
    next_obs, next_done = torch.Tensor(env.reset()[0]).to(torch.float64)[None], torch.zeros(1)
    for update in range(1, 3):
        optimizer.param_groups[0]["lr"] = (1.0 - (update - 1.0) / 2) * 2.5e-2
        for step in range(steps):
            obs[step], dones[step] = next_obs, next_done
            with torch.no_grad():
                action, logprob, _, value = agent.act(next_obs)
                values[step] = value.flatten()
            actions[step], logprobs[step] = action, logprob
            state, reward, done, _, _ = env.step(action.cpu().numpy() - 1)
            rewards[step] = torch.tensor(reward).view(-1)
            if done:
                state, _ = env.reset()
            next_obs, next_done = torch.from_numpy(state).unsqueeze(0), torch.tensor([float(done)])
        with torch.no_grad():
            next_value, advantages, last = agent.value(next_obs).reshape(1, -1), torch.zeros_like(rewards), 0
            for t in reversed(range(steps)):
                alive = 1.0 - (next_done if t == steps - 1 else dones[t + 1])
                following = next_value if t == steps - 1 else values[t + 1]
                delta = rewards[t] + 0.99 * following * alive - values[t]
                advantages[t] = last = delta + 0.99 * 0.95 * alive * last
            returns = advantages + values
        b_obs, b_logprobs, b_actions = obs.reshape((-1, 3)), logprobs.reshape(-1), actions.reshape((-1,) + ())
        b_advantages, b_returns, b_values = advantages.reshape(-1), returns.reshape(-1), values.reshape(-1)
        b_inds, clipfracs = np.arange(steps), []
        for _ in range(2):
            for start in range(0, steps, 5):
                mb = b_inds[start : start + 5]
                _, newlogprob, entropy, newvalue = agent.act(b_obs[mb], b_actions.long()[mb])
                logratio = newlogprob - b_logprobs[mb]
                ratio = logratio.exp()
                with torch.no_grad():
                    approx_kl = ((ratio - 1) - logratio).mean()
                    clipfracs += [((ratio - 1.0).abs() > 0.01).to(torch.float32).mean().item()]
                adv = b_advantages[mb]
                adv = (adv - adv.mean()) / (adv.std() + 1e-8)
                pg = torch.max(-adv * ratio, -adv * torch.clamp(ratio, 1 - 0.2, 1 + 0.2)).mean()
                newvalue = newvalue.view(-1)
                clipped = b_values[mb] + torch.clamp(newvalue - b_values[mb], -0.2, 0.2)
                v = 0.5 * torch.max((newvalue - b_returns[mb]) ** 2, (clipped - b_returns[mb]) ** 2).mean()
                loss = pg - 0.01 * entropy.mean() + v * 0.5
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
                optimizer.step()
                losses += [loss.item(), approx_kl.item()]
        y_pred, y_true = b_values.cpu().numpy(), b_returns.cpu().numpy()
        losses += [float(np.mean(clipfracs)), 1 - np.var(y_true - y_pred) / np.var(y_true)]


class Prioritised:
    def __init__(self, capacity, alpha=0.6):
        self.memory, self.priorities, self.alpha = deque(maxlen=capacity), torch.zeros(capacity), alpha

    def push(self, *args):
        self.priorities[len(self.memory)] = self.priorities.max() if len(self.memory) else 1.0
        self.memory.append(Transition(*args))

    def sample(self, n, rng):
        p = self.priorities[: len(self.memory)] ** self.alpha
        p /= p.sum()
        index = torch.searchsorted(p.cumsum(0), torch.tensor([rng.random() for _ in range(n)])).clamp(max=len(self.memory) - 1)
        weight = (len(self.memory) * p[index]).pow(-0.4)
        batch = Transition(*zip(*[self.memory[i] for i in index.tolist()]))  # noqa: B905
        return index, batch, weight / weight.max()


class Squashed(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.log_std = nn.Sequential(nn.Linear(3, 6), nn.SiLU(), nn.Linear(6, 2)), nn.Parameter(-0.5 * torch.ones(2))

    def forward(self, x, eps):
        mean, std = self.net(x), self.log_std.clamp(-20, 2).exp()
        base = Independent(Normal(mean, std), 1)
        policy = TransformedDistribution(base, [TanhTransform(cache_size=1), AffineTransform(0.0, 2.0, event_dim=1)])
        action = 2.0 * torch.tanh(mean + std * eps)
        return action, policy.log_prob(action), base


def sac(losses):
    env, rng = Line(411), random.Random(1)
    actor = same_weights(Squashed())
    critics = nn.ModuleList([same_weights(nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 1)), i) for i in range(2)])
    targets = deepcopy(critics).requires_grad_(False)
    log_alpha = torch.zeros(1, requires_grad=True)
    opt_a, opt_c, opt_t = (
        torch.optim.Adam(actor.parameters(), 1e-2),
        torch.optim.Adam(critics.parameters(), 1e-2),
        torch.optim.Adam([log_alpha], lr=1e-2),
    )
    replay, state = Prioritised(32), env.reset()[0]
    for step in range(12):
        eps = torch.as_tensor(normal(420 + step, 2))
        with torch.no_grad():
            action, _, _ = actor(torch.as_tensor(state), eps)
        following, reward, done, *_ = env.step(action.numpy())
        replay.push(torch.as_tensor(state), action, reward, torch.as_tensor(following), done)
        state = following
        if step < 6:
            continue
        index, batch, weight = replay.sample(4, rng)
        s, a, s2 = torch.stack(batch.state), torch.stack(batch.action), torch.stack(batch.next_state)
        r, alive = torch.tensor(batch.reward).unsqueeze(1), ~torch.tensor(batch.done, dtype=torch.bool)[:, None]
        with torch.no_grad():
            a2, logp2, _ = actor(s2, eps)
            q2 = torch.min(*[q(torch.cat([s2, a2], -1)) for q in targets]) - log_alpha.exp() * logp2[:, None]
            y = r + 0.9 * alive * q2
        errors = [q(torch.cat([s, a], dim=-1)) - y for q in critics]
        loss_q = sum((weight[:, None] * e.pow(2)).mean() for e in errors)
        opt_c.zero_grad()
        loss_q.backward()
        opt_c.step()
        replay.priorities[index] = errors[0].detach().abs().squeeze(1) + 1e-3
        critics.requires_grad_(False)
        a_new, logp, base = actor(s, eps)
        q = torch.stack([c(torch.cat([s, a_new], -1)) for c in critics]).min(dim=0)[0]
        prior = Independent(Normal(torch.zeros(2), torch.ones(2)), 1)
        loss_a = (log_alpha.exp().detach() * logp - q.squeeze(-1)).mean() + 0.01 * kl_divergence(base, prior).mean()
        opt_a.zero_grad()
        loss_a.backward()
        opt_a.step()
        critics.requires_grad_(True)
        loss_t = -(log_alpha * (logp + -2.0).detach()).mean()
        opt_t.zero_grad()
        loss_t.backward()
        opt_t.step()
        for p, q_ in zip(targets.parameters(), critics.parameters()):  # noqa: B905
            p.data.mul_(0.9)
            p.data.add_(0.1 * q_.data)
        losses += [loss_q.item(), loss_a.item(), loss_t.item(), weight.sum().item()]


def main():
    losses = []
    ppo(losses)
    sac(losses)
    return losses
