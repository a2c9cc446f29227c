"""A small network learns from a large one: not only which class, but how the teacher hesitated between them."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import labelled_images, same_weights


class Student(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.LeakyReLU(), nn.MaxPool2d(4))
        self.regressor = nn.LazyLinear(8)
        self.classifier = nn.LazyLinear(4)

    def forward(self, x):
        hidden = torch.flatten(self.features(x), 1)
        return self.classifier(hidden), self.regressor(hidden)


def main():
    images, labels = (torch.from_numpy(a) for a in labelled_images(38, 24, 4))
    teacher = same_weights(nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 4)), 1)
    seen = {}
    handle = teacher[2].register_forward_hook(lambda module, inputs, output: seen.update(hidden=output.detach()))
    student = Student()
    student(images[:1])
    same_weights(student, 2)
    optimizer = torch.optim.Adam(student.parameters(), lr=1e-2)
    T, losses = 2.0, []
    teacher.eval()
    for _ in range(7):
        optimizer.zero_grad()
        with torch.no_grad():
            teacher_logits = teacher(images)
        logits, hidden = student(images)
        soft = nn.KLDivLoss(reduction="batchmean", log_target=True)(
            F.log_softmax(logits / T, dim=-1), F.log_softmax(teacher_logits / T, dim=-1)
        ) * (T**2)
        hint = F.cosine_embedding_loss(hidden, seen["hidden"], target=torch.ones(images.size(0)))
        loss = 0.5 * F.cross_entropy(logits, labels) + 0.25 * soft + 0.25 * hint
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    handle.remove()
    return losses


if __name__ == "__main__":
    print(main())
