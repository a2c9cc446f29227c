"""A transformer for time series: sine positions, time features, masked windows, causal triu masks, series decomposition, teacher forcing and scaling back."""

import math

import numpy as np
import torch
import torch.nn as nn
from drawn import same_weights
from torch.utils.data import DataLoader, Dataset, random_split


class Scaler:
    def fit(self, data):
        self.mean, self.std = data.mean(0), data.std(0)
        return self

    def transform(self, data):
        mean = torch.from_numpy(self.mean).type_as(data).to(data.device) if torch.is_tensor(data) else self.mean
        std = torch.from_numpy(self.std).type_as(data).to(data.device) if torch.is_tensor(data) else self.std
        return (data - mean) / std

    def inverse(self, data):
        return data * torch.from_numpy(self.std) + torch.from_numpy(self.mean) if torch.is_tensor(data) else data * self.std + self.mean


class Windows(Dataset):
    def __init__(self, seq=8, label=4, pred=3):
        t = np.arange(40)
        series = np.stack([np.sin(t / 3.0), np.cos(t / 5.0) + 0.01 * t], axis=1)
        self.scaler = Scaler().fit(series)
        self.data, self.stamp = self.scaler.transform(series), np.stack([t % 24 / 23.0 - 0.5, t // 24 % 7 / 6.0 - 0.5], 1)
        self.seq, self.label, self.pred = seq, label, pred

    def __getitem__(self, i):
        e = i + self.seq
        return self.data[i:e], self.data[e - self.label : e + self.pred], self.stamp[i:e], self.stamp[e - self.label : e + self.pred]

    def __len__(self):
        return len(self.data) - self.seq - self.pred + 1


class PositionalEmbedding(nn.Module):
    def __init__(self, d_model, max_len=32):
        super().__init__()
        pe = torch.zeros(max_len, d_model)
        pe.requires_grad = False
        position = torch.arange(0, max_len).double().unsqueeze(1)
        div_term = (torch.arange(0, d_model, 2).double() * -(math.log(10000.0) / d_model)).exp()
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe.unsqueeze(0))

    def forward(self, x):
        return self.pe[:, : x.size(1)]


class DataEmbedding(nn.Module):
    def __init__(self, c_in, d_model):
        super().__init__()
        self.value = nn.Conv1d(c_in, d_model, kernel_size=3, padding=1, padding_mode="circular", bias=False)
        self.position, self.time = PositionalEmbedding(d_model), nn.Linear(2, d_model, bias=False)
        for m in self.modules():
            if isinstance(m, nn.Conv1d):
                nn.init.kaiming_normal_(m.weight, mode="fan_in", nonlinearity="leaky_relu")

    def forward(self, x, mark):
        return self.value(x.permute(0, 2, 1)).transpose(1, 2) + self.time(mark) + self.position(x).to(x.dtype)


class MovingAverage(nn.Module):
    def __init__(self, kernel_size):
        super().__init__()
        self.kernel_size, self.avg = kernel_size, nn.AvgPool1d(kernel_size=kernel_size, stride=1, padding=0)

    def forward(self, x):
        front, end = (x[:, i, :].unsqueeze(1).repeat(1, (self.kernel_size - 1) // 2, 1) for i in (0, -1))
        trend = self.avg(torch.cat([front, x, end], dim=1).permute(0, 2, 1)).permute(0, 2, 1)
        return x - trend, trend


class TriangularCausalMask:
    def __init__(self, b, length, device="cpu"):
        with torch.no_grad():
            self._mask = torch.triu(torch.ones([b, 1, length, length], dtype=torch.bool), diagonal=1).to(device)

    @property
    def mask(self):
        return self._mask


class FullAttention(nn.Module):
    def __init__(self, d, heads, causal=False):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in "qkvo")
        self.heads, self.causal = heads, causal

    def forward(self, x, memory):
        (B, L, _), S, H = x.shape, memory.shape[1], self.heads
        q, k, v = self.q(x).view(B, L, H, -1), self.k(memory).view(B, S, H, -1), self.v(memory).view(B, S, H, -1)
        scores = torch.einsum("blhe,bshe->bhls", q, k)
        if self.causal:
            scores.masked_fill_(TriangularCausalMask(B, L, device=q.device).mask, -np.inf)
        A = torch.softmax(1.0 / math.sqrt(q.shape[-1]) * scores, dim=-1)
        V = torch.einsum("bhls,bshd->blhd", A, v)
        return self.o(V.contiguous().view(B, L, -1)), A


class EncoderLayer(nn.Module):
    def __init__(self, d=8, heads=2):
        super().__init__()
        self.attention, self.decomp1, self.decomp2 = FullAttention(d, heads), MovingAverage(3), MovingAverage(5)
        self.conv1, self.conv2 = nn.Conv1d(d, 2 * d, 1), nn.Conv1d(in_channels=2 * d, out_channels=d, kernel_size=1)
        self.activation = nn.functional.elu

    def forward(self, x):
        new_x, _ = self.attention(x, x)
        y = x = self.decomp1(x + new_x)[0]
        y = self.activation(self.conv1(y.transpose(-1, 1)))
        y = self.conv2(y).transpose(-1, 1)
        return self.decomp2(x + y)[0]


class Model(nn.Module):
    def __init__(self, pred=3, d=8):
        super().__init__()
        self.pred = pred
        self.enc_in, self.dec_in = DataEmbedding(2, d), DataEmbedding(2, d)
        self.encoder = nn.ModuleList([EncoderLayer(d) for _ in range(2)])
        self.distil = nn.Sequential(
            nn.Conv1d(d, d, 3, padding=1), nn.BatchNorm1d(d), nn.ELU(), nn.MaxPool1d(kernel_size=3, stride=2, padding=1)
        )
        self.self_attention, self.cross = FullAttention(d, 2, causal=True), FullAttention(d, 2)
        self.norm, self.projection = nn.LayerNorm(d), nn.Linear(d, 2, bias=True)

    def forward(self, x_enc, x_mark, x_dec, dec_mark):
        mean = x_enc.mean(1, keepdim=True).detach()
        x_enc = x_enc - mean
        std = torch.sqrt(torch.var(x_enc, dim=1, keepdim=True, unbiased=False) + 1e-5)
        x_enc /= std
        h = self.enc_in(x_enc, x_mark)
        h = self.distil(self.encoder[0](h).permute(0, 2, 1)).transpose(1, 2)
        h = self.encoder[1](h)
        y = self.dec_in(x_dec, dec_mark)
        y = y + self.self_attention(y, y)[0]
        y, attention = self.cross(y, h)
        out = self.projection(self.norm(y))[:, -self.pred :, :]
        return out * std[:, 0, :].unsqueeze(1).repeat(1, self.pred, 1) + mean, attention


def adjust_learning_rate(optimizer, epoch, lr):
    lr_adjust = {e: lr * (0.5 ** ((e - 1) // 1)) for e in range(1, 9)}
    if epoch in lr_adjust:
        for param_group in optimizer.param_groups:
            param_group["lr"] = lr_adjust[epoch]
        return lr_adjust[epoch]


def main():
    data = Windows()
    train_set, test_set = random_split(data, [len(data) - 6, 6], generator=torch.Generator().manual_seed(0))
    train_set.indices, test_set.indices = list(range(24)), list(range(24, 30))
    loader = DataLoader(train_set, batch_size=8, shuffle=False, drop_last=True)
    device = torch.device("cuda:0") if torch.cuda.is_available() else torch.device("cpu")
    model = same_weights(Model()).to(device)
    optimizer, criterion = torch.optim.Adam(model.parameters(), lr=1e-2), nn.MSELoss()
    losses = []
    for epoch in range(2):
        model.train()
        epoch_loss = []
        for batch_x, batch_y, x_mark, y_mark in loader:
            optimizer.zero_grad()
            batch_x, batch_y = batch_x.double().to(device), batch_y.double()
            dec = torch.zeros_like(batch_y[:, -3:, :]).double()
            dec = torch.cat([batch_y[:, :4, :], dec], dim=1).double().to(device)
            outputs, _ = model(batch_x, x_mark.double(), dec, y_mark.double())
            batch_y = batch_y[:, -3:, 0:].to(device)
            loss = criterion(outputs, batch_y)
            epoch_loss.append(loss.item())
            loss.backward()
            optimizer.step()
        losses += epoch_loss + [np.average(epoch_loss), adjust_learning_rate(optimizer, epoch + 1, 1e-2)]
    model.eval()
    preds, trues = [], []
    with torch.no_grad():
        for x, y, xm, ym in DataLoader(test_set, batch_size=1):
            out, attention = model(x, xm, torch.cat([y[:, :4], torch.zeros_like(y[:, -3:])], 1), ym)
            preds.append(out.detach().cpu().numpy())
            trues.append(y[:, -3:].numpy())
    preds, trues = np.array(preds), np.array(trues)
    preds, trues = preds.reshape(-1, preds.shape[-2], preds.shape[-1]), trues.reshape(-1, 3, 2)
    unscaled = data.scaler.inverse(torch.from_numpy(preds[0]))
    return losses + [np.mean((preds - trues) ** 2), np.abs(preds - trues).mean(), unscaled.sum().item(), attention[0, 0].max().item()]
