"""Images through a code of whole numbers: the nearest entry of a book, which has no slope, so that the gradient is led around it."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import labelled_images, same_weights
from torch.autograd import Function


class Nearest(Function):
    @staticmethod
    def forward(ctx, inputs, codebook):
        flat = inputs.view(-1, codebook.size(1))
        distances = torch.addmm((codebook**2).sum(1) + (flat**2).sum(1, keepdim=True), flat, codebook.t(), alpha=-2.0, beta=1.0)
        _, indices = torch.min(distances, dim=1)
        ctx.save_for_backward(indices, codebook)
        ctx.mark_non_differentiable(indices)
        return torch.index_select(codebook, 0, indices).view_as(inputs), indices

    @staticmethod
    def backward(ctx, grad_output, grad_indices):
        grad_inputs, grad_codebook = None, None
        if ctx.needs_input_grad[0]:
            grad_inputs = grad_output.clone()
        if ctx.needs_input_grad[1]:
            indices, codebook = ctx.saved_tensors
            grad_codebook = torch.zeros_like(codebook)
            grad_codebook.index_add_(0, indices, grad_output.contiguous().view(-1, codebook.size(1)))
        return grad_inputs, grad_codebook


class VQVAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 8, 4, 2, 1), nn.ReLU(), nn.Conv2d(8, 4, 1))
        self.codebook = nn.Embedding(10, 4)
        self.decoder = nn.Sequential(nn.ConvTranspose2d(4, 8, 4, 2, 1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1))

    def forward(self, x):
        z_e = self.encoder(x)
        z = z_e.permute(0, 2, 3, 1).contiguous()
        z_q, indices = Nearest.apply(z, self.codebook.weight.detach())
        book = torch.index_select(self.codebook.weight, 0, indices).view_as(z)
        return self.decoder(z_q.permute(0, 3, 1, 2)), z, book


def main():
    images = torch.tanh(torch.from_numpy(labelled_images(26, 16, 3)[0]))
    model = same_weights(VQVAE())
    optimizer = torch.optim.Adamax(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        recon, z_e, z_q = model(images)
        loss = F.mse_loss(recon, images) + F.mse_loss(z_q, z_e.detach()) + 0.25 * F.mse_loss(z_e, z_q.detach())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    print(main())
