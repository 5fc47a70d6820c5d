"""`gpt2.top_p`: draws from the nucleus, judged by its exact law."""

from collections.abc import Iterator

import torch
from torch import Tensor

from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.gpt2.temperature import sampler_checks
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("top_p")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, rows, vocab, p, spread, repeats in [
        ("p 0.7", 4, 9, 0.7, 1.5, 1000),
        ("p 0.9, other rows", 3, 12, 0.9, 2, 1000),
        ("a p below the likeliest token", 5, 7, 0.05, 1, 200),
        ("p 1: every token", 2, 6, 1.0, 1, 1000),
        ("far apart logits", 3, 8, 0.95, 60, 200),
        ("one row", 1, 10, 0.8, 1, 1000),
    ]:
        yield Case(name, rows=_rows(rng, rows, vocab, p, spread), p=p, repeats=repeats, seed=rng.seed())


def _rows(rng: Rng, rows: int, vocab: int, p: float, spread: float) -> Tensor:
    """Unsorted logits without ties, in which no sum of likeliest tokens lies so near p that rounding decides."""
    while True:
        logits = rng.normal((rows, vocab), spread=spread)
        sums = logits.softmax(-1).sort(-1, descending=True).values.cumsum(-1)
        if p == 1 or float((sums - p).abs().min()) > 1e-3:
            return logits


def law(case: Case) -> Tensor:
    """The exact probability of every token, (row, vocab), written from the definition with plain loops."""
    table = case.rows.double().softmax(-1)
    for row in table:
        total = 0.0
        for token in sorted(range(len(row)), key=(-row).tolist().__getitem__):
            inside = total < case.p - 1e-12
            total += float(row[token])
            row[token] = row[token] if inside else 0
    return torch.as_tensor(table / table.sum(-1, keepdim=True))


ask.checks(*sampler_checks(law, "draws from the nucleus, by the tokens' own shares, and nowhere else"))

ask.mistakes(
    edit(
        "before >= p",
        "before + probabilities > p",
        "The token whose probability carries the sum past p is dropped: it belongs to the nucleus.",
    ),
    edit(
        "tokens.gather(-1, rank).squeeze(-1)",
        "rank.squeeze(-1)",
        "These are ranks in the sorted order, not tokens: look up which token has that rank.",
    ),
    edit(
        "nucleus = probabilities.masked_fill(before >= p, 0)",
        "nucleus = probabilities",
        "Nothing is cut off: tokens outside the nucleus can still be drawn.",
    ),
    edit(
        "descending=True",
        "descending=False",
        "The sort runs upwards: the nucleus is then made of the least likely tokens.",
    ),
    edit("before >= p", "before >= 0.9", "0.9 is written into the code: use the p that is passed."),
    edit(
        ", generator=generator)",
        ", generator=torch.Generator().manual_seed(0))",
        "A seed is fixed inside, so every call draws alike: use the generator that is passed.",
    ),
    edit(
        "torch.multinomial(nucleus, 1, generator=generator)",
        "nucleus.argmax(-1, keepdim=True)",
        "This always takes the likeliest token: draw from the nucleus instead.",
    ),
    edit(
        "torch.multinomial(nucleus, 1",
        "torch.multinomial((nucleus > 0).double(), 1",
        "Every token of the nucleus gets the same chance: keep their own probabilities, divided by their sum.",
    ),
    edit(", generator=generator)", ")", "The generator is not used: pass it on, so that a draw can be repeated."),
    edit(
        "logits.softmax(-1)",
        "logits.softmax(0)",
        "The softmax runs over the rows: each row is a distribution over the vocabulary.",
    ),
    edit(
        "nucleus = probabilities.masked_fill(before >= p, 0)",
        "nucleus = logits.softmax(-1).masked_fill(before >= p, 0)",
        "The cut was found in the sorted order and used on the unsorted one: keep both in the same order.",
    ),
    edit(
        "before >= p",
        "probabilities < p",
        "Each probability is compared with p alone: it is the sum of the likelier ones that counts.",
    ),
    edit("before >= p", "before[:1] >= p", "All rows use the first row's nucleus: every row has its own."),
    edit(
        "rank = torch.multinomial(nucleus, 1",
        "rank = torch.multinomial(nucleus.softmax(-1), 1",
        "The cut probabilities go through a softmax again, which revives the tokens that were cut: "
        "only divide by their sum.",
    ),
)

ask.survives(
    "nucleus = probabilities.masked_fill(before >= p, 0)",
    "nucleus = probabilities.masked_fill(before > p, 0)",
    "they differ only where probabilities sum to p exactly, which rounding would decide",
)
