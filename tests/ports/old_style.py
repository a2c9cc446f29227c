"""A script from before version 0.4: Variables, typed constructors, ``.data``, ``.type``, a hook on a gradient, and numpy in the middle."""

import torch
import torch.nn as nn
from drawn import labelled_images, same_weights
from torch.autograd import Variable


def main():
    cuda = torch.cuda.is_available()
    Tensor = torch.cuda.DoubleTensor if cuda else torch.DoubleTensor
    images, labels = labelled_images(43, 20, 2)
    net = same_weights(nn.Sequential(nn.Linear(64, 6), nn.Softsign(), nn.Linear(6, 1), nn.Sigmoid())).double()
    if cuda:
        net.cuda()
    params = list(net.parameters())
    momentum = [torch.zeros(p.size()).type_as(p.data) for p in params]
    scale = []
    params[0].register_hook(lambda g: scale.append(g.norm().item()))
    losses = []
    for _i in range(6):
        valid = Variable(Tensor(20, 1).fill_(1.0), requires_grad=False)
        x = Variable(torch.from_numpy(images.reshape(20, -1)).type(Tensor))
        y = Variable(torch.LongTensor(labels.tolist())).view(-1, 1).type(Tensor)
        output = net(x)
        loss = ((output - y * valid) ** 2).mean()
        net.zero_grad()
        loss.backward()
        for p, m in zip(params, momentum, strict=True):
            m.mul_(0.9).add_(p.grad.data)
            p.data.sub_(0.5 * m)
        accuracy = ((output.data > 0.5).type(torch.LongTensor).numpy() == labels.reshape(-1, 1)).mean()
        losses += [loss.data.item(), float(accuracy), scale[-1]]
    return losses


if __name__ == "__main__":
    print(main())
