"""`induction.induction_circuit`: which token's trace the query of each token finds, read off the weights."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.checks import claim, equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.folded import folded, folded_model
from headwork.checkers.induction.networks import ATTENTION_ONLY, SHAPES
from headwork.checkers.induction.probes.networks import build
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("induction_circuit", seconds=30)

ANY = 1 << 40


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, shape, previous, induction, (tokens, chunk, most) in [
        ("a small GPT-2", "a small GPT-2", (0, 2), (1, 0), (17, 1, ANY)),
        ("three layers", "untied, with ReLU", (0, 0), (2, 1), (8, 100, ANY)),
        ("the first head in layer 1", "one head, no biases", (1, 0), (2, 0), (6, 1, ANY)),
        ("attention only", "attention only", (0, 1), (1, 3), (11, 5, ANY)),
        ("many tokens", "a small GPT-2", (0, 1), (1, 2), (160, 7, 8000)),
    ]:
        config = SHAPES[shape]
        yield Case(
            name,
            model=folded(rng, config),
            previous=list(previous),
            induction=list(induction),
            sources=rng.normal((tokens, config.d_model), 0.4, 2),
            queries=rng.normal((tokens, config.d_model), -0.3, 3),
            chunk=chunk,
            most=most,
        )
    vectors = {"sources": rng.normal((9, 128)), "queries": rng.normal((9, 128), 0.3)}
    heads = {"previous": [0, 2], "induction": [1, 0]}
    yield Case("the model attention-only", model=ATTENTION_ONLY, **heads, **vectors, chunk=4, most=ANY)
    model, sources, queries = _house()
    head = int(rng.integers((), 4))
    yield Case(
        "the house model",
        model=model,
        previous=[0, 0],
        induction=[4, head],
        sources=sources,
        queries=queries,
        chunk=200,
        most=4 * 200 * len(sources),
    )


@lru_cache
def _house() -> tuple[dict[str, object], Tensor, Tensor]:
    """The house model folded, its embedding, and what its tokens look like after the first token of a text."""
    from headwork.solutions.induction.weights import effective_embedding

    given = folded_model("house")
    model = build(given["config"], given["state"])
    return given, model.embed.W_E.detach(), effective_embedding(model, torch.zeros(1, 1, dtype=torch.long))


def _too_large(value: Any, case: Case) -> str:
    """A claim, so that a mistake is named only by one that makes a tensor of the same size."""
    return f"a tensor of {value} numbers is made, the bar is {case.most}" if value > case.most else ""


ask.checks(
    equal("diagonal", title="gives the score of each token's query with its own trace", weight=2),
    equal("best", title="finds the best column of every row", weight=2),
    claim("largest tensor", _too_large, title="makes at most `chunk` rows of the match matrix at once"),
)

SOURCES = "model.blocks[early].ln1(sources)"
QUERIES = "model.blocks[late].ln1(queries)"
CENTRED = "    if model.config.layer_norm:\n        written = written - written.mean(-1, keepdim=True)\n"
BEST = "    best = [(rows @ k.mT).argmax(-1) for rows in q.split(chunk)]\n"

ask.mistakes(
    edit(
        SOURCES,
        "sources",
        "The earlier head reads the stream as it is: it reads through its block's ln1.",
    ),
    edit(QUERIES, "queries", "The query is made of the stream as it is: the later head reads through its block's ln1."),
    edit(
        "        written = written - written.mean(-1, keepdim=True)\n",
        "        written = model.blocks[late].ln1(written)\n",
        "What is written is divided by its own spread: the norm divides by the whole stream's, so only centre it.",
    ),
    edit(
        "written.mean(-1, keepdim=True)",
        "written.mean(0, keepdim=True)",
        "The mean is taken over the tokens: the norm takes it over d_model, the last axis.",
    ),
    edit(
        QUERIES,
        "model.blocks[late].ln1(sources)",
        "The queries are made of `sources`: the later head reads `queries`, which block 0 has rewritten.",
    ),
    edit(
        "written @ reader.W_K[second]",
        "written @ reader.W_V[second]",
        "The trace is read with the later head's values: it is a key that it should become, through W_K.",
    ),
    edit(
        BEST,
        BEST.replace(".argmax(-1)", ".abs().argmax(-1)"),
        "This finds the entry that is largest in size: a large negative score is never looked at.",
    ),
    edit(
        BEST,
        "    keys = k.split(chunk)\n"
        "    best = [(q[i * chunk :][:chunk] @ each.mT).argmax(-1) + i * chunk for i, each in enumerate(keys)]\n",
        "The columns are cut like the rows: each row has to be compared with the keys of all tokens.",
    ),
    edit(CENTRED, "", "What is written is not centred: the later head reads through a norm that takes the mean off."),
    edit(
        "    if model.config.layer_norm:\n        written =",
        "    if True:\n        written =",
        "What is written is centred although the model has no LayerNorm.",
    ),
    edit(
        " @ writer.W_V[first] + writer.b_V[first]",
        " @ writer.W_V[first]",
        "The earlier head's b_V is missing: it is part of what the head writes.",
    ),
    edit(
        " @ reader.W_Q[second] + reader.b_Q[second]",
        " @ reader.W_Q[second]",
        "The later head's b_Q is missing: it favours some keys whatever the token.",
    ),
    edit(
        "    k = written @ reader.W_K[second]",
        "    k = written @ reader.W_K[second] + reader.b_K[second]",
        "b_K is added: it is no part of what the earlier head leaves.",
    ),
    edit(
        "@ writer.W_O[first]",
        "@ writer.W_O[first] + writer.b_O",
        "b_O is added: it belongs to the layer, not to the head.",
    ),
    edit("    q = q / k.shape[-1] ** 0.5\n", "", "The scores are not scaled: divide them by the root of d_head."),
    edit(
        "q / k.shape[-1] ** 0.5",
        "q / queries.shape[-1] ** 0.5",
        "The scores are divided by the root of d_model: the products run over d_head numbers.",
    ),
    edit(
        "written @ reader.W_K[second]",
        "written @ reader.W_Q[second]",
        "The trace is read with the later head's query weights: in K-composition its W_K reads it.",
    ),
    edit(
        "    q = " + QUERIES + " @ reader.W_Q[second] + reader.b_Q[second]",
        "    q = " + QUERIES + " @ reader.W_K[second] + reader.b_K[second]",
        "The query is made with the key weights: it is W_Q and b_Q that make queries.",
    ),
    edit(
        "(early, first), (late, second) = previous, induction",
        "(early, second), (late, first) = previous, induction",
        "The heads' numbers are swapped: each belongs to its own layer.",
    ),
    edit(
        "(early, first), (late, second) = previous, induction",
        "(late, second), (early, first) = previous, induction",
        "The two heads change roles: `previous` writes, `induction` asks.",
    ),
    edit(
        "    (early, first), (late, second) = previous, induction\n",
        "    (early, first), (late, second) = previous, induction\n    sources, queries = queries, sources\n",
        "`sources` and `queries` change places: the earlier head reads `sources`.",
    ),
    edit(
        BEST,
        BEST.replace("(rows @ k.mT)", "(rows @ q.mT)").replace("q.split", "k.split"),
        "This finds the best query for every key: the rows are queries, and each asks for its best key.",
    ),
    edit(BEST, "    best = [(q @ k.mT).argmax(-1)]\n", "The whole match matrix is made: take `chunk` rows at a time."),
    edit(BEST, BEST.replace("split(chunk)", "split(256)"), "The number 256 is written into the code: use `chunk`."),
    edit(
        BEST,
        BEST.replace("q.split(chunk)]", "q.split(chunk) if len(rows) == chunk or len(q) < chunk]"),
        "The last rows are missing when `chunk` does not divide their number.",
    ),
    edit(
        "return (q * k).sum(-1), torch.cat(best)",
        "return (q * k).sum(-1), torch.cat(best) == torch.arange(len(q), device=q.device)",
        "This says whether the best column is the diagonal one: return which column it is.",
    ),
)
