"""`sae.sae_on_toy`: a few steps judged by parameters, and a run judged by whether known features are found."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.checks import claim, equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise(
    "match_features",
    "train_on_toy",
    also=("SAE", "sae_loss", "project_gradient", "normalise_decoder"),
    seconds=20,
)

BAR = 0.98  # the cosine that counts as found


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (latents, features, d_model), spread in [
        ("more latents than features", (9, 4, 3), 1),
        ("fewer latents than features", (3, 7, 5), 1),
        ("one feature", (6, 1, 4), 20),
        ("one latent", (1, 3, 6), 1e-3),
    ]:
        rows, directions = rng.normal((latents, d_model)), rng.normal((features, d_model), spread=spread)
        rows[0] = -3 * directions[0] / spread  # the opposite of a feature is not the feature
        yield Case(name, kind="match", W_dec=rows, directions=directions)
    for name, (batch, d_model, latents), steps, learning_rate, coefficient in [
        ("four steps", (5, 3, 7), 4, 0.02, 0.3),
        ("one step, a large coefficient", (4, 6, 5), 1, 0.1, 4.0),
        ("one activation a step", (1, 4, 8), 6, 1e-3, 0.05),
    ]:
        shapes: dict[str, Any] = {
            "W_enc": (d_model, latents),
            "b_enc": latents,
            "W_dec": (latents, d_model),
            "b_dec": d_model,
        }
        yield Case(
            name,
            kind="steps",
            weights=weights(rng, 0.7, **shapes),
            batches=[rng.normal((batch, d_model)) for _ in range(steps)],
            learning_rate=learning_rate,
            coefficient=coefficient,
            stale=0.4 * steps,
        )


@ask.slow_cases(seconds=240)
def _(rng: Rng) -> Iterator[Case]:
    d_model, features, latents = 6, 12, 18
    directions = _spread(rng.normal((features, d_model)))
    rows = torch.nn.functional.normalize(rng.normal((latents, d_model)), dim=-1)
    start = {"W_enc": rows.T, "b_enc": torch.zeros(latents), "W_dec": rows, "b_dec": torch.zeros(d_model)}
    yield Case(
        "twelve features in six dimensions",
        kind="run",
        latents=latents,
        weights={name: value.float().clone() for name, value in start.items()},
        directions=directions.float(),
        centre=torch.full((d_model,), 0.5),
        probability=0.05,
        count=256,
        steps=3000,
        learning_rate=0.005,
        coefficient=0.3,
        seed=rng.seed(),
    )


def _spread(directions: Tensor) -> Tensor:
    """Directions of length 1, pushed apart until none is near another."""
    for _ in range(300):
        directions = torch.nn.functional.normalize(directions, dim=-1)
        crowding = (directions @ directions.T).fill_diagonal_(0).relu() ** 3
        directions = directions - 0.05 * crowding @ directions
    return torch.nn.functional.normalize(directions, dim=-1)


def _not_found(value: Any, case: Case) -> str:
    """Counts the features that a row of the dictionary points to; one of the twelve may be missed."""
    rows = value.get("W_dec") if isinstance(value, dict) else None
    if not isinstance(rows, Tensor) or not bool(rows.isfinite().all()):
        return "the trained W_dec is not finite"
    if bool((rows.norm(dim=-1) - 1).abs().max() > 1e-3):
        return "the trained rows of W_dec have not the length 1"
    best = (case.directions @ rows.float().T).amax(-1)
    found, of = int((best > BAR).sum()), len(best)
    return "" if found >= of - 1 else f"{found} of {of} features have a row with a cosine above {BAR:g}"


ask.checks(
    equal("match", title="matches each feature with the nearest row, by the cosine", weight=2),
    equal(
        "parameters with ours", "parameters as it stands", title="after a few steps the parameters are Adam's", weight=3
    ),
    equal("losses with ours", "losses as it stands", title="returns each step's loss, from before it"),
    claim("trained", _not_found, title="the trained dictionary holds the features", weight=3),
)

BEST = "best = (truth @ rows.T).max(-1)  # over latents"
LOSS = "loss = sae_loss(x, reconstruction, latents, coefficient)\n"
ADAM = "torch.optim.Adam(sae.parameters(), lr=learning_rate)"
STEP = "        optimiser.step()\n"
PROJECT = "        project_gradient(sae.W_dec)\n"
NORMALISE = "        normalise_decoder(sae.W_dec)\n"
LENGTH = "{} are not scaled to length 1, so this is no cosine."

ask.mistakes(
    edit("rows = W_dec / W_dec.norm(dim=-1, keepdim=True)", "rows = W_dec", LENGTH.format("The rows of W_dec")),
    edit(
        "truth = directions / directions.norm(dim=-1, keepdim=True)",
        "truth = directions",
        LENGTH.format("The directions"),
    ),
    edit(
        BEST,
        "best = (truth @ rows.T).abs().max(-1)",
        "The sign is dropped: a row that points away from a feature cannot stand for it.",
    ),
    edit(
        BEST,
        "best = (rows @ truth.T).max(-1)",
        "Each latent is matched with a feature: for each feature, look for a latent.",
    ),
    edit(BEST, "best = (truth @ rows.T).min(-1)", "The farthest row is taken: take the nearest."),
    edit("        optimiser.zero_grad()\n", "", "Old gradients are never cleared: each backward pass adds to them."),
    edit(STEP, "", "The parameters stay as they were but for their lengths: let the optimiser step."),
    edit(PROJECT, "", "The gradient of W_dec is not projected before the step."),
    edit(NORMALISE, "", "The rows of W_dec are not brought back to length 1 after the step."),
    edit(
        STEP + NORMALISE,
        NORMALISE + STEP,
        "The rows are normalised before the step, which makes them longer again: normalise after it.",
    ),
    edit("make_batch(step)", "make_batch(0)", "Every step has the batch of step 0: ask for that of the step."),
    edit("range(steps)", "range(steps - 1)", "There is one step too few."),
    edit(ADAM, "torch.optim.SGD(sae.parameters(), lr=learning_rate)", "This is plain gradient descent: use Adam."),
    edit(ADAM, "torch.optim.AdamW(sae.parameters(), lr=learning_rate)", "AdamW shrinks the weights: use Adam."),
    edit(ADAM, "torch.optim.Adam(sae.parameters(), lr=1e-3)", "A learning rate is written into the code."),
    edit(
        "        x = make_batch(step)\n",
        f"        optimiser = {ADAM}\n        x = make_batch(step)\n",
        "A new optimiser is made for every step, so Adam's running averages start over each time: make it once.",
    ),
    edit(LOSS, "loss = sae_loss(x, reconstruction, latents, 0.1)\n", "A coefficient is written into the code."),
    edit(
        LOSS,
        "loss = sae_loss(x, reconstruction, latents.detach(), coefficient)\n",
        "The latents were cut from the graph.",
    ),
    edit("losses.append(loss.item())", "losses = [loss.item()]", "Only the last loss is returned: keep one a step."),
    edit(
        "losses.append(loss.item())",
        "losses.append(sae_loss(x, *sae(x), coefficient).item())",
        "The loss is taken after the step: return the one from before it.",
    ),
)
