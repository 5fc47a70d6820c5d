"""Toy models with einops and the library's functions."""

import einops
import torch
import torch.nn.functional as F
from torch import nn


class ToyModel(nn.Module):
    def __init__(self, models, features, d_hidden):
        super().__init__()
        self.W = nn.Parameter(torch.empty(models, features, d_hidden))
        nn.init.xavier_normal_(self.W)
        self.b = nn.Parameter(torch.zeros(models, features))

    def forward(self, x):
        h = einops.einsum(x, self.W, "model batch feature, model feature hidden -> model batch hidden")
        out = einops.einsum(h, self.W, "model batch hidden, model feature hidden -> model batch feature")
        return F.relu(out + einops.rearrange(self.b, "model feature -> model 1 feature"))


def toy_loss(reconstruction, x, importance):
    weighted = importance.unsqueeze(1) * F.mse_loss(reconstruction, x, reduction="none")
    return einops.reduce(weighted, "model batch feature -> model", "mean")


def feature_batch(count, features, probability, relation, generator):
    strength = torch.empty(count, features).uniform_(generator=generator)
    if relation == "independent":
        active = torch.bernoulli(torch.full((count, features), probability), generator=generator)
        return strength * active
    pairs = features // 2
    if relation == "correlated":
        active = torch.bernoulli(torch.full((count, pairs), probability), generator=generator)
        return strength * einops.repeat(active, "count pair -> count (pair two)", two=2)
    some = torch.bernoulli(torch.full((count, pairs), 2 * probability), generator=generator)
    second = torch.randint(2, (count, pairs), generator=generator)
    return strength * (some.unsqueeze(-1) * F.one_hot(second, 2)).flatten(1)


def feature_dimensionality(W):
    norms = W.norm(dim=-1)
    unit = F.normalize(W, dim=-1, eps=1e-300)
    overlaps = einops.einsum(unit, W, "model i hidden, model j hidden -> model i j") ** 2
    return torch.where(norms == 0, 0, norms**2 / overlaps.sum(-1))


def train_toy(model, make_batch, importance, steps, learning_rate):
    def closure():
        optimiser.zero_grad()
        loss = toy_loss(model(x), x, importance)
        loss.sum().backward()
        return loss

    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate, foreach=False)
    losses = []
    for i in range(steps):
        x = make_batch(i)
        losses.append(closure().tolist())
        optimiser.step()
    return torch.tensor(losses, dtype=importance.dtype)
