"""`induction.ablation_values`: what takes the place of an activation."""

from collections.abc import Iterator

import torch
from torch import Tensor

from headwork.checkers.checks import drawn_from, equal, same
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("ablation_values", seconds=30)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for how in ("zero", "mean", "position mean"):
        for what, shape in [
            ("every head's z", (4, 3, 2, 5)),
            ("one text's", (1, 4, 3, 2)),
            ("a residual stream", (3, 2, 6)),
        ]:
            values, cotangent = rng.normal(shape, 0.5), rng.normal(shape)
            yield Case(f"{how}, of {what}", values=values, how=how, cotangent=cotangent)
    for batch, length, repeats in [(4, 3, 300), (2, 5, 10), (5, 2, 250)]:
        values = rng.normal((batch, length, 3, 2))
        yield Case(f"resample, {batch} texts", values=values, how="resample", repeats=repeats, seed=rng.seed())


def law(case: Case) -> Tensor:
    """The probability that each text gets its values from each other one, (text, donor)."""
    batch = len(case.values)
    return (1 - torch.eye(batch, dtype=torch.float64)) / (batch - 1)


ask.checks(
    equal("values", title="zeros and means are right, in the shape of the values", weight=2),
    drawn_from("donors", law=law, title="when resampling, every other text is as likely a donor as the next"),
    equal("whole texts", title="when resampling, a text gets all of its values from one other text"),
    same("again", as_="once", title="the same generator gives the same donors"),
    equal("gradient", title="gradients reach the values through the means"),
)

OWN = "A text may get its own values back, and is then not ablated: draw among the other texts."
ONE = "A text does not get one other text's values, each at its own position: move whole texts."

ask.mistakes(
    edit(
        "values.mean((0, 1), keepdim=True)",
        "values.mean(0, keepdim=True)",
        "'mean' averages over the batch only, so it still says where it stands: average over the positions too.",
    ),
    edit(
        "values.mean(0, keepdim=True)",
        "values.mean((0, 1), keepdim=True)",
        "'position mean' averages over the positions as well: each position keeps a mean of its own, over the batch.",
    ),
    edit(
        "values.mean(0, keepdim=True)",
        "values.mean(1, keepdim=True)",
        "'position mean' averages over the positions of each text, which leaves much of the text in it: "
        "average over the batch.",
    ),
    edit(
        "values.mean((0, 1), keepdim=True)",
        "values.mean(keepdim=True, dim=tuple(range(values.dim())))",
        "'mean' averages over everything, heads and their dimensions too: only over batch and positions.",
    ),
    edit(
        "return values.mean((0, 1), keepdim=True).expand_as(values)",
        "return values.mean((0, 1), keepdim=True)",
        "The mean has axes of size 1: give it the shape of the values.",
    ),
    edit("torch.zeros_like(values)", "torch.ones_like(values)", "These are ones: 'zero' means zeros."),
    edit("torch.randint(1, batch,", "torch.randint(0, batch,", OWN),
    edit(
        "donors = (torch.arange(batch, device=steps.device) + steps) % batch",
        "donors = torch.randperm(batch, generator=generator)",
        OWN,
    ),
    edit(
        "donors = (torch.arange(batch, device=steps.device) + steps) % batch",
        "donors = (torch.arange(batch, device=steps.device) + 1) % batch",
        "Every text gets the values of the next one, in every draw: draw the donor.",
    ),
    edit(
        '(batch,), generator=generator, device=generator.device if generator else "cpu")',
        "(batch,))",
        "The draws do not come from the generator: pass it to the function that draws.",
    ),
    edit(
        "return values[donors.to(values.device)]",
        "return values[donors, :].roll(1, 1)",
        ONE,
    ),
    edit(
        "return values[donors.to(values.device)]",
        "places = torch.arange(values.shape[1])\n        return values[(donors[:, None] + places % 2) % batch, places]",
        ONE,
    ),
    edit(
        "values.mean((0, 1), keepdim=True).expand",
        "values.detach().mean((0, 1), keepdim=True).expand",
        "The mean was cut from the graph (detach, .data or no_grad): gradients must reach the values.",
    ),
    edit(
        "return torch.zeros_like(values)",
        "return values.zero_()",
        "The values themselves are overwritten with zeros: make a new tensor.",
    ),
)
