"""`gpt2.top_k`: draws from the k likeliest tokens, judged by their exact law."""

from collections.abc import Iterator

import torch
from torch import Tensor

from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.gpt2.temperature import sampler_checks
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("top_k")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, rows, vocab, k, spread, repeats in [
        ("k 3", 4, 9, 3, 2, 3000),
        ("k 5, other rows", 2, 12, 5, 1.5, 2000),
        ("k 1: the likeliest", 5, 7, 1, 1, 100),
        ("k is the whole vocabulary", 3, 6, 6, 1, 1000),
        ("k beyond the vocabulary", 2, 8, 50, 1, 1000),
        ("logits far from zero", 3, 10, 4, 1.2, 2000),
        ("one row", 1, 11, 2, 0.5, 1000),
    ]:
        levels = 3 * spread * torch.arange(rows).double()[:, None]  # no row's threshold fits another
        levels = levels + 900 if "far" in name else levels  # e to that power is more than a double holds
        yield Case(name, rows=rng.normal((rows, vocab), spread=spread) + levels, k=k, repeats=repeats, seed=rng.seed())


def law(case: Case) -> Tensor:
    """The exact probability of every token, (row, vocab), written from the definition with plain loops."""
    table = case.rows.double().softmax(-1)
    for row in table:
        ranked = sorted(range(len(row)), key=(-row).tolist().__getitem__)
        for token in ranked[case.k :]:
            row[token] = 0
    return torch.as_tensor(table / table.sum(-1, keepdim=True))


ask.checks(*sampler_checks(law, "draws from the k likeliest tokens, by their own shares, and nowhere else"))

CUT = "largest, tokens = logits.topk(min(k, logits.shape[-1]))"
SHARES = "probabilities = largest.softmax(-1)"
WHOLE = "tokens = torch.arange(logits.shape[-1], device=logits.device).expand_as(logits)\n    "
OF_ALL = "logits.flatten().topk(min(k, logits.shape[-1])).values[-1]"
DROPPED = "The k-th likeliest token is dropped: keep what is equal to the threshold, not only what lies above it."
DRAW = "torch.multinomial(probabilities, 1, generator=generator)"

ask.mistakes(
    edit(
        "tokens.gather(-1, rank).squeeze(-1)",
        "rank.squeeze(-1)",
        "These are ranks among the k kept tokens: look up which token has that rank.",
    ),
    edit(
        "min(k, logits.shape[-1])", "min(3, logits.shape[-1])", "3 is written into the code: use the k that is passed."
    ),
    edit(
        "min(k, logits.shape[-1])",
        "k",
        "A k beyond the vocabulary raises an error: keep all tokens then, min(k, vocab) of them.",
    ),
    *(
        edit(SHARES, WHOLE + f"probabilities = logits.masked_fill(logits {cut}, {fill}).softmax(-1)", sentence)
        for fill in ("-torch.inf", "-1e9")
        for cut, sentence in (
            ("<= largest[:, -1:]", DROPPED),
            ("< largest[0, -1]", "All rows are cut at the first row's threshold: every row has its own."),
            (f"< {OF_ALL}", "One threshold is taken from the whole batch: every row has its own."),
        )
    ),
    edit(
        "min(k, logits.shape[-1])",
        "min(k + 1, logits.shape[-1])",
        "One token too many is kept: k of them, no more.",
    ),
    edit(
        SHARES,
        "probabilities = torch.ones_like(largest)",
        "Every kept token gets the same chance: let them keep their own shares, the softmax of their logits.",
    ),
    edit(
        SHARES,
        "probabilities = largest",
        "Logits are drawn from as if they were probabilities: take their softmax.",
    ),
    *(
        edit(
            SHARES,
            f"probabilities = {shares}.softmax(-1)",
            "The softmax is taken twice, which makes the shares nearly equal: once is enough.",
        )
        for shares in ("largest.softmax(-1)", "logits.softmax(-1).gather(-1, tokens)")
    ),
    edit(
        SHARES,
        "probabilities = largest.exp()",
        "exp of a large logit overflows: use softmax, or subtract the row's largest logit first.",
    ),
    edit(
        SHARES,
        WHOLE + "probabilities = logits.softmax(-1).masked_fill(logits < largest[:, -1:], 0).softmax(-1)",
        "The cut probabilities go through a softmax again, which revives the tokens that were cut: "
        "only divide by their sum.",
    ),
    edit(
        SHARES,
        WHOLE + "probabilities = logits.masked_fill(logits < largest[:, -1:], 0).softmax(-1)",
        "The logits of cut tokens are set to 0, and exp(0) is 1: set them to minus infinity.",
    ),
    edit(
        SHARES,
        "tokens = tokens[:1].expand_as(tokens)\n    probabilities = largest.softmax(-1)",
        "All rows keep the first row's tokens: every row has its own.",
    ),
    edit(
        SHARES,
        WHOLE + "probabilities = logits.softmax(-1)",
        "Nothing is cut off: tokens beyond the k likeliest can still be drawn.",
    ),
    edit(
        CUT,
        "largest, tokens = logits.topk(min(k, logits.shape[-1]), largest=False)",
        "The k least likely tokens are kept: keep the likeliest.",
    ),
    edit(
        DRAW,
        "probabilities.argmax(-1, keepdim=True)",
        "This always takes the likeliest token: draw from the k likeliest instead.",
    ),
    edit(
        ", generator=generator)",
        ", generator=torch.Generator().manual_seed(0))",
        "A seed is fixed inside, so every call draws alike: use the generator that is passed.",
    ),
    edit(", generator=generator)", ")", "The generator is not used: pass it on, so that a draw can be repeated."),
    edit(
        SHARES,
        "probabilities = largest.softmax(0)",
        "The softmax runs over the rows: each row is a distribution over the vocabulary.",
    ),
)
