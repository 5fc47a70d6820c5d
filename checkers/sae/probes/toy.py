"""What is asked of answers in chapter `sae`: toy models of superposition.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from headwork.checkers.probing import Answer, Case, Unfit, generator, gradient, in_ways, load, parameters

BINS = 10  # classes of an active feature's values


def toy_model(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = load(answer.ToyModel(case.models, case.features, case.d_hidden), case.weights)
    yield "reconstruction", model(case.x)
    yield "gradient", gradient(model, case.cotangent, x=case.x)


def toy_loss(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    inputs = {"reconstruction": case.reconstruction, "x": case.x, "importance": case.importance}
    yield "loss", answer.toy_loss(**inputs)

    def loss(reconstruction: Tensor, x: Tensor, importance: Tensor) -> Any:
        return answer.toy_loss(reconstruction, x, importance)

    yield "gradient", gradient(loss, case.cotangent, **inputs)


def feature_batch(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Draws are yielded as classes: of each feature alone, of neighbours together, of one input and the next."""

    def draw(count: int, seed: int) -> Tensor:
        made = answer.feature_batch(count, case.features, case.probability, case.relation, generator(seed))
        if not isinstance(made, Tensor) or made.shape != (count, case.features) or not made.is_floating_point():
            shape = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
            raise Unfit(f"`feature_batch` gives {shape}, expected floats of shape {(count, case.features)}")
        return made

    x = draw(case.count, case.seed)
    bins = (1 + (x * BINS).floor()).nan_to_num(0).clamp(0, BINS + 1)
    bins = torch.where(x < 0, BINS + 1, bins)
    yield "values", torch.where(x == 0, 0, bins).long().T.flatten()
    coarse = torch.where(x == 0, 0, torch.where(x < 0.5, 1, 2))  # (count, feature): absent, weak, strong
    yield "neighbours", (3 * coarse + coarse.roll(-1, 1)).T.flatten()
    yield "half the width apart", (3 * coarse + coarse.roll(-(case.features // 2), 1)).T.flatten()
    yield "one input and the next", (3 * coarse[::2] + coarse[1::2]).T.flatten()
    for name in ("once", "again"):
        yield name, draw(30, case.seed)
    yield "two seeds", [draw(400, case.seed + step) for step in (1, 2)]


def feature_dimensionality(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "dimensionality", answer.feature_dimensionality(case.W)
    if "cotangent" in case.inputs:
        yield "gradient", gradient(lambda W: answer.feature_dimensionality(W), case.cotangent, W=case.W)


class _Squeeze(nn.Module):
    """A network that no exercise asks for, with a toy model's parameters: it bends smoothly, and in another place."""

    def __init__(self, models: int, features: int, d_hidden: int):
        super().__init__()
        self.W = nn.Parameter(torch.empty(models, features, d_hidden))
        self.b = nn.Parameter(torch.empty(models, features))

    def forward(self, x: Tensor) -> Tensor:
        hidden = (x @ self.W).tanh()  # (model, batch, d_hidden)
        return (hidden @ self.W.mT + self.b[:, None]).cos()  # (model, batch, feature)


def _decoy_loss(reconstruction: Tensor, x: Tensor, importance: Tensor) -> Tensor:
    """A loss that no exercise asks for, of each network: its gradients are neither tiny nor all of one size."""
    return (importance.sqrt()[:, None] * (reconstruction - x).cosh()).sum((1, 2))


def train_toy(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """A few steps of a network of ours, with a decoy for `toy_loss` and with the answer's; or a long run of its own."""
    if "probability" in case.inputs:
        yield "directions", _trained(answer, case)
        return

    def ask(way: str) -> Iterator[tuple[str, Any]]:
        model = load(_Squeeze(case.models, case.features, case.d_hidden), case.weights)
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, case.stale)  # left by somebody's earlier backward pass
        steps = len(case.batches)
        losses = answer.train_toy(model, case.batches.__getitem__, case.importance, steps, case.learning_rate)
        yield "parameters", parameters(model)
        yield "losses", losses
        yield "graph", isinstance(losses, Tensor) and losses.requires_grad

    yield from in_ways(answer, {"with ours": {"toy_loss": _decoy_loss}, "as it stands": {}}, ask)


def _trained(answer: Answer, case: Case) -> Tensor:
    """The directions after a run on sparse inputs of ours, (model, feature, d_hidden)."""
    model = load(answer.ToyModel(case.models, case.features, case.d_hidden), case.weights)
    source = generator(case.seed)
    size = (case.models, case.count, case.features)

    def make_batch(step: int) -> Tensor:
        active = torch.rand(size, generator=source) < case.probability
        return torch.rand(size, generator=source) * active

    answer.train_toy(model, make_batch, case.importance, case.steps, case.learning_rate)
    return model.W.detach()
