"""Domain-adversarial training: a Function that turns gradients round, another with a gradient of its own, and hooks that watch and change."""

import torch
from drawn import labelled_images, same_weights
from torch import nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class GradientReversal(Function):
    @staticmethod
    def forward(ctx, x, alpha):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.neg() * ctx.alpha, None


class MemoryEfficientSwish(Function):
    @staticmethod
    def forward(ctx, i):
        result = i * torch.sigmoid(i)
        ctx.save_for_backward(i)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        (i,) = ctx.saved_tensors
        if not ctx.needs_input_grad[0]:
            return None
        sigmoid_i = torch.sigmoid(i)
        return grad_output * (sigmoid_i * (1 + i * (1 - sigmoid_i)))


class SplitAndScale(Function):
    """Two results, of which one is a constant, and an argument that may be None."""

    @staticmethod
    def forward(ctx, x, scale=None):
        scale = torch.ones_like(x) if scale is None else scale
        norm = (x * scale).norm(dim=1)
        ctx.save_for_backward(x, scale)
        ctx.mark_non_differentiable(norm)
        ctx.set_materialize_grads(False)
        return x * scale, norm

    @staticmethod
    def backward(ctx, g, g_norm):
        x, scale = ctx.saved_tensors
        assert g_norm is None
        return None if g is None else g * scale, None if g is None else (g * x).sum(0)


class Swish(nn.Module):
    def forward(self, x):
        return MemoryEfficientSwish.apply(x)


class DANN(nn.Module):
    def __init__(self):
        super().__init__()
        self.feature = nn.Sequential(nn.Flatten(), nn.Linear(64, 12), Swish(), nn.Linear(12, 8), Swish())
        self.scale = nn.Parameter(torch.ones(8))
        self.class_classifier, self.domain_classifier = nn.Linear(8, 3), nn.Linear(8, 2)

    def forward(self, x, alpha):
        feature, norm = SplitAndScale.apply(self.feature(x), self.scale)
        assert not norm.requires_grad
        return self.class_classifier(feature), self.domain_classifier(GradientReversal.apply(feature, alpha)), norm


def main():
    source, labels = (torch.from_numpy(a) for a in labelled_images(62, 24, 3))
    target = torch.from_numpy(labelled_images(62, 24, 3)[0]).roll(1, -1) * 1.3
    net = same_weights(DANN())
    seen, activations = {}, {}

    def save_activation(name):
        def hook(module, inputs, output):
            activations[name] = (inputs[0].shape[0], output.detach().abs().mean().item())

        return hook

    handles = [m.register_forward_hook(save_activation(n)) for n, m in net.named_modules() if isinstance(m, nn.Linear)]
    handles.append(net.feature[3].register_full_backward_hook(lambda m, gi, go: seen.__setitem__("back", go[0].norm().item())))
    handles.append(net.domain_classifier.register_forward_pre_hook(lambda m, args: (args[0] * 0.9,)))
    handles.append(net.feature[3].weight.register_hook(lambda g: g.clamp(-0.05, 0.05)))
    handles.append(net.scale.register_post_accumulate_grad_hook(lambda p: seen.__setitem__("scale", p.grad.norm().item())))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    nll = nn.NLLLoss()
    losses = []
    for i in range(6):
        if i == 4:
            for handle in handles:
                handle.remove()
        alpha = 2.0 / (1.0 + torch.exp(torch.tensor(-i / 2.0)).item()) - 1
        net.zero_grad()
        class_output, domain_output, norm = net(source, alpha)
        _, other, _ = net(target, alpha)
        loss = nll(class_output.log_softmax(1), labels)
        loss = loss + nll(domain_output.log_softmax(1), torch.zeros(24).long()) + nll(other.log_softmax(1), torch.ones(24).long())
        loss.backward()
        optimizer.step()
        losses += [loss.item(), seen["back"], seen["scale"], norm.mean().item(), sum(mean for _, mean in activations.values())]
    return losses


if __name__ == "__main__":
    print(main())
