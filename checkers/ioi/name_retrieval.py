"""`ioi.name_retrieval`: the logit of the right name above those of names that the prompt does not contain."""

from collections.abc import Iterator

import torch

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("name_retrieval", batch=["logits", "correct", "absent", "end", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, batch, length, vocab, names, spread in [
        ("prompts of several lengths", 5, 7, 13, 4, 1),
        ("a batch of one", 1, 6, 8, 3, 2),
        ("as many names as prompts", 4, 3, 11, 4, 1),
        ("a single absent name", 3, 5, 9, 1, 1),
        ("large logits", 2, 4, 10, 6, 1e3),
        ("small logits", 6, 2, 7, 5, 1e-3),
    ]:
        tokens = torch.stack([1 + rng.permutation(vocab - 1)[: names + 1] for _ in range(batch)])
        yield Case(
            name,
            logits=rng.normal((batch, length, vocab), spread=spread),
            correct=tokens[:, 0],
            absent=tokens[:, 1:],
            end=(2 * length - 2 - torch.arange(batch)) % length,
            cotangent=rng.normal((batch,)),
        )


ask.checks(
    equal(
        "differences",
        title="gives each prompt the right name's logit minus the mean of its absent names', at its end",
        weight=2,
    ),
    equal("gradient", title="gradients reach the logits"),
)

LAST = "last = logits[rows, end]"
ABSENT = "last.gather(1, absent).mean(1)"

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
    edit(
        ABSENT,
        "last.mean(1)",
        "The mean runs over the whole vocabulary: a network that says any name at all would score. Average the "
        "absent names' logits.",
    ),
    edit(
        ABSENT,
        "last.gather(1, absent).sum(1)",
        "The absent names' logits are added up: take their mean, so that their number does not matter.",
    ),
    edit(
        ABSENT,
        "last.gather(1, absent).amax(1)",
        "Only the strongest absent name counts: take the mean of all of them.",
    ),
    edit(
        ABSENT,
        "last.gather(1, absent).logsumexp(1)",
        "The absent names' probabilities are pooled: take the mean of their logits.",
    ),
    edit(
        ABSENT,
        "last.gather(1, absent).median(1).values",
        "This is the median of the absent names' logits: take their mean.",
    ),
    edit(
        ABSENT,
        "last.gather(1, absent)[:, 0]",
        "Only the first absent name counts: take the mean of all of them.",
    ),
    edit(
        ABSENT,
        "last[:, absent[0]].mean(1)",
        "The first prompt's absent names are used for all prompts: each prompt has its own.",
    ),
    edit(
        ABSENT,
        "last.gather(1, absent).mean()",
        "The mean runs over all prompts together: each prompt has a mean of its own.",
    ),
    edit(
        ABSENT,
        "last[:, absent].mean((1, 2))",
        "Every prompt is compared with the absent names of all prompts: take the logits of its own row of `absent`.",
    ),
    edit(
        f"last[rows, correct] - {ABSENT}",
        f"{ABSENT} - last[rows, correct]",
        "The difference has the opposite sign: it is the right name's logit minus the others' mean.",
    ),
    edit(
        f"last[rows, correct] - {ABSENT}",
        "last.log_softmax(-1)[rows, correct] - last.softmax(-1).gather(1, absent).mean(1).log()",
        "The absent names' probabilities are averaged: average their logits.",
    ),
    edit(
        f"last[rows, correct] - {ABSENT}",
        f"(last[rows, correct] - {ABSENT}).mean()",
        "The mean over the prompts is taken: return a number for each prompt, and take means later.",
    ),
    edit(
        f"last[rows, correct] - {ABSENT}",
        f"(last[rows, correct] - {ABSENT}).detach()",
        "The result was cut from the graph (detach, .data, .item or no_grad): gradients must reach the logits.",
    ),
)
