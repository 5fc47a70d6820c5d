"""`induction.pattern_scores`: attention to the previous, the current and the first position."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.networks import ATTENTION_ONLY, HOUSE, SHAPES, described
from headwork.checkers.induction.planted import HEADS, by_chance, planted
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("pattern_scores")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, layers, batch, heads, length in [
        ("random patterns", 3, 2, 4, 7),
        ("a batch of one", 2, 1, 3, 6),
        ("two positions", 5, 4, 3, 2),
    ]:
        patterns = by_chance(rng, (layers, batch, heads), length)
        yield Case(name, patterns=patterns, cotangent=rng.normal((3, layers, heads)))
    patterns = planted(13, 6, 1).repeat(2, 3, 1, 1, 1)
    name = f"textbook heads: {', '.join(HEADS)}"
    yield Case(name, patterns=patterns, cotangent=rng.normal((3, 2, len(HEADS))))
    tokens = rng.integers((2, 11), 1792)
    yield Case("the patterns of house", model=HOUSE, tokens=tokens, cotangent=rng.normal((3, 5, 4)))
    tokens = rng.integers((3, 13), 256)
    yield Case("the patterns of attention-only", model=ATTENTION_ONLY, tokens=tokens, cotangent=rng.normal((3, 2, 4)))
    config = SHAPES["attention only"]
    tokens = rng.integers((3, 7), config.d_vocab)
    model = described(rng, config)
    yield Case("the patterns of a small model", model=model, tokens=tokens, cotangent=rng.normal((3, 2, 4)))


ask.checks(
    equal("previous", title="attention to the position before"),
    equal("current", title="attention to the position itself"),
    equal("first", title="attention to the first position"),
    equal("gradient", title="gradients reach the patterns"),
)

FIRST_ROW = (
    "The query at position 0 counts: it can only look at itself, so every head gets points for it. Leave it out."
)
PLACES = 'places = {"previous": queries - 1, "current": queries, "first": torch.zeros_like(queries)}'
KEYS = "queries = torch.arange(1, patterns.shape[-1], device=patterns.device)"
MEAN = "patterns[..., queries, keys].mean((1, 3))"

ask.mistakes(
    edit(
        KEYS,
        "queries = torch.arange(0, patterns.shape[-1], device=patterns.device)",
        "The query at position 0 counts: it has no position before it, and it can only look at itself. Leave it out.",
    ),
    edit(
        PLACES + "\n    return {name: " + MEAN,
        PLACES + "\n    n = patterns.shape[-1]\n    return {name: (patterns[..., queries, keys].sum(-1) + "
        "(name != 'previous') * patterns[..., 0, 0]).mean(1) / n",
        FIRST_ROW,
    ),
    edit(
        MEAN,
        MEAN + " if name == 'previous' else "
        "(patterns[..., queries, keys].sum(-1) + patterns[..., 0, 0]).mean(1) / patterns.shape[-1]",
        FIRST_ROW,
    ),
    edit(
        MEAN,
        MEAN + " if name != 'first' else patterns[..., 0].mean((1, 3))",
        FIRST_ROW,
    ),
    edit(
        MEAN,
        MEAN + " if name != 'current' else patterns.diagonal(0, -2, -1).mean((1, 3))",
        FIRST_ROW,
    ),
    edit(
        MEAN,
        "patterns[..., queries, keys].sum(-1).mean(1) / patterns.shape[-1]",
        "The sum is divided by the length of the text: one query fewer counts, so divide by that.",
    ),
    edit(
        '"previous": queries - 1',
        '"previous": queries - 2',
        "This looks two positions back: the previous position is one back.",
    ),
    edit(
        MEAN,
        "patterns[..., keys, queries].mean((1, 3))",
        "Queries and keys have changed places: the pattern is (..., query, key).",
    ),
    edit(
        "torch.zeros_like(queries)",
        "torch.ones_like(queries)",
        "The attention to position 1 is counted as that to the first: positions count from 0.",
    ),
    edit(
        KEYS,
        "queries = torch.arange(2, patterns.shape[-1] + (patterns.shape[-1] == 2), device=patterns.device)"
        ".clamp(max=patterns.shape[-1] - 1)",
        "The query at position 1 is left out as well: it has a choice, so it counts.",
    ),
    edit(
        MEAN,
        "patterns[..., queries, keys].mean((0, 1, 3))",
        "The layers are averaged: each head of each layer has a score.",
    ),
    edit(
        MEAN,
        "patterns[..., queries, keys].mean((1, 2, 3))",
        "The heads are averaged: each head gets a score of its own.",
    ),
    edit(
        MEAN,
        "patterns[:, 0][..., queries, keys].mean(-1)",
        "Only the first text of the batch counts: average over all.",
    ),
    edit(MEAN, "patterns[..., queries, keys].mean(-1)", "The batch is still there: average over it as well."),
    edit(MEAN, "patterns[..., queries, keys].sum((1, 3))", "These are sums: take the mean over batch and queries."),
    edit(
        MEAN,
        "patterns[..., queries, keys].mean((1, 3)).detach()",
        "The scores were cut from the graph (detach, .data, .item or no_grad): gradients must reach the patterns.",
    ),
)

ask.survives(KEYS, KEYS.replace("shape[-1]", "shape[-2]"), "a pattern has as many queries as keys")
