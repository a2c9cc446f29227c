"""Who likes what: a vector for each reader and each book, whose product guesses the rating."""

import torch
from drawn import integers, normal, same_weights
from torch import nn
from torch.utils.data import DataLoader, Dataset, random_split


class Ratings(Dataset):
    def __init__(self, users, items, ratings):
        self.users, self.items = torch.LongTensor(users), torch.LongTensor(items)
        self.ratings = torch.DoubleTensor(ratings)

    def __len__(self):
        return self.ratings.shape[0]

    def __getitem__(self, i):
        return {"user": self.users[i], "item": self.items[i], "rating": self.ratings[i]}


class MatrixFactorization(nn.Module):
    def __init__(self, users, items, k):
        super().__init__()
        self.user_factors, self.item_factors = nn.Embedding(users, k), nn.Embedding(items, k)
        self.user_bias, self.item_bias = nn.Embedding(users, 1), nn.Embedding(items, 1)
        self.words = nn.EmbeddingBag(items, k, mode="mean")
        self.mu = nn.Parameter(torch.tensor(3.0, dtype=torch.float64))

    def forward(self, user, item):
        shown = self.words(torch.stack([item, (item + 1) % 9], dim=1))
        dot = ((self.user_factors(user) + shown) * self.item_factors(item)).sum(dim=1)
        return dot + self.user_bias(user).squeeze() + self.item_bias(item).squeeze() + self.mu


def main():
    users, items = integers(31, 7, 40), integers(32, 9, 40)
    ratings = 3 + normal(33, 7)[users] + normal(34, 9)[items]
    dataset = Ratings(users.tolist(), items.tolist(), ratings.tolist())
    train, valid = torch.utils.data.Subset(dataset, range(32)), torch.utils.data.Subset(dataset, range(32, 40))
    assert sum(len(part) for part in random_split(dataset, [30, 10])) == len(dataset)
    model = same_weights(MatrixFactorization(7, 9, 5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-3)
    losses = []
    for _epoch in range(3):
        for batch in DataLoader(train, batch_size=16):
            loss = torch.mean((model(batch["user"], batch["item"]) - batch["rating"]) ** 2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            (batch,) = DataLoader(valid, batch_size=8)
            losses.append(nn.L1Loss()(model(batch["user"], batch["item"]), batch["rating"]).item())
    return losses


if __name__ == "__main__":
    print(main())
