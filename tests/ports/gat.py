"""A graph whose nodes choose which neighbours to listen to: attention along edges, with several heads."""

import torch
import torch.nn.functional as F
from drawn import integers, normal, same_weights
from torch import nn


class GraphAttentionLayer(nn.Module):
    def __init__(self, in_features, out_features, n_heads, concat=True, leaky=0.2):
        super().__init__()
        self.n_heads, self.concat = n_heads, concat
        self.n_hidden = out_features // n_heads if concat else out_features
        self.W = nn.Parameter(torch.empty(size=(in_features, self.n_hidden * n_heads)))
        self.a = nn.Parameter(torch.empty(size=(n_heads, 2 * self.n_hidden, 1)))
        self.leakyrelu = nn.LeakyReLU(leaky)
        nn.init.xavier_normal_(self.W)
        nn.init.xavier_normal_(self.a)

    def forward(self, h, adj):
        n = h.shape[0]
        x = torch.mm(h, self.W).view(n, self.n_heads, self.n_hidden).permute(1, 0, 2)
        source = torch.matmul(x, self.a[:, : self.n_hidden, :])
        target = torch.matmul(x, self.a[:, self.n_hidden :, :])
        e = self.leakyrelu(source + target.mT)
        e = torch.where(adj > 0, e, -9e15 * torch.ones_like(e))
        out = torch.matmul(F.softmax(e, dim=-1), x)
        return out.permute(1, 0, 2).contiguous().view(n, -1) if self.concat else out.mean(dim=0)


class GAT(nn.Module):
    def __init__(self):
        super().__init__()
        self.gat1 = GraphAttentionLayer(8, 12, n_heads=3)
        self.elu = nn.ELU()
        self.gat2 = GraphAttentionLayer(12, 3, n_heads=2, concat=False)

    def forward(self, x, adj):
        return F.log_softmax(self.gat2(self.elu(self.gat1(x, adj)), adj), dim=1)


def main():
    n = 20
    edges = torch.as_tensor(integers(13, n, 50, 2))
    adj = torch.eye(n)
    for i, j in edges.tolist():
        adj[i, j] = adj[j, i] = 1
    x, y = torch.as_tensor(normal(14, n, 8)), torch.as_tensor(integers(15, 3, n))
    model = same_weights(GAT())
    optimizer = torch.optim.NAdam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = F.nll_loss(model(x, adj), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    print(main())
