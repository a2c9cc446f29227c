"""Functions with their own backward: a straight-through sign, a quantised layer, sparsemax, a memory-saving swish, a product with a vector, an implicit layer."""

import torch
import torch.nn as nn
from drawn import normal, same_weights
from torch.autograd import Function, gradcheck
from torch.autograd.function import once_differentiable


class SignSTE(Function):
    @staticmethod
    def forward(ctx, input, threshold=1.0):
        ctx.save_for_backward(input)
        ctx.threshold = threshold
        return input.sign()

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        grad_input = grad_output.clone()
        grad_input[input.abs() > ctx.threshold] = 0
        return grad_input, None


class Quantise(Function):
    @staticmethod
    def forward(ctx, x, scale, bits):
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        q = x / scale
        ctx.save_for_backward(q, scale)
        ctx.other = low, high, (x.numel() * high) ** -0.5
        return q.round().clamp(low, high) * scale

    @staticmethod
    def backward(ctx, grad):
        q, _ = ctx.saved_tensors
        low, high, g = ctx.other
        small, big = (q < low).to(grad.dtype), (q > high).to(grad.dtype)
        middle = 1.0 - small - big
        grad_scale = ((small * low + big * high + middle * (-q + q.round())) * grad * g).sum().unsqueeze(dim=0)
        return middle * grad, grad_scale, None


class Sparsemax(Function):
    @staticmethod
    def forward(ctx, z, dim=-1):
        ctx.dim = dim
        z = z - z.max(dim=dim, keepdim=True)[0].expand_as(z)
        zs = torch.sort(input=z, dim=dim, descending=True)[0]
        rho = torch.arange(1, z.size(dim) + 1, device=z.device, dtype=z.dtype)
        view = [1] * z.dim()
        view[dim] = -1
        bound = 1 + rho.view(view) * zs
        support = torch.gt(bound, torch.cumsum(zs, dim)).type(z.type())
        k = torch.max(support * rho.view(view), dim, keepdim=True)[0]
        tau = (torch.sum(support * zs, dim, keepdim=True) - 1) / k
        out = torch.max(torch.zeros_like(z), z - tau)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        (out,) = ctx.saved_tensors
        nonzeros = torch.ne(out, 0)
        mean = torch.sum(grad * nonzeros, dim=ctx.dim, keepdim=True) / torch.sum(nonzeros, dim=ctx.dim, keepdim=True)
        return nonzeros * (grad - mean), None


class Swish(Function):
    @staticmethod
    def forward(x, beta):
        return x * torch.sigmoid(beta * x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, grad):
        if grad is None:
            return None, None
        x, beta = ctx.saved_tensors
        s = torch.sigmoid(beta * x)
        gx = gb = None
        if ctx.needs_input_grad[0]:
            gx = grad * (s + beta * x * s * (1 - s))
        if ctx.needs_input_grad[1]:
            gb = (grad * x * x * s * (1 - s)).sum_to_size(beta.shape)
        return gx, gb


class Normalise(Function):
    @staticmethod
    def forward(ctx, x):
        n, index = x.norm(dim=-1, keepdim=True), x.argmax(-1)
        ctx.mark_non_differentiable(index)
        y = x / n
        ctx.save_for_backward(y, n)
        return y, n, index

    @staticmethod
    def backward(ctx, gy, gn, gi):
        y, n = ctx.saved_tensors
        return (gy - y * (gy * y).sum(-1, keepdim=True)) / n + gn * y


class FixedPoint(nn.Module):
    """z = tanh(W z + x), with the gradient of its solution."""

    def __init__(self, n):
        super().__init__()
        self.W = nn.Linear(n, n)

    def forward(self, x):
        with torch.no_grad():
            z = torch.zeros_like(x)
            for _ in range(60):
                z = torch.tanh(0.4 * self.W(z) + x)
        z = torch.tanh(0.4 * self.W(z) + x)
        if not z.requires_grad:
            return z
        z0 = z.detach().requires_grad_()
        f0 = torch.tanh(0.4 * self.W(z0) + x.detach())

        def backward_hook(grad):
            g = grad
            for _ in range(60):
                g = torch.autograd.grad(f0, z0, g, retain_graph=True)[0] + grad
            return g

        z.register_hook(backward_hook)
        return z


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.fix, self.out = nn.Linear(5, 6), FixedPoint(6), nn.Linear(6, 4)
        self.beta, self.step = nn.Parameter(torch.ones(1)), nn.Parameter(torch.full((1,), 0.1))

    def forward(self, x):
        h = Swish.apply(self.fc(x), self.beta)
        h = self.fix(Quantise.apply(h, self.step, 4))
        direction, length, which = Normalise.apply(h)
        assert not which.requires_grad and which.dtype == torch.int64
        h = SignSTE.apply(direction) * length + direction
        return Sparsemax.apply(self.out(h), 1), which


def main():
    x, y = torch.tensor(normal(340, 8, 5)), torch.tensor(normal(341, 8, 4)).softmax(1)
    for f, args in (
        (Sparsemax.apply, (x.clone().requires_grad_(),)),
        (Swish.apply, (x.clone().requires_grad_(), torch.tensor([0.7], requires_grad=True))),
    ):
        assert gradcheck(f, args, eps=1e-6, atol=1e-4)
    model = same_weights(Net())
    model.step.data.fill_(0.1)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-2, alpha=0.9, centered=True, momentum=0.5)
    losses = []
    for _ in range(6):
        p, which = model(x)
        loss = ((p - y) ** 2).sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += [loss.item(), which.sum().item(), (p == 0).sum().item(), model.step.grad.item(), model.beta.grad.item()]
    v = torch.tensor(normal(342, 8, 5))
    x = x.requires_grad_(True)
    g = torch.autograd.grad(Swish.apply(x, model.beta).sum(), x, create_graph=True)[0]
    hv = torch.autograd.grad(g, [x, model.beta], grad_outputs=v, allow_unused=True)
    losses += [hv[0].sum().item(), hv[1].item(), Swish.apply(x, model.beta).grad_fn is not None]
    return losses
