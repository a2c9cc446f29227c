"""A differential equation whose gradient is a second equation that runs backwards: memory does not grow with the number of steps."""

import itertools

import torch
import torch.nn as nn
from drawn import normal, same_weights
from torch.nn.utils import parameters_to_vector


def flat(tensors):
    return torch.cat([t.contiguous().view(-1) for t in tensors])


def runge_kutta(f, t0, t1, state):
    h = t1 - t0
    k1 = f(t0, state)
    k2 = f(t0 + h / 2, tuple(y + h / 2 * k for y, k in zip(state, k1, strict=False)))
    k3 = f(t0 + h / 2, tuple(y + h / 2 * k for y, k in zip(state, k2, strict=False)))
    k4 = f(t1, tuple(y + h * k for y, k in zip(state, k3, strict=False)))
    return tuple(y + h / 6 * (a + 2 * b + 2 * c + d) for y, a, b, c, d in zip(state, k1, k2, k3, k4, strict=False))


def integrate(f, state, times):
    states = [state]
    for t0, t1 in itertools.pairwise(times):
        state = runge_kutta(f, t0, t1, state)
        states.append(state)
    return tuple(torch.stack(component) for component in zip(*states, strict=False))


class Adjoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx, function, times, parameters, *start):
        ctx.function = function
        with torch.no_grad():
            path = integrate(function, start, times)
        ctx.save_for_backward(times, parameters, *path)
        return path

    @staticmethod
    def backward(ctx, *grads):
        times, parameters, *path = ctx.saved_tensors
        n, weights = len(path), tuple(ctx.function.parameters())

        def augmented(t, state):
            values, adjoint = state[:n], state[n : 2 * n]
            with torch.enable_grad():
                t = t.detach().requires_grad_(True)
                values = tuple(v.detach().requires_grad_(True) for v in values)
                slopes = ctx.function(t, values)
                found = torch.autograd.grad(slopes, (t, *values, *weights), tuple(-a for a in adjoint), allow_unused=True)
            found = [torch.zeros_like(x) if g is None else g for g, x in zip(found, (t, *values, *weights), strict=False)]
            return (*slopes, *found[1 : n + 1], found[0], flat(found[n + 1 :]))

        with torch.no_grad():
            adjoint, of_weights = tuple(g[-1] for g in grads), torch.zeros_like(parameters)
            of_time, of_times = torch.zeros_like(times[0]), []
            for i in range(len(times) - 1, 0, -1):
                slopes = ctx.function(times[i], tuple(p[i] for p in path))
                here = sum(torch.dot(s.reshape(-1), g[i].reshape(-1)) for s, g in zip(slopes, grads, strict=False))
                of_time = of_time - here
                of_times.insert(0, here)
                state = (*[p[i] for p in path], *adjoint, of_time, of_weights)
                state = [s[1] for s in integrate(augmented, state, torch.stack([times[i], times[i - 1]]))]
                adjoint, of_time, of_weights = state[n : 2 * n], state[2 * n], state[2 * n + 1]
                adjoint = tuple(a + g[i - 1] for a, g in zip(adjoint, grads, strict=False))
        return (None, torch.stack([of_time, *of_times]), of_weights, *adjoint)


class Field(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
        self.nfe = 0

    def forward(self, t, state):
        self.nfe += 1
        return tuple(self.net(y**3) + 0.1 * t * y for y in state)


def main():
    field = same_weights(Field())
    optimizer = torch.optim.RMSprop(field.parameters(), lr=1e-2)
    rotation = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]])
    times = torch.linspace(0.0, 1.0, 6).requires_grad_(True)
    start = torch.from_numpy(normal(1, 3, 2))
    with torch.no_grad():
        wanted = integrate(lambda t, state: (torch.mm(state[0] ** 3, rotation),), (start,), times)[0]
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        times.grad = None
        reached, other = Adjoint.apply(field, times, parameters_to_vector(field.parameters()), start, 0.5 * start)
        loss = torch.mean(torch.abs(reached - wanted)) + 0.1 * other[-1].pow(2).mean()
        loss.backward()
        optimizer.step()
        losses += [loss.item(), times.grad.abs().sum().item(), float(field.nfe)]
    y = start.clone().requires_grad_(True)
    for path in (integrate(field, (y,), times.detach()), Adjoint.apply(field, times, flat(field.parameters()), y)):
        y.grad = None
        path[0][-1].sum().backward()
        losses.append(y.grad.abs().sum().item())
    return losses


if __name__ == "__main__":
    print(main())
