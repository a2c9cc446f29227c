"""A tagger of words: both directions of an LSTM, and a conditional random field whose scores are summed tag by tag and decoded by Viterbi."""

import torch
import torch.optim as optim
from drawn import integers, same_weights
from torch import nn

START, STOP = "<start>", "<stop>"
TAGS = {"B": 0, "I": 1, "O": 2, START: 3, STOP: 4}


def argmax(vec):
    _, idx = torch.max(vec, 1)
    return idx.item()


def log_sum_exp(vec):
    top = vec[0, argmax(vec)]
    spread = top.view(1, -1).expand(1, vec.size()[1])
    return top + torch.log(torch.sum(torch.exp(vec - spread)))


class Tagger(nn.Module):
    def __init__(self, words, embedding_dim, hidden_dim):
        super().__init__()
        self.hidden_dim, self.size = hidden_dim, len(TAGS)
        self.embeds = nn.Embedding(words, embedding_dim)
        self.lstm = nn.LSTM(embedding_dim, hidden_dim // 2, num_layers=1, bidirectional=True)
        self.hidden2tag = nn.Linear(hidden_dim, self.size)
        self.transitions = nn.Parameter(torch.randn(self.size, self.size))

    def forbid(self):
        self.transitions.data[TAGS[START], :] = -10000
        self.transitions.data[:, TAGS[STOP]] = -10000

    def emissions(self, sentence):
        self.hidden = (torch.zeros(2, 1, self.hidden_dim // 2), torch.zeros(2, 1, self.hidden_dim // 2))
        embeds = self.embeds(sentence).view(len(sentence), 1, -1)
        out, self.hidden = self.lstm(embeds, self.hidden)
        return self.hidden2tag(out.view(len(sentence), self.hidden_dim))

    def partition(self, feats):
        alphas = torch.full((1, self.size), -10000.0)
        alphas[0][TAGS[START]] = 0.0
        for feat in feats:
            rows = []
            for tag in range(self.size):
                emit = feat[tag].view(1, -1).expand(1, self.size)
                rows.append(log_sum_exp(alphas + self.transitions[tag].view(1, -1) + emit).view(1))
            alphas = torch.cat(rows).view(1, -1)
        return log_sum_exp(alphas + self.transitions[TAGS[STOP]])

    def score(self, feats, tags):
        total = torch.zeros(1)
        tags = torch.cat([torch.tensor([TAGS[START]], dtype=torch.long), tags])
        for i, feat in enumerate(feats):
            total = total + self.transitions[tags[i + 1], tags[i]] + feat[tags[i + 1]]
        return total + self.transitions[TAGS[STOP], tags[-1]]

    def loss(self, sentence, tags):
        feats = self.emissions(sentence)
        return self.partition(feats) - self.score(feats, tags)

    def forward(self, sentence):
        back, best = [], torch.full((1, self.size), -10000.0)
        best[0][TAGS[START]] = 0
        for feat in self.emissions(sentence):
            pointers, values = [], []
            for tag in range(self.size):
                following = best + self.transitions[tag]
                k = argmax(following)
                pointers.append(k)
                values.append(following[0][k].view(1))
            best = (torch.cat(values) + feat).view(1, -1)
            back.append(pointers)
        best = best + self.transitions[TAGS[STOP]]
        k = argmax(best)
        score, path = best[0][k], [k]
        for pointers in reversed(back):
            k = pointers[k]
            path.append(k)
        assert path.pop() == TAGS[START]
        path.reverse()
        return score, path


def main():
    sentences = [torch.from_numpy(integers(900 + i, 8, n)) for i, n in enumerate((6, 4))]
    tags = [torch.tensor([0, 1, 2, 2, 0, 1]), torch.tensor([0, 1, 2, 0])]
    model = same_weights(Tagger(8, 5, 4))
    model.forbid()
    optimizer = optim.SGD(model.parameters(), lr=0.05, weight_decay=1e-4)
    losses = []
    for _ in range(4):
        for sentence, gold in zip(sentences, tags, strict=True):
            model.zero_grad()
            loss = model.loss(sentence, gold)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    with torch.no_grad():
        for sentence in sentences:
            score, path = model(sentence)
            losses += [score, *path]
    return losses


if __name__ == "__main__":
    print(main())
