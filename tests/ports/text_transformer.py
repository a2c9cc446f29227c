"""Is it a sentence of this kind or that? A transformer's encoder reads words, ignores the padding, and the mean of what it says decides."""

import math

import torch
from drawn import integers, same_weights
from torch import Tensor, nn


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=20):
        super().__init__()
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(max_len, 1, d_model)
        pe[:, 0, 0::2] = torch.sin(position * div_term)
        pe[:, 0, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pe[: x.size(0)]


class TextClassifier(nn.Module):
    def __init__(self, vocabulary, d_model, classes):
        super().__init__()
        self.d_model = d_model
        self.embedding = nn.Embedding(vocabulary, d_model, padding_idx=0)
        self.pos_encoder = PositionalEncoding(d_model)
        layer = nn.TransformerEncoderLayer(d_model, nhead=2, dim_feedforward=16, dropout=0.0, activation="gelu", norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.decoder = nn.Linear(d_model, classes)

    def forward(self, src: Tensor) -> Tensor:
        padding = (src == 0).t()
        x = self.pos_encoder(self.embedding(src) * math.sqrt(self.d_model))
        x = self.encoder(x, src_key_padding_mask=padding)
        keep = (~padding).t().unsqueeze(-1).type_as(x)
        return self.decoder((x * keep).sum(0) / keep.sum(0))


def main():
    words = torch.from_numpy(integers(39, 11, 9, 10) + 1)
    for i, length in enumerate([9, 5, 7, 3, 9, 8, 4, 6, 9, 2]):
        words[length:, i] = 0
    labels = (words == 3).any(dim=0).long()
    model = same_weights(TextClassifier(12, 8, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, betas=(0.9, 0.98), eps=1e-9)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) ** -0.5, (step + 1) * 4**-1.5))
    losses = []
    for _ in range(8):
        model.train()
        loss = nn.CrossEntropyLoss()(model(words), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    print(main())
