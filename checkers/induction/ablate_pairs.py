"""`induction.ablate_pairs`: how much the loss rises without each head, and without each pair."""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.ablate_heads import HOUSE_SIZES, SMALL_SIZES, replacements
from headwork.checkers.induction.networks import ATTENTION_ONLY, HOUSE, SHAPES, described
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.models.config import Config

ask = Exercise("ablate_pairs", seconds=30)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    rows: list[tuple[str, int, int, int, list[tuple[int, int]]]] = [
        ("a small GPT-2", 2, 9, 3, [(1, 2), (0, 1), (1, 0), (0, 2)]),
        ("attention only", 3, 6, 0, [(0, 3), (1, 1), (0, 0)]),
        ("untied, with ReLU", 4, 8, 5, [(2, 0), (1, 1)]),
        ("one head, no biases", 3, 5, 2, [(2, 0), (0, 0), (1, 0)]),
        ("untied, with ReLU", 1, 7, 1, [(1, 1), (2, 0), (0, 1)]),
    ]
    for shape, batch, length, start, heads in rows:
        name = shape if batch > 1 else f"{shape}, one text"
        yield _case(rng, name, SHAPES[shape], described(rng, SHAPES[shape]), batch, length, start, heads)
    yield _case(rng, "house", HOUSE_SIZES, HOUSE, 2, 9, 4, [(4, 1), (4, 2), (0, 0)])
    yield _case(rng, "attention-only", SMALL_SIZES, ATTENTION_ONLY, 3, 8, 2, [(1, 3), (0, 0)])


def _case(
    rng: Rng,
    name: str,
    config: Config,
    model: Any,
    batch: int,
    length: int,
    start: int,
    heads: list[tuple[int, int]],
) -> Case:
    tokens, values = rng.integers((batch, length), config.d_vocab), replacements(rng, config, batch, length)
    return Case(name, model=model, tokens=tokens, heads=heads, start=start, values=values)


ask.checks(equal("rises", title="is the rise of the loss without each pair, and on the diagonal without each head"))

PUT = "    rises[columns, rows] = means[1:] - means[0]\n"
BOTH = "    rises[rows, columns] = means[1:] - means[0]\n" + PUT

ask.mistakes(
    edit(
        BOTH,
        BOTH.replace(" - means[0]", ""),
        "This is the loss itself: take off the loss of the whole model, to see the rise.",
    ),
    edit(
        BOTH,
        BOTH.replace("means[1:] - means[0]", "means[0] - means[1:]"),
        "The sign is turned round: where a head helps, the loss rises without it.",
    ),
    edit(PUT, "", "One half of the table is empty: a pair is the same in either order, so fill in both."),
    edit(
        BOTH,
        BOTH
        + "    singles = rises.diagonal().clone()\n    rises = rises - (singles[:, None] + singles) * (1 - torch.eye("
        "len(heads), "
        "device=rises.device))\n",
        "The rises without either head alone are taken off: the table holds the rise without both.",
    ),
    edit(
        BOTH,
        BOTH + "    rises.diagonal().zero_()\n",
        "The diagonal is zero: there stands the rise without that one head.",
    ),
    edit(
        BOTH,
        BOTH + "    singles = rises.diagonal().clone()\n    rises = singles[:, None] + singles - torch.diag(singles)\n",
        "The rises of single heads are added up: run the model without both at once, since effects need not add up.",
    ),
    edit("losses[:, start:]", "losses", "`start` is ignored: the mean is over the columns from there on."),
    edit("losses[:, start:]", "losses[:, start + 1 :]", "The mean begins a column too late: column `start` counts."),
    edit(
        "losses[:, start:]",
        "losses[:, max(start - 1, 0) :]",
        "The mean begins a column too early: it begins with column `start`.",
    ),
    edit(
        "losses[:, start:].reshape(len(masks), -1).mean(1)",
        "losses[:, start:].reshape(len(masks), -1).sum(1)",
        "The losses are added up: take their mean.",
    ),
    edit(
        "losses[:, start:].reshape(len(masks), -1).mean(1)",
        "losses[:, start:].sum(1).reshape(len(masks), -1).mean(1)",
        "The losses of each text are added up: take the mean over the columns as well.",
    ),
    edit(
        "losses[:, start:].reshape(len(masks), -1).mean(1)",
        "losses[::batch, start:].reshape(len(masks), -1).mean(1)",
        "Only the first text's loss counts: average over the batch.",
    ),
    edit(
        "values[point.name].repeat(len(masks), 1, 1, 1)",
        "torch.zeros_like(z)",
        "The heads are replaced by zeros, whatever `values` holds: put those in.",
    ),
    edit(
        "    means = losses",
        "    losses = losses / 0.6931471805599453\n    means = losses",
        "This is in bits: take the natural logarithm.",
    ),
    edit(
        BOTH,
        BOTH.replace("means[1:] - means[0]", "(means[1:] - means[0]).abs()"),
        "The signs are thrown away: where a head does harm, the loss falls without it.",
    ),
)
