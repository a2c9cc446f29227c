"""Diagonal state-space layers (S4D) classify sequences: complex poles and a Vandermonde sum make a kernel, which a Fourier transform applies.

The same layer is then run step by step, as a recurrence, and one with the poles of the LRU by its scan.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import integers, normal


class S4DKernel(nn.Module):
    def __init__(self, d_model, N=8, dt_min=0.001, dt_max=0.1, lr=None):
        super().__init__()
        H = d_model
        log_dt = torch.from_numpy(normal(0, H)).abs() * (math.log(dt_max) - math.log(dt_min)) / 3 + math.log(dt_min)
        C = torch.view_as_complex(torch.from_numpy(normal(1, H, N // 2, 2)))
        self.C = nn.Parameter(torch.view_as_real(C))
        self.register("log_dt", log_dt, lr)
        self.register("log_A_real", torch.log(0.5 * torch.ones(H, N // 2)), lr)
        self.register("A_imag", math.pi * torch.arange(N // 2).repeat(H, 1).to(log_dt.dtype), lr)

    def forward(self, L):
        dt = torch.exp(self.log_dt)
        C = torch.view_as_complex(self.C)
        A = -torch.exp(self.log_A_real) + 1j * self.A_imag
        dtA = A * dt.unsqueeze(-1)
        K = dtA.unsqueeze(-1) * torch.arange(L, device=A.device)
        C = C * (torch.exp(dtA) - 1.0) / A
        return 2 * torch.einsum("hn, hnl -> hl", C, torch.exp(K)).real

    def register(self, name, tensor, lr=None):
        if lr == 0.0:
            self.register_buffer(name, tensor)
        else:
            self.register_parameter(name, nn.Parameter(tensor))
            optim = {"weight_decay": 0.0}
            if lr is not None:
                optim["lr"] = lr
            getattr(self, name)._optim = optim


class S4D(nn.Module):
    def __init__(self, d_model, d_state=8, dropout=0.0, lr=None):
        super().__init__()
        self.D = nn.Parameter(torch.from_numpy(normal(2, d_model)))
        self.kernel = S4DKernel(d_model, d_state, lr=lr)
        self.dropout = nn.Dropout1d(dropout) if dropout > 0.0 else nn.Identity()
        self.output_linear = nn.Sequential(nn.Conv1d(d_model, 2 * d_model, kernel_size=1), nn.GLU(dim=-2))

    def forward(self, u):
        L = u.size(-1)
        k = self.kernel(L=L)
        k_f = torch.fft.rfft(k, n=2 * L)
        u_f = torch.fft.rfft(u, n=2 * L)
        y = torch.fft.irfft(u_f * k_f, n=2 * L)[..., :L]
        y = y + u * self.D.unsqueeze(-1)
        return self.output_linear(self.dropout(F.gelu(y)))

    def recurrent(self, u):
        """The sum before the activation, one step after another."""
        dt, A = torch.exp(self.kernel.log_dt), -torch.exp(self.kernel.log_A_real) + 1j * self.kernel.A_imag
        dA = torch.exp(A * dt[:, None])
        dB = (dA - 1.0) / A
        C, state, ys = torch.view_as_complex(self.kernel.C), torch.zeros(u.shape[0], *A.shape, dtype=A.dtype), []
        for t in range(u.shape[-1]):
            state = state * dA + dB * u[:, :, t, None]
            ys.append(2 * (state * C).sum(-1).real)
        return torch.stack(ys, -1) + u * self.D.unsqueeze(-1)


class LRU(nn.Module):
    """A linear recurrent unit: a complex diagonal recurrence between two complex matrices, as prefix products."""

    def __init__(self, d_in, d_state):
        super().__init__()
        u1, u2 = torch.from_numpy(normal(3, d_state)).sigmoid(), torch.from_numpy(normal(4, d_state)).sigmoid()
        self.nu_log = nn.Parameter(torch.log(-0.5 * torch.log(u1 * (0.99**2 - 0.5**2) + 0.5**2)))
        self.theta_log = nn.Parameter(torch.log(u2 * 2 * math.pi / 10))
        diag_lambda = torch.exp(torch.complex(-torch.exp(self.nu_log.detach()), torch.exp(self.theta_log.detach())))
        self.gamma_log = nn.Parameter(torch.log(torch.sqrt(1 - diag_lambda.abs() ** 2)))
        b = torch.complex(torch.from_numpy(normal(5, d_state, d_in)), torch.from_numpy(normal(6, d_state, d_in)))
        c = torch.complex(torch.from_numpy(normal(7, d_in, d_state)), torch.from_numpy(normal(8, d_in, d_state)))
        self.B, self.C = nn.Parameter(b / math.sqrt(2 * d_in)), nn.Parameter(c / math.sqrt(d_state))

    def forward(self, u):
        Lambda = torch.exp(torch.complex(-torch.exp(self.nu_log), torch.exp(self.theta_log)))
        B = self.B * torch.exp(self.gamma_log).unsqueeze(-1)
        Bu = u.to(B.dtype) @ B.T
        state, states = torch.zeros_like(Bu[:, 0]), []
        for x in Bu.unbind(1):
            state = Lambda * state + x
            states.append(state)
        return (torch.stack(states, 1) @ self.C.mT).real


class Classifier(nn.Module):
    def __init__(self, d_input, d_model, n_classes, n_layers=2):
        super().__init__()
        self.encoder = nn.Linear(d_input, d_model)
        self.layers = nn.ModuleList([S4D(d_model, lr=0.01) for _ in range(n_layers)])
        self.norms = nn.ModuleList([nn.LayerNorm(d_model) for _ in range(n_layers)])
        self.lru = LRU(d_model, 4)
        self.decoder = nn.Linear(d_model, n_classes)

    def forward(self, x):
        x = self.encoder(x).transpose(-1, -2)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = norm((layer(x) + x).transpose(-1, -2)).transpose(-1, -2)
        x = x.transpose(-1, -2)
        return self.decoder((x + self.lru(x)).mean(dim=1))


def setup_optimizer(model, lr, weight_decay):
    params = [p for p in model.parameters() if not hasattr(p, "_optim")]
    optimizer = torch.optim.AdamW(params, lr=lr, weight_decay=weight_decay)
    hps = [p._optim for p in model.parameters() if hasattr(p, "_optim")]
    hps = [dict(s) for s in sorted(dict.fromkeys(frozenset(hp.items()) for hp in hps))]
    for hp in hps:
        params = [p for p in model.parameters() if getattr(p, "_optim", None) == hp]
        optimizer.add_param_group({"params": params, **hp})
    return optimizer


def main():
    classes = integers(9, 3, 12)
    t = torch.arange(20)
    freqs = torch.tensor([0.5, 1.0, 2.0])[torch.from_numpy(classes)]
    x = torch.stack([torch.sin(freqs[:, None] * t), torch.cos(freqs[:, None] * t)], -1) + torch.from_numpy(normal(10, 12, 20, 2, scale=0.3))
    y = torch.from_numpy(classes)
    model = Classifier(2, 6, 3)
    with torch.no_grad():
        for i, (name, p) in enumerate(model.named_parameters()):
            if name.split(".")[0] in ("encoder", "decoder") or "output_linear" in name:
                p.copy_(torch.from_numpy(normal(20 + i, *p.shape, scale=0.3)))
    optimizer, losses = setup_optimizer(model, 0.02, 0.01), []
    for _ in range(7):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        layer, u = model.layers[0], torch.from_numpy(normal(11, 2, 6, 9))
        k = layer.kernel(L=9)
        by_fft = torch.fft.irfft(torch.fft.rfft(u, n=18) * torch.fft.rfft(k, n=18), n=18)[..., :9] + u * layer.D.unsqueeze(-1)
        assert torch.allclose(by_fft, layer.recurrent(u), atol=1e-8)
    lambdas = torch.exp(torch.complex(-torch.exp(model.lru.nu_log), torch.exp(model.lru.theta_log))).detach()
    powers = torch.cumprod(lambdas.expand(5, -1), dim=0)
    assert torch.allclose(powers[-1], lambdas**5)
    losses += [powers.real.sum().item(), powers.angle().sum().item(), model.lru.B.grad.abs().sum().item(), by_fft.sum().item()]
    return losses


if __name__ == "__main__":
    print(main())
