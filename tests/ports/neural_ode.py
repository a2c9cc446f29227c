"""A neural ODE with the adjoint method: a Function that integrates the gradients backwards, flat parameters, vector-Jacobian products, and a CNF's trace."""

import torch
import torch.nn as nn
from drawn import normal, same_weights


def rk4(func, t, dt, y):
    k1 = func(t, y)
    k2 = func(t + dt / 2, tuple(y_ + dt * k / 2 for y_, k in zip(y, k1)))  # noqa: B905
    k3 = func(t + dt / 2, tuple(y_ + dt * k / 2 for y_, k in zip(y, k2)))  # noqa: B905
    k4 = func(t + dt, tuple(y_ + dt * k for y_, k in zip(y, k3)))  # noqa: B905
    return tuple(y_ + (a + 2 * b + 2 * c + d) * (dt / 6) for y_, a, b, c, d in zip(y, k1, k2, k3, k4))  # noqa: B905


def odeint(func, y0, ts):
    single = torch.is_tensor(y0)
    if single:
        y0, base = (y0,), func
        func = lambda t, y: (base(t, y[0]),)
    out = [y0]
    for t0, t1 in zip(ts[:-1], ts[1:]):  # noqa: B905, RUF007
        out.append(rk4(func, t0, t1 - t0, out[-1]))
    stacked = tuple(map(torch.stack, tuple(zip(*out))))  # noqa: B905
    return stacked[0] if single else stacked


def flatten(sequence):
    flat = [p.contiguous().view(-1) for p in sequence]
    return torch.cat(flat) if len(flat) > 0 else torch.tensor([])


class Adjoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx, func, y0, t, flat_params):
        ctx.func = func
        with torch.no_grad():
            ans = odeint(func, y0, t)
        ctx.save_for_backward(t, flat_params, ans)
        return ans

    @staticmethod
    def backward(ctx, grad):
        t, flat_params, ans = ctx.saved_tensors
        func, params = ctx.func, tuple(ctx.func.parameters())

        def augmented(t, state):
            y, a = state[0], state[1]
            with torch.set_grad_enabled(True):
                t = t.to(y.device).detach().requires_grad_(True)
                y = y.detach().requires_grad_(True)
                f = func(t, y)
                vjp_t, vjp_y, *vjp_p = torch.autograd.grad(f, (t, y) + params, -a, allow_unused=True, retain_graph=True)
            vjp_t = torch.zeros_like(t) if vjp_t is None else vjp_t
            vjp_p = [torch.zeros_like(p) if g is None else g for g, p in zip(vjp_p, params)]  # noqa: B905
            return f, vjp_y, vjp_t, flatten(vjp_p)

        with torch.no_grad():
            a, a_t, a_p = grad[-1], torch.zeros(()), torch.zeros_like(flat_params)
            times = []
            for i in range(ans.shape[0] - 1, 0, -1):
                dL = func(t[i], ans[i]).mul(grad[i]).sum()
                a_t = a_t - dL
                times.append(dL)
                _, a, a_t, a_p = rk4(augmented, t[i], t[i - 1] - t[i], (ans[i], a, a_t, a_p))
                a += grad[i - 1]
            times.append(a_t)
            return None, a, torch.stack(times[::-1]), a_p


class Field(nn.Module):
    def __init__(self, dim=2, hidden=6):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dim + 1, hidden), nn.Tanh(), nn.Linear(hidden, dim))
        self.nfe = 0

    def forward(self, t, y):
        self.nfe += 1
        tt = torch.ones_like(y[..., :1]) * t
        return self.net(torch.cat([tt, y], -1))


class Cnf(nn.Module):
    def __init__(self, field):
        super().__init__()
        self.field = field

    def forward(self, t, state):
        z = state[0]
        with torch.enable_grad():
            z.requires_grad_(True) if z.is_leaf else None
            dz = self.field(t, z)
            trace = 0.0
            for i in range(z.shape[1]):
                trace += torch.autograd.grad(dz[:, i].sum(), z, create_graph=True)[0].contiguous()[:, i].contiguous()
        return dz, -trace.view(z.shape[0], 1)


def main():
    matrix = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]])
    ts = torch.linspace(0.0, 1.0, 6)
    with torch.no_grad():
        truth = odeint(lambda t, y: torch.mm(y**3, matrix), torch.tensor([[1.0, 0.0]]), ts)
    field = same_weights(Field())
    y0 = nn.Parameter(truth[0] + 0.1)
    optimizer = torch.optim.Adamax([*field.parameters(), y0], lr=0.05)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        t = ts.clone().requires_grad_()
        pred = Adjoint.apply(field, y0, t, flatten(field.parameters()))
        loss = torch.mean(torch.abs(pred - truth))
        loss.backward()
        optimizer.step()
        losses += [loss.item(), t.grad.abs().sum().item(), y0.grad.sum().item(), field.nfe]
    flow = Cnf(same_weights(Field(), 1))
    optimizer = torch.optim.Adagrad(flow.parameters(), lr=0.05)
    data = torch.tensor(normal(371, 7, 2)) * 0.5 + 1
    base = torch.distributions.MultivariateNormal(loc=torch.zeros(2), covariance_matrix=torch.eye(2))
    for _ in range(3):
        optimizer.zero_grad(set_to_none=True)
        z, logp = odeint(flow, (data.clone(), torch.zeros(7, 1)), torch.linspace(1, 0, 4))
        loss = -(base.log_prob(z[-1]) - logp[-1].squeeze(-1)).mean(0)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
