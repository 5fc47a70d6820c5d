"""Toy models one network after the other, in plain loops."""

import torch
from torch import nn


class ToyModel(nn.Module):
    def __init__(self, models, features, d_hidden):
        super().__init__()
        self.b = nn.Parameter(torch.zeros(models, features))
        self.W = nn.Parameter(torch.randn(models, features, d_hidden))

    def forward(self, x):
        made = []
        for inputs, W, b in zip(x, self.W, self.b, strict=True):
            out = inputs @ W @ W.T + b
            made.append(out * (out > 0))
        return torch.stack(made)


def toy_loss(reconstruction, x, importance):
    losses = []
    for model in range(len(x)):
        errors = ((x[model] - reconstruction[model]) ** 2).mean(0)
        losses.append((errors * importance[model]).mean())
    return torch.stack(losses)


def feature_batch(count, features, probability, relation, generator):
    x = torch.zeros(count, features)
    for feature in range(features):
        draw = torch.rand(count, generator=generator)
        if relation == "independent" or feature % 2 == 0:
            active = draw < probability
        elif relation == "correlated":
            active = x[:, feature - 1] > 0
        else:
            active = (x[:, feature - 1] == 0) & (draw < probability / (1 - probability))
        x[active, feature] = torch.rand(int(active.sum()), generator=generator)
    return x


def feature_dimensionality(W):
    shares = []
    for rows in W:
        found = []
        for i, row in enumerate(rows):
            if not row.any():
                found.append(row.new_zeros(()))
                continue
            unit = row / row.norm()
            found.append(row.norm() ** 2 / sum((unit @ other) ** 2 for other in rows))
        shares.append(torch.stack(found))
    return torch.stack(shares)


def train_toy(model, make_batch, importance, steps, learning_rate):
    optimiser = torch.optim.Adam(list(model.parameters()), learning_rate)
    history = torch.zeros(steps, len(importance), dtype=importance.dtype)
    for step in range(steps):
        model.zero_grad()
        x = make_batch(step)
        losses = toy_loss(model(x), x, importance)
        sum(losses).backward()
        optimiser.step()
        history[step] = losses.data
    return history
