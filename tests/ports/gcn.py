"""Nodes of a graph learn from their neighbours: each layer mixes features along the edges of a normalised adjacency matrix."""

import torch
import torch.nn.functional as F
from drawn import integers, normal, same_weights
from torch import nn
from torch.optim import Adam


class GraphConv(nn.Module):
    def __init__(self, input_dim, output_dim, use_bias=False):
        super().__init__()
        self.kernel = nn.Parameter(torch.Tensor(input_dim, output_dim))
        nn.init.xavier_normal_(self.kernel)
        self.bias = None
        if use_bias:
            self.bias = nn.Parameter(torch.Tensor(output_dim))
            nn.init.zeros_(self.bias)

    def forward(self, x, adjacency):
        out = torch.mm(adjacency, torch.mm(x, self.kernel))
        return out if self.bias is None else out + self.bias


class GCN(nn.Module):
    def __init__(self, input_dim, hidden_dim, output_dim):
        super().__init__()
        self.gc1 = GraphConv(input_dim, hidden_dim, use_bias=True)
        self.gc2 = GraphConv(hidden_dim, output_dim)

    def forward(self, x, adjacency):
        x = F.relu(self.gc1(x, adjacency))
        return F.log_softmax(self.gc2(x, adjacency), dim=1)


def main():
    n = 24
    edges = torch.from_numpy(integers(10, n, 2, 60))
    adjacency = torch.zeros(n, n)
    adjacency[edges[0], edges[1]] = 1.0
    adjacency = torch.maximum(adjacency, adjacency.T) + torch.eye(n)
    degree = adjacency.sum(1).pow(-0.5)
    adjacency = torch.diag(degree) @ adjacency @ torch.diag(degree)
    features, labels = torch.from_numpy(normal(11, n, 8)), torch.from_numpy(integers(12, 3, n))
    train, valid = torch.arange(16), torch.arange(16, n)
    model = same_weights(GCN(8, 6, 3))
    optimizer = Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    criterion, losses = nn.NLLLoss(), []
    for _epoch in range(8):
        model.train()
        optimizer.zero_grad()
        loss = criterion(model(features, adjacency)[train], labels[train])
        loss.backward()
        optimizer.step()
        model.eval()
        with torch.no_grad():
            losses += [loss.item(), criterion(model(features, adjacency)[valid], labels[valid]).item()]
    return losses


if __name__ == "__main__":
    print(main())
