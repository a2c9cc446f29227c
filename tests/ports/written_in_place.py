"""Functions of one's own that write their argument and say so: an activation that keeps its result alone, a norm and an activation in one, a fixed point."""

import torch
from drawn import normal, same_weights
from torch import autograd, nn
from torch.autograd import Function


class LeakyInPlace(Function):
    @staticmethod
    def forward(ctx, x, slope):
        ctx.slope = slope
        x.mul_(torch.where(x > 0, torch.ones_like(x), torch.full_like(x, slope)))
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return torch.where(y > 0, g, ctx.slope * g), None


class NormActivated(Function):
    """Batch norm and a leaky activation; backward finds the normed input from the result."""

    @staticmethod
    def forward(ctx, x, weight, bias, eps, slope):
        var, mean = torch.var_mean(x, dim=0, unbiased=False)
        x.sub_(mean).div_((var + eps).sqrt()).mul_(weight.abs() + eps).add_(bias)
        x[x < 0] *= slope
        ctx.mark_dirty(x)
        ctx.save_for_backward(x, weight, bias, var)
        ctx.eps, ctx.slope = eps, slope
        return x

    @staticmethod
    @autograd.function.once_differentiable
    def backward(ctx, g):
        z, weight, bias, var = ctx.saved_tensors
        z = torch.where(z < 0, z / ctx.slope, z)
        g = torch.where(z < 0, g * ctx.slope, g)
        scale = weight.abs() + ctx.eps
        normed = (z - bias) / scale
        g_bias, g_scale = g.sum(0), (g * normed).sum(0)
        g_x = (g - g_bias / len(g) - normed * g_scale / len(g)) * scale / (var + ctx.eps).sqrt()
        return g_x, g_scale * weight.sign(), g_bias, None, None


class Root(Function):
    """z with z = tanh(W z + x), and its gradient by the implicit function theorem; the number of rounds is no result to differentiate."""

    @staticmethod
    def forward(ctx, weight, x):
        z, rounds = torch.zeros_like(x), torch.zeros((), dtype=torch.long)
        while rounds < 100:
            following = torch.tanh(z @ weight.T + x)
            rounds += 1
            if (following - z).abs().max() < 1e-13:
                break
            z = following
        ctx.save_for_backward(weight, z)
        ctx.mark_non_differentiable(rounds)
        return z, rounds

    @staticmethod
    def backward(ctx, g, _):
        weight, z = ctx.saved_tensors
        slope = 1 - z * z
        jacobian = torch.eye(z.shape[1]) - slope.unsqueeze(-1) * weight
        u = torch.linalg.solve(jacobian.transpose(1, 2), g) * slope
        return (u.T @ z if ctx.needs_input_grad[0] else None), (u if ctx.needs_input_grad[1] else None)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 1)
        self.weight, self.bias = nn.Parameter(torch.ones(6)), nn.Parameter(torch.zeros(6))
        self.inner = nn.Parameter(torch.zeros(6, 6))
        self.scale = nn.Buffer(torch.tensor(0.2))

    def forward(self, x):
        h = self.first(x)
        activated = NormActivated.apply(h, self.weight, self.bias, 1e-5, 0.1)
        assert activated is h
        h = self.second(h)
        LeakyInPlace.apply(h, 0.2)
        z, self.rounds = Root.apply(self.scale * self.inner, h)
        return self.last(z)


def main():
    x, y = torch.from_numpy(normal(920, 10, 4)), torch.from_numpy(normal(921, 10, 1))
    model = same_weights(Net())
    assert list(model.state_dict())[:4] == ["weight", "bias", "inner", "scale"]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(6):
        loss = (model(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert not model.rounds.requires_grad and 2 < model.rounds < 100
    inputs = torch.from_numpy(normal(922, 2, 3)).requires_grad_(), (0.2 * torch.from_numpy(normal(923, 3, 3))).requires_grad_()
    assert autograd.gradcheck(lambda a: LeakyInPlace.apply(a * 1, 0.3), inputs[:1])
    assert autograd.gradgradcheck(lambda a: LeakyInPlace.apply(a * 1, 0.3) ** 2, inputs[:1])
    assert autograd.gradcheck(lambda a, w: Root.apply(w, a)[0], inputs)
    return [*losses, model.scale, model.weight.sum().item()]


if __name__ == "__main__":
    print(main())
