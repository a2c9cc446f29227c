"""An image read row by row: an LSTM sees one row at a time, and its last state says which class it was."""

import torch
from drawn import labelled_images, same_weights
from torch import nn, optim


class RowReader(nn.Module):
    def __init__(self, width, hidden, classes):
        super().__init__()
        self.rnn = nn.LSTM(input_size=width, hidden_size=hidden, num_layers=2, batch_first=True)
        self.batchnorm = nn.BatchNorm1d(hidden)
        self.head = nn.Linear(hidden, classes)

    def forward(self, images):
        rows = images.squeeze(1)
        self.rnn.flatten_parameters()
        output, (h, _) = self.rnn(rows)
        assert torch.allclose(output[:, -1], h[-1])
        return self.head(self.batchnorm(output[:, -1]))


def main():
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    images, labels = labelled_images(1, 60, 4, size=7)
    x, y = torch.tensor(images, device=device), torch.tensor(labels, device=device)
    model = same_weights(RowReader(7, 10, 4)).to(device)
    criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 1.0, 0.5]).to(device))
    optimizer = optim.RMSprop(model.parameters(), lr=1e-2, momentum=0.5)
    losses = []
    for _epoch in range(3):
        for xs, ys in zip(x.split(20), y.split(20), strict=True):
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(model(xs), ys)
            loss.backward()
            nn.utils.clip_grad_value_(model.parameters(), 0.05)
            optimizer.step()
            losses.append(loss.item())
    return losses


if __name__ == "__main__":
    print(main())
