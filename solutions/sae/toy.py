"""Chapter `sae`: toy models of superposition.

Shapes are given with the axes' names: `model` networks side by side, which share nothing, `batch` inputs, `feature`,
and `d_hidden`, the width that the features have to share. Source: Elhage et al. 2022, Toy Models of Superposition.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class ToyModel(nn.Module):
    """Several networks side by side, each of which squeezes its features through `d_hidden` numbers.

    `W[m, i]` is the direction that network `m` gives to feature `i`.
    """

    def __init__(self, models: int, features: int, d_hidden: int):
        super().__init__()
        self.W = nn.Parameter(torch.randn(models, features, d_hidden) * features**-0.5)
        self.b = nn.Parameter(torch.zeros(models, features))

    def forward(self, x: Tensor) -> Tensor:
        """x: (model, batch, feature), each network's own inputs. Returns what they make of it, the same shape."""
        ### BEGIN SOLUTION
        hidden = x @ self.W  # (model, batch, d_hidden)
        return torch.relu(hidden @ self.W.mT + self.b[:, None])  # (model, batch, feature)
        ### END SOLUTION


def toy_loss(reconstruction: Tensor, x: Tensor, importance: Tensor) -> Tensor:
    """How much of the input is lost: the squared error, weighted by importance, a number for each network.

    reconstruction, x: (model, batch, feature). importance: (model, feature). Returns (model,): the mean over batch
    and features.
    """
    ### BEGIN SOLUTION
    error = (reconstruction - x).square()  # (model, batch, feature)
    return (importance[:, None] * error).mean((1, 2))
    ### END SOLUTION


def feature_batch(count: int, features: int, probability: float, relation: str, generator: torch.Generator) -> Tensor:
    """Sparse inputs, (count, feature): each feature is 0, or with `probability` a number drawn evenly from 0 to 1.

    relation: who is active together. 'independent': each feature by itself. 'correlated': of the features 0 and 1,
    2 and 3, and so on, both or none. 'anti-correlated': of such a pair one or none, so `probability` is at most 0.5.
    """
    ### BEGIN SOLUTION
    values = torch.rand(count, features, generator=generator)
    if relation == "independent":
        return values * (torch.rand(count, features, generator=generator) < probability)
    chance = torch.rand(count, features // 2, 1, generator=generator)  # (count, pair, 1)
    if relation == "correlated":
        active = (chance < probability).expand(-1, -1, 2)
    else:
        active = torch.cat([chance < probability, 1 - chance <= probability], -1)  # one at either end of the chances
    return values * active.flatten(1)
    ### END SOLUTION


def feature_dimensionality(W: Tensor) -> Tensor:
    """Which share of a hidden dimension each feature has: 1 for one of its own, 0.5 for a half, 0 for an absent one.

    W: (model, feature, d_hidden). Returns (model, feature).
    """
    ### BEGIN SOLUTION
    overlap = (W @ W.mT).square().sum(-1)  # (model, feature): over all features, each itself among them
    length = W.square().sum(-1)  # (model, feature), squared
    return length.square() / torch.where(overlap > 0, overlap, 1)
    ### END SOLUTION


def train_toy(
    model: ToyModel, make_batch: Callable[[int], Tensor], importance: Tensor, steps: int, learning_rate: float
) -> Tensor:
    """Trains all networks of `model` in place, each on its own inputs, by Adam with a constant learning rate.

    make_batch: called with each step's number, gives (model, batch, feature). importance: (model, feature).
    Returns the losses before each step, (step, model), without a graph.
    """
    ### BEGIN SOLUTION
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    losses = []
    for step in range(steps):
        x = make_batch(step)
        loss = toy_loss(model(x), x, importance)  # (model,)
        optimiser.zero_grad()
        loss.sum().backward()  # a sum, so that no network's steps depend on how many there are
        optimiser.step()
        losses.append(loss.detach())
    return torch.stack(losses)
    ### END SOLUTION
