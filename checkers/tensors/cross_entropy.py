"""`tensors.cross_entropy`: the mean surprise of the targets that count."""

from collections.abc import Iterator

import torch
from torch import Tensor

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise(
    "cross_entropy",
    forbid=["cross_entropy_loss", "nll_loss", "nll_loss_nd", "nll_loss_forward", "nll_loss2d_forward"],
    batch=["logits", "targets"],
)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, length, vocab), ignore, gaps, spread in [
        ("every target counts", (2, 5, 7), None, 0, 1),
        ("targets that are -100", (3, 6, 4), None, 7, 1),
        ("token 0 is ignored", (4, 5, 6), 0, 6, 2),
        ("token 3 is ignored", (3, 4, 9), 3, 5, 1),
        ("a batch of one, -1 is ignored", (1, 7, 5), -1, 2, 2),
        ("nothing is -7, which would be ignored", (4, 3, 5), -7, 0, 1),
        ("one position", (6, 1, 8), -100, 0, 1),
        ("large logits", (2, 4, 6), -100, 3, 1000),
    ]:
        yield Case(
            name,
            logits=rng.normal((batch, length, vocab), spread=spread),
            targets=_targets(rng, batch, length, vocab, -100 if ignore is None else ignore, gaps),
            ignore=ignore,
            cotangent=rng.normal(()),
        )


def _targets(rng: Rng, batch: int, length: int, vocab: int, ignore: int, gaps: int) -> Tensor:
    """Random tokens, with `ignore` in exactly `gaps` places."""
    others = [token for token in range(vocab) if token != ignore]
    targets = torch.tensor(others)[rng.integers((batch * length,), len(others))]
    targets[rng.permutation(batch * length)[:gaps]] = ignore
    return targets.reshape(batch, length)


ask.checks(
    equal(
        "loss with our log_softmax",
        "loss as it stands",
        title="gives the mean of minus the log-probability, over the targets that count",
        weight=2,
    ),
    equal(
        "gradient with our log_softmax",
        "gradient as it stands",
        title="gradients reach the logits of the positions that count, and no others",
    ),
)

RETURN = "return -chosen.masked_fill(~kept, 0).sum() / kept.sum()"
BODY = """kept = targets != ignore  # (batch, position)
    index = targets.masked_fill(~kept, 0).unsqueeze(-1)  # (batch, position, 1)
    chosen = log_softmax(logits, -1).gather(-1, index).squeeze(-1)  # (batch, position)"""
SCORED = "Ignored positions are scored like all others: leave them out of the sum and of the count."
OVERFLOW = (
    "With large logits exponentials overflow, or a probability becomes 0 and its logarithm minus infinity: "
    "take the log-probabilities from log_softmax or logsumexp."
)
WRITTEN = "-100 is written into the code: use the `ignore` that is passed."

ask.mistakes(
    edit(
        "/ kept.sum()",
        "/ kept.numel()",
        "The sum is divided by the number of all targets: divide by the number of those that count.",
    ),
    edit(RETURN, "return -chosen.mean()", SCORED),
    edit(
        f"{BODY}\n    {RETURN}",
        "index = targets.clamp(min=0).unsqueeze(-1)\n    return -log_softmax(logits, -1).gather(-1, index).mean()",
        SCORED,
    ),
    edit(
        "kept = targets != ignore",
        "logits, targets = logits[:, :-1], targets[:, 1:]\n    kept = targets != ignore",
        "Logits and targets are shifted against each other: here each target stands beside its own logits already.",
    ),
    edit(
        "log_softmax(logits, -1)",
        "logits.softmax(-1).log()",
        OVERFLOW,
    ),
    edit(
        RETURN,
        "return -chosen.sum() / kept.sum()",
        "Ignored positions are left out of the count but not of the sum, where they are scored as token 0.",
    ),
    edit("targets != ignore", "targets != -100", WRITTEN),
    edit(
        "kept = targets != ignore  # (batch, position)\n    index = targets.",
        "kept = targets != -100\n    index = (targets % logits.shape[-1]).",  # what an index of -1 finds
        WRITTEN,
    ),
    edit(
        "targets != ignore",
        "targets >= 0",
        "All negative targets are ignored, and no others: compare the targets with `ignore`, which may be any number.",
    ),
    edit(
        RETURN,
        "return -chosen.masked_fill(~kept, 0).sum()",
        "The loss is a sum: divide it by the number of targets that count.",
    ),
    edit("return -chosen", "return chosen", "The sign is missing: the loss is minus the mean log-probability."),
    edit(
        "/ kept.sum()",
        "/ kept.sum() / 0.6931471805599453",
        "This is in bits: a loss in nats uses the natural logarithm.",
    ),
    edit(
        RETURN,
        "return (-chosen.masked_fill(~kept, 0).sum(-1) / kept.sum(-1)).mean()",
        "Each sequence is averaged first, then the sequences: positions of short sequences count too much. "
        "Divide one sum by one count.",
    ),
    edit(
        "log_softmax(logits, -1)",
        "log_softmax(logits, 1)",
        "The log-softmax runs over positions: probabilities sum to 1 over the vocabulary.",
    ),
    edit(
        "log_softmax(logits, -1)",
        "logits",
        "Raw logits are no log-probabilities: take their log-softmax over the vocabulary first.",
    ),
    edit(
        "log_softmax(logits, -1)",
        "log_softmax(logits, -1).exp()",
        "This averages probabilities: the loss averages their logarithms.",
    ),
    edit(
        "log_softmax(logits, -1)",
        "(logits.exp() / logits.exp().sum(-1, keepdim=True)).log()",
        OVERFLOW,
    ),
    edit(
        "return -chosen.masked_fill(~kept, 0).sum()",
        "return -chosen.masked_fill(~kept, 0).sum().detach()",
        "The loss was cut from the graph (detach, .data, .item or no_grad): gradients must reach the logits.",
    ),
    edit(
        "targets.masked_fill(~kept, 0)",
        "targets.masked_fill_(~kept, 0)",
        "The targets are changed in place: make a new tensor for the lookup.",
    ),
)

ask.survives(
    "index = targets.masked_fill(~kept, 0).unsqueeze(-1)",
    "index = targets.masked_fill(~kept, 1).unsqueeze(-1)",
    "what is looked up for an ignored target is thrown away",
)
