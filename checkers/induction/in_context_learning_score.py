"""`induction.in_context_learning_score`: how much less a late token costs than an early one."""

from collections.abc import Iterator

import torch

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("in_context_learning_score", batch=["losses"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, batch, length, early, late in [
        ("a later token is cheaper", 4, 11, 3, 9),
        ("the first token that has a loss, and the last", 3, 8, 1, 8),
        ("neighbours", 2, 9, 5, 6),
        ("the early one after the late one", 5, 12, 10, 2),
        ("one text of GPT-2's length, tokens 50 and 500", 1, 1023, 50, 500),
    ]:
        losses = rng.uniform((batch, length), 0.1, 9) / torch.arange(1, length + 1) ** 0.3
        yield Case(name, losses=losses, early=early, late=late, cotangent=rng.normal(()))


ask.checks(
    equal("score", title="is the loss at the late position minus that at the early one", weight=3),
    equal("gradient", title="gradients reach the losses"),
)

ALL = "(losses[:, late - 1] - losses[:, early - 1]).mean()"

ask.mistakes(
    edit(
        ALL,
        "(losses[:, early - 1] - losses[:, late - 1]).mean()",
        "The sign is turned round: the score is the late loss minus the early one, so it is negative where "
        "context helps.",
    ),
    edit(
        ALL,
        "(losses[:, late] - losses[:, early]).mean()",
        "These are the columns `late` and `early`, which belong to the tokens one position later: the first "
        "token has no "
        "loss, so column p is that of position p + 1.",
    ),
    edit(
        ALL,
        "(losses[:, late - 2] - losses[:, early - 2]).mean()",
        "The columns are one too early: column p belongs to the token at position p + 1.",
    ),
    edit(
        ALL,
        "(losses[:, late - 1] - losses[:, early]).mean()",
        "The early column is one too late: the first token has no loss, so column p is that of position p + 1.",
    ),
    edit(
        ALL,
        "(losses[:, late] - losses[:, early - 1]).mean()",
        "The late column is one too late: the first token has no loss, so column p is that of position p + 1.",
    ),
    edit(
        ALL,
        "losses[:, late - 1 :].mean() - losses[:, :early].mean()",
        "Whole stretches are averaged, up to `early` and from `late` on: take the losses at these two positions alone.",
    ),
    edit(ALL, "losses[:, late - 1] - losses[:, early - 1]", "There is a number for each text: average over the batch."),
    edit(
        ALL,
        "(losses[0, late - 1] - losses[0, early - 1])",
        "Only the first text counts: average over the batch.",
    ),
    edit(
        ALL,
        "(losses[:, late - 1] - losses[:, early - 1]).sum()",
        "The differences are added up over the batch: average them.",
    ),
    edit(
        ALL,
        "(losses[:, late - 1] / losses[:, early - 1]).mean()",
        "This is a ratio of losses: the score is their difference, in nats.",
    ),
    edit(
        ALL,
        "losses[:, late - 1].mean() - losses[:, :late].mean()",
        "The early loss is averaged over all positions so far: take that of the one position `early`.",
    ),
    edit(
        ALL,
        "(losses[:, 499 % losses.shape[1]] - losses[:, 49 % losses.shape[1]]).mean()",
        "Tokens 500 and 50 are written into the code: use `late` and `early`.",
    ),
    edit(
        ALL,
        "(losses[:, late - 1] - losses[:, early - 1]).mean().detach()",
        "The score was cut from the graph (detach, .item or float): gradients must reach the losses.",
    ),
    edit(
        ALL,
        "(losses[:, late - 1] - losses[:, early - 1]).abs().mean()",
        "The sign is thrown away: where context hurts, the score is positive.",
    ),
)
