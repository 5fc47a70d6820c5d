"""`induction.ablation_values`: what takes the place of an activation."""

from collections.abc import Iterator

import torch
from torch import Tensor

from headwork.checkers.checks import claim, drawn_from, equal, same
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
    for shape, repeats in [((4, 3, 2, 5), 800), ((2, 5, 3), 20), ((5, 2, 3, 4), 700)]:
        values, batch = rng.normal(shape), shape[0]
        yield Case(f"resample, {batch} texts", values=values, how="resample", repeats=repeats, seed=rng.seed())


ONE = "A text does not get one other text's values, each at its own position: move whole texts."


def law(case: Case) -> Tensor:
    """The probability that each text gets its values from each other one, (text, donor)."""
    batch = len(case.values)
    return (1 - torch.eye(batch, dtype=torch.float64)) / (batch - 1)


ask.checks(
    equal("values", title="zeros and means are right, in the shape of the values", weight=2),
    drawn_from("donors", law=law, title="when resampling, every other text is as likely a donor as the next"),
    claim(
        "whole texts",
        lambda value, case: "" if value is True else ONE,
        title="when resampling, a text gets all of its values from one other text",
    ),
    same("again", as_="once", title="the same generator gives the same donors"),
    equal("gradient", title="gradients reach the values through the means"),
)

MEANS = """        return values.mean((0, 1), keepdim=True).expand_as(values)
    if how == "position mean":
        return values.mean(0, keepdim=True).expand_as(values)
"""
CUT = "The mean was cut from the graph (detach, .data or no_grad): gradients must reach the values."
DONORS = "donors = (torch.arange(batch, device=steps.device) + steps) % batch"
OWN = "A text may get its own values back, and is then not ablated: draw among the other texts."

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
        DONORS,
        "donors = torch.randperm(batch, generator=generator)",
        OWN,
    ),
    edit(
        DONORS,
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
        CUT,
    ),
    edit(MEANS, MEANS.replace("values.mean", "values.detach().mean"), CUT),
    edit(
        MEANS,
        MEANS.replace(".expand_as(values)", ""),
        "The means have axes of size 1: give them the shape of the values.",
    ),
    edit(
        MEANS,
        MEANS.replace(", keepdim=True).expand_as(values)", ")"),
        "The means have lost the axes that they run over: give them the shape of the values.",
    ),
    edit(
        "values.mean((0, 1), keepdim=True)",
        "values.mean(1, keepdim=True)",
        "'mean' averages over the positions of each text, which leaves much of the text in it: average over the batch "
        "too.",
    ),
    edit(
        DONORS,
        "donors = torch.randint(batch, (batch,), generator=generator)\n        again = torch.randint(batch, (batch,), "
        "generator=generator)\n        donors = torch.where(donors == torch.arange(batch), again, donors)",
        OWN,
    ),
    edit(
        DONORS,
        "donors = torch.randint(batch, (batch,), generator=generator)\n        "
        "donors = torch.where(donors == torch.arange(batch), (donors + 1) % batch, donors)",
        "A text that would get its own values gets its neighbour's, who is so drawn twice as often: draw a step from 1 "
        "to batch - 1, or among the others.",
    ),
    edit(
        "return values[donors.to(values.device)]",
        "return values[:, torch.randperm(values.shape[1], generator=generator)]",
        "Each text keeps its own values, with its positions shuffled: take those of another text, each at its own "
        "position.",
    ),
    edit(
        "return values[donors.to(values.device)]",
        "return torch.cat([values[donors, :, :1], values.roll(1, 0)[:, :, 1:]], 2)",
        ONE,
    ),
    edit(
        "return torch.zeros_like(values)",
        "return values.zero_()",
        "The values themselves are overwritten with zeros: make a new tensor.",
    ),
)
