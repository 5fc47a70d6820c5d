"""`induction.prefix_matching_score`: attention from a token to what followed it in the first copy."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.networks import ATTENTION_ONLY, HOUSE, SHAPES, described
from headwork.checkers.induction.planted import HEADS, by_chance, planted, repeated
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("prefix_matching_score")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, layers, batch, heads, start, period, more in [
        ("random patterns after a BOS", 3, 2, 4, 1, 5, 0),
        ("a batch of one, no BOS, an even period", 2, 1, 3, 0, 4, 0),
        ("three tokens before the first copy, and more after the second", 2, 4, 1, 3, 5, 2),
        ("a text of two tokens, repeated", 4, 3, 2, 1, 2, 0),
        ("no BOS, an odd period, a text that goes on", 3, 2, 5, 0, 7, 3),
    ]:
        patterns = by_chance(rng, (layers, batch, heads), start + 2 * period + more)
        yield Case(name, patterns=patterns, start=start, period=period, cotangent=rng.normal((layers, heads)))
    for start, period, more in [(1, 6, 0), (0, 5, 3)]:
        patterns = planted(start + 2 * period + more, period, start).repeat(2, 3, 1, 1, 1)
        where = "after a BOS" if start else "without a BOS"
        name = f"textbook heads {where}: {', '.join(HEADS)}"
        yield Case(name, patterns=patterns, start=start, period=period, cotangent=rng.normal((2, len(HEADS))))
    text = repeated(rng, 2, 9, 1792, 1)
    yield Case("the patterns of house", model=HOUSE, cotangent=rng.normal((5, 4)), **text)
    text = repeated(rng, 3, 8, 256, 1, 2)
    yield Case("the patterns of attention-only", model=ATTENTION_ONLY, cotangent=rng.normal((2, 4)), **text)
    name = "untied, with ReLU"
    text = repeated(rng, 4, 5, SHAPES[name].d_vocab, 0, 1)
    yield Case(
        "the patterns of a small model", model=described(rng, SHAPES[name]), cotangent=rng.normal((3, 2)), **text
    )


ask.checks(
    equal("score", title="gives each head the attention from the second copy to what came next in the first", weight=3),
    equal("gradient", title="gradients reach the patterns"),
)

ROWS = (
    "Every row of the diagonal is counted: only queries of the second copy have a first copy to look back at, and what "
    "stands in the rows before rewards a head that rests on the first position."
)
SHIFTED = "The copies are taken to begin at position 0: the first begins at `start`, after the BOS."

ask.mistakes(
    edit(
        "keys = queries - period + 1",
        "keys = queries - period",
        "This is the stripe at distance `period`, that of a duplicate-token head: it looks at the same token in the "
        "first copy. An induction head looks at the token after that one, at distance period - 1.",
    ),
    edit(
        "keys = queries - period + 1",
        "keys = queries - period + 2",
        "The keys stand one position too late: the token after the earlier one is period - 1 positions back.",
    ),
    edit(
        "patterns[..., queries, keys]",
        "patterns[..., keys, queries]",
        "Queries and keys have changed places: the pattern is (..., query, key), and above its diagonal all is zero.",
    ),
    edit(
        "queries = torch.arange(first, first + period, device=patterns.device)",
        "queries = torch.arange(period - 1, patterns.shape[-1], device=patterns.device)",
        ROWS,
    ),
    edit("first = start + period", "first = period", SHIFTED),
    edit(
        "queries = torch.arange(first, first + period, device=patterns.device)",
        "queries = torch.arange(first, patterns.shape[-1], device=patterns.device)",
        "Every query from the second copy on is counted, also those after it: only the second copy's count.",
    ),
    edit(
        "queries = torch.arange(first, first + period, device=patterns.device)",
        "queries = torch.arange(patterns.shape[-1] - period, patterns.shape[-1], device=patterns.device)",
        "The last rows of the pattern are taken for the second copy: the text may go on after it.",
    ),
    edit(
        "torch.arange(first, first + period, device",
        "torch.arange(first, first + period - 1, device",
        "The last query of the second copy is missing: what follows its token stands at the beginning of the second "
        "copy, and that is a place to look at.",
    ),
    edit(
        "torch.arange(first, first + period, device",
        "torch.arange(first + 1, first + period, device",
        "The first query of the second copy is missing: its token has been there before, so it counts.",
    ),
    edit(
        "torch.arange(first, first + period, device",
        "torch.arange(first - 1, first + period, device",
        "A query too many: the last token of the first copy has not been there before, so its row does not count.",
    ),
    edit(
        "torch.arange(first, first + period, device",
        "torch.arange(start, first, device",
        "These are the rows of the first copy: its tokens have not been there before. Take the second copy's rows.",
    ),
    edit("found.mean((1, 3))", "found.mean((1, 2, 3))", "The heads are averaged: each head gets a score of its own."),
    edit(
        "found.mean((1, 3))", "found.mean((0, 1, 3))", "The layers are averaged: each head of each layer has a score."
    ),
    edit(
        "found.mean((1, 3))",
        "found[:, 0].mean(-1)",
        "Only the first text of the batch counts: average over all of them.",
    ),
    edit("found.mean((1, 3))", "found.mean(-1)", "The batch is still there: average over it as well."),
    edit("found.mean((1, 3))", "found.sum(-1).mean(1)", "This is a sum over the queries: take their mean."),
    edit(
        "found.mean((1, 3))",
        "found.sum(-1).mean(1) / patterns.shape[-1]",
        "The sum is divided by the length of the whole text: `period` queries count, so divide by that.",
    ),
    edit(
        "found.mean((1, 3))",
        "found.amax(-1).mean(1)",
        "This is the best query's attention: take the mean over all queries of the second copy.",
    ),
    edit(
        "found.mean((1, 3))",
        "found.max(-1).values.mean(1)",
        "This is the best query's attention: take the mean over all queries of the second copy.",
    ),
    edit(
        "found.mean((1, 3))",
        "(patterns[..., queries, :].argmax(-1) == keys).to(patterns.dtype).mean((1, 3))",
        "This counts how often the place gets the most attention: take the attention that it gets.",
    ),
    edit(
        "found.mean((1, 3))",
        "found.mean((1, 3)).detach()",
        "The score was cut from the graph (detach, .data, .item or no_grad): gradients must reach the patterns.",
    ),
    edit("found.mean((1, 3))", "found.mean((1, 3)).T", "This is (head, layer): return (layer, head)."),
)
