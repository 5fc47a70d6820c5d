"""`sae.train_toy`: a few steps judged by parameters, and a run judged by the shapes that its directions form."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.checks import claim, equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise("train_toy", also=("ToyModel", "toy_loss"), seconds=20)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (models, batch, features, d_hidden), steps, learning_rate in [
        ("three networks, four steps", (3, 4, 5, 2), 4, 0.05),
        ("one network", (1, 6, 4, 3), 3, 0.01),
        ("one step", (2, 3, 6, 4), 1, 0.2),
        ("a small learning rate", (4, 5, 3, 1), 5, 1e-3),
    ]:
        yield Case(
            name,
            models=models,
            features=features,
            d_hidden=d_hidden,
            weights=weights(rng, 0.8, W=(models, features, d_hidden), b=(models, features)),
            batches=[rng.uniform((models, batch, features)) for _ in range(steps)],
            importance=rng.uniform((models, features), 0.2, 2),
            learning_rate=learning_rate,
            stale=0.3 * steps,
        )


PROBABILITIES = [0.5, 0.4, 0.05, 0.02]
DENSE = (0.5, 0.4)  # where all directions lie on two axes; at the others all five features share the plane
SEEDS = 4
CROSS, ARM, PENTAGON, OTHER = "a cross", "three on one arm", "a pentagon", "something else"


@ask.slow_cases(seconds=240)
def _(rng: Rng) -> Iterator[Case]:
    models, features, d_hidden = len(PROBABILITIES) * SEEDS, 5, 2
    yield Case(
        "five features in two dimensions, four sparsities, four seeds",
        models=models,
        features=features,
        d_hidden=d_hidden,
        weights={
            "W": rng.normal((models, features, d_hidden), spread=features**-0.5).float(),
            "b": torch.zeros(models, features),
        },
        probability=torch.tensor(PROBABILITIES).repeat_interleave(SEEDS)[:, None, None],
        importance=torch.ones(models, features),
        count=256,
        steps=2500,
        learning_rate=0.01,
        seed=rng.seed(),
    )


def form_of(W: Tensor) -> str:
    """What five directions in the plane form: CROSS, ARM, PENTAGON or OTHER. W: (feature, 2).

    CROSS is two opposite pairs at right angles. ARM has one such pair; at right angles to it, three directions are on
    the same side.
    """
    angles = torch.atan2(W[:, 1], W[:, 0])
    lengths = W.norm(dim=-1)
    gaps = torch.cat([angles.sort().values.diff(), angles.amin()[None] + 2 * torch.pi - angles.amax()]).rad2deg()
    if bool((lengths > 0.5).all()) and bool((gaps - 72).abs().max() < 12):
        return PENTAGON
    # The axes are those whose fourfold angle, weighted by squared length, is that of the directions.
    fourfold = lengths.square() @ torch.stack([(4 * angles).cos(), (4 * angles).sin()], -1)
    turned = angles - torch.atan2(fourfold[1], fourfold[0]) / 4
    along = lengths[:, None] * torch.stack([turned.cos(), turned.sin()], -1)  # (feature, axis)
    if bool((along.abs().amin(-1) > 0.15).any()):
        return OTHER
    along = torch.where(along.abs() > 0.15, along, 0)
    first, second = sorted(sorted([int((axis > 0).sum()), int((axis < 0).sum())]) for axis in along.T)
    if second != [1, 1]:
        return OTHER
    return {(1, 1): CROSS, (0, 3): ARM}.get((first[0], first[1]), OTHER)


def _wrong_shapes(value: Any, case: Case) -> str:
    """At each sparsity at least three of four networks have a shape that belongs to it."""
    W = value.double() if isinstance(value, Tensor) else torch.zeros(0)
    if W.shape != (case.models, case.features, case.d_hidden) or not bool(W.isfinite().all()):
        return "the trained W is not finite, or has another shape than before"
    for index, probability in enumerate(PROBABILITIES):
        wanted = (CROSS, ARM) if probability in DENSE else (PENTAGON,)
        found = sum(form_of(each) in wanted for each in W[SEEDS * index : SEEDS * (index + 1)])
        if found < SEEDS - 1:
            words = "a cross, or a cross with three on one arm" if probability in DENSE else "a pentagon"
            return f"where features are active with {probability}, {found} of {SEEDS} networks form {words}"
    return ""


ask.checks(
    equal(
        "parameters with ours", "parameters as it stands", title="after a few steps the parameters are Adam's", weight=3
    ),
    equal("losses with ours", "losses as it stands", title="returns each network's loss before each step"),
    equal("graph with ours", "graph as it stands", title="what it returns holds no graph"),
    claim("directions", _wrong_shapes, title="dense features lie on two axes, sparse ones form a pentagon", weight=3),
)

LOSS = "loss = toy_loss(model(x), x, importance)  # (model,)\n"
BACK = "loss.sum().backward()  # a sum, so that no network's steps depend on how many there are\n"
ADAM = "torch.optim.Adam(model.parameters(), lr=learning_rate)"

ask.mistakes(
    edit("        optimiser.zero_grad()\n", "", "Old gradients are never cleared: each backward pass adds to them."),
    edit("        optimiser.step()\n", "", "The parameters stay as they were: let the optimiser step."),
    edit("make_batch(step)", "make_batch(0)", "Every step has the batch of step 0: ask for that of the step."),
    edit("make_batch(step)", "make_batch(step + 1)", "The steps are counted from 1: the first batch has the number 0."),
    edit("range(steps)", "range(steps - 1)", "There is one step too few."),
    edit(ADAM, "torch.optim.SGD(model.parameters(), lr=learning_rate)", "This is plain gradient descent: use Adam."),
    edit(
        ADAM,
        "torch.optim.AdamW(model.parameters(), lr=learning_rate)",
        "AdamW shrinks the weights at every step: use Adam.",
    ),
    edit(ADAM, "torch.optim.Adam(model.parameters(), lr=1e-2)", "A learning rate is written into the code."),
    edit(ADAM, "torch.optim.Adam([model.W], lr=learning_rate)", "Only W is trained: the bias learns, too."),
    edit(
        "        x = make_batch(step)\n",
        f"        optimiser = {ADAM}\n        x = make_batch(step)\n",
        "A new optimiser is made for every step, so Adam's running averages start over each time: make it once.",
    ),
    edit(
        LOSS,
        "loss = toy_loss(model(x), x, torch.ones_like(importance))\n",
        "The importance is not passed on to the loss.",
    ),
    edit(
        BACK,
        "loss[0].backward()\n",
        "Only the first network is trained: the sum of all losses sends each network its own gradient.",
    ),
    edit(
        "losses.append(loss.detach())",
        "losses.append(loss.mean().detach())",
        "The losses are averaged: keep one for each network.",
    ),
    edit(
        "losses.append(loss.detach())",
        "losses.append(toy_loss(model(x), x, importance).detach())",
        "The loss is taken after the step: return the one from before it.",
    ),
    edit(
        "losses.append(loss.detach())",
        "losses = [loss.detach()]",
        "Only the last step's losses are returned: keep those of each.",
    ),
    edit(
        "losses.append(loss.detach())",
        "losses.append(loss)",
        "The losses are kept with their graphs, and with them all activations: detach them.",
    ),
    edit("torch.stack(losses)", "torch.stack(losses, 1)", "The axes are swapped: (step, model) is asked for."),
)
