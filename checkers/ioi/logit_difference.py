"""`ioi.logit_difference`: the logit of the right name above that of the wrong one."""

from collections.abc import Iterator

import torch

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("logit_difference", batch=["logits", "correct", "wrong", "end", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, batch, length, vocab, spread in [
        ("prompts of several lengths", 5, 7, 11, 1),
        ("a batch of one", 1, 6, 4, 2),
        ("as many prompts as positions", 4, 4, 9, 1),
        ("one or two tokens a prompt", 3, 2, 8, 1),
        ("large logits", 2, 5, 6, 1e3),
        ("small logits", 6, 3, 7, 1e-3),
    ]:
        tokens = torch.stack([1 + rng.permutation(vocab - 1)[:2] for _ in range(batch)])  # never twice the same name
        yield Case(
            name,
            logits=rng.normal((batch, length, vocab), spread=spread),
            correct=tokens[:, 0],
            wrong=tokens[:, 1],
            end=(2 * length - 2 - torch.arange(batch)) % length,
            cotangent=rng.normal((batch,)),
        )


ask.checks(
    equal("differences", title="gives each prompt the right name's logit minus the wrong one's, at its end", weight=2),
    equal("gradient", title="gradients reach the logits"),
)

LAST = "last = logits[rows, end]"
RESULT = "last[rows, correct] - last[rows, wrong]"

ask.mistakes(
    edit(
        LAST,
        "last = logits[:, -1]",
        "The last column is read for every prompt: shorter prompts end before it, and `end` says where.",
    ),
    edit(
        LAST,
        "last = logits[rows, end - 1]",
        "The logits of the position before `end` are read: those that speak about the next name stand at `end`.",
    ),
    edit(
        LAST,
        "last = logits[rows, (end + 1) % logits.shape[1]]",
        "The logits of the position after `end` are read: those that speak about the next name stand at `end`.",
    ),
    edit(LAST, "last = logits.mean(1)", "The logits of all positions are averaged: only those at `end` count."),
    edit(LAST, "last = logits[:, 0]", "The first position is read: the name is said after `end`."),
    edit(
        LAST,
        "last = logits[rows, end[:1]]",
        "The first prompt's end is used for all of them: each prompt has its own.",
    ),
    edit(
        RESULT,
        "last[rows, wrong] - last[rows, correct]",
        "The difference has the opposite sign: it is the right name's logit minus the wrong one's.",
    ),
    edit(
        RESULT,
        "last.softmax(-1)[rows, correct] - last.softmax(-1)[rows, wrong]",
        "This is a difference of probabilities: take logits, which a softmax has not yet mixed with all other tokens.",
    ),
    edit(
        RESULT,
        "(last.softmax(-1)[rows, correct] / last.softmax(-1)[rows, wrong])",
        "This is a ratio of probabilities: its logarithm is the logit difference, so take the logits themselves.",
    ),
    edit(
        RESULT,
        "last[rows, correct]",
        "This is the right name's logit alone: a number that is added to all logits changes it, and means nothing.",
    ),
    edit(
        RESULT,
        "last[rows, correct] - last.mean(-1)",
        "The mean of all logits is subtracted: subtract the wrong name's logit.",
    ),
    edit(
        RESULT,
        "(last[rows, correct] - last[rows, wrong]).mean()",
        "The mean over the prompts is taken: return a number for each prompt, and take means later.",
    ),
    edit(
        RESULT,
        "(last[rows, correct] - last[rows, wrong]).abs()",
        "The sign is thrown away: where the network prefers the wrong name the difference is negative.",
    ),
    edit(
        RESULT,
        "last[:, correct[0]] - last[:, wrong[0]]",
        "The first prompt's names are used for all of them: each prompt has its own.",
    ),
    edit(
        RESULT,
        "last[:, correct] - last[:, wrong]",
        "Every prompt is scored with the names of every other, (batch, batch): pair them up, row by row.",
    ),
    edit(
        RESULT,
        "(last[rows, correct] - last[rows, wrong])[:, None]",
        "An axis is left over: the result has the shape (batch,).",
    ),
    edit(
        RESULT,
        "(last[rows, correct] - last[rows, wrong]).detach()",
        "The result was cut from the graph (detach, .data, .item or no_grad): gradients must reach the logits.",
    ),
)
