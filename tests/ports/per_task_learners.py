"""Learning to learn for all tasks at once: gradients inside a loss under vmap, and what else torch.func gives for a network."""

import copy

import torch
import torch.nn.functional as F
from drawn import normal, same_weights
from torch import nn
from torch.func import functional_call, grad, grad_and_value, jacrev, stack_module_state, vmap


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(1, 8), nn.Linear(8, 8), nn.Linear(8, 1)

    def forward(self, x):
        return self.fc3(F.relu(self.fc2(torch.tanh(self.fc1(x)))))


def main():
    net = same_weights(Net())
    params = dict(net.named_parameters())
    optimizer = torch.optim.Adam(params.values(), lr=1e-2)

    def loss_of(params, x, y):
        return F.mse_loss(functional_call(net, params, (x,)), y)

    def loss_after_a_step(x1, y1, x2, y2):
        gradients = grad(loss_of)(params, x1, y1)
        return loss_of({name: params[name] - 0.05 * gradients[name] for name in params}, x2, y2)

    losses = []
    for step in range(3):
        amplitude, phase = (torch.from_numpy(normal(10 * step + k, 4, 1, 1)) for k in (0, 1))
        x1, x2 = (torch.from_numpy(normal(10 * step + k, 4, 5, 1)) for k in (2, 3))
        of_tasks = vmap(loss_after_a_step)(x1, amplitude * torch.sin(x1 + phase), x2, amplitude * torch.sin(x2 + phase))
        loss = of_tasks.sum() / len(of_tasks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += [loss.item(), *of_tasks.tolist()]

    detached = {name: p.detach() for name, p in params.items()}
    x = torch.from_numpy(normal(50, 6, 1))
    each = vmap(grad_and_value(lambda p, x, y: loss_of(p, x.unsqueeze(0), y.unsqueeze(0))), in_dims=(None, 0, 0))
    gradients, values = each(detached, x, x**2)
    losses += [g.norm().item() for g in gradients.values()] + values.tolist()
    gradients, mean = grad(lambda p: (loss_of(p, x, x**2), x.mean()), has_aux=True)(detached)
    losses += [gradients["fc3.bias"].item(), mean.item()]

    jacobians = vmap(jacrev(lambda p, x: functional_call(net, p, (x.unsqueeze(0),)).squeeze(0)), (None, 0))(detached, x)
    kernel = sum(torch.einsum("naf,mbf->nmab", j.flatten(2), j.flatten(2)) for j in jacobians.values())
    losses += kernel.flatten().tolist()
    losses += jacrev(jacrev(lambda t: (torch.sin(t).outer(t) ** 2).sum(1)))(x.flatten()[:3]).flatten().tolist()

    nets = [same_weights(Net(), seed) for seed in range(3)]
    stacked, buffers = stack_module_state(nets)
    base = copy.deepcopy(nets[0])
    outputs = vmap(lambda p, b, x: functional_call(base, (p, b), (x,)), in_dims=(0, 0, None))(stacked, buffers, x)
    return losses + outputs.flatten().tolist()


if __name__ == "__main__":
    print(main())
