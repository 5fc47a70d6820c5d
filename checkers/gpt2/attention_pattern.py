"""`gpt2.attention_pattern`: from queries and keys to a causal softmax over the keys."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise(
    "attention_pattern",
    forbid=["scaled_dot_product_attention", "_native_multi_head_attention"],
    batch=["q", "k", "cotangent"],
)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, length, heads, width), spread in [
        ("ordinary numbers", (2, 5, 3, 4), 1),
        ("one head", (3, 6, 1, 8), 1),
        ("a batch of one", (1, 7, 4, 2), 1),
        ("one position", (4, 1, 2, 3), 1),
        ("large scores", (2, 6, 3, 5), 4),
        ("scores whose exponentials overflow", (3, 5, 2, 6), 40),
        ("small scores", (2, 4, 5, 9), 1e-2),
    ]:
        q, k = (rng.normal((batch, length, heads, width), spread=spread) for _ in range(2))
        yield Case(name, q=q, k=k, cotangent=rng.normal((batch, heads, length, length)))


ask.checks(
    equal(
        "pattern", title="every query attends to itself and the keys before it, by a softmax of scaled scores", weight=2
    ),
    equal("gradient", title="gradients reach queries and keys"),
)

ask.mistakes(
    edit(
        " / q.shape[-1] ** 0.5",
        " / (q.shape[-1] * q.shape[-2]) ** 0.5",
        "The scores are divided by the root of d_model; each head's dot products run over d_head numbers only.",
    ),
    edit(" / q.shape[-1] ** 0.5", "", "The scores are not scaled: divide them by the root of d_head."),
    edit(
        " / q.shape[-1] ** 0.5",
        " / q.shape[-1]",
        "The scores are divided by d_head itself: divide them by its root.",
    ),
    edit(
        ".softmax(-1)",
        ".softmax(-2)",
        "The softmax runs over the queries: each query's row must sum to 1 over its keys.",
    ),
    edit(
        'scores.masked_fill(later, float("-inf")).softmax(-1)',
        "scores.softmax(-1).masked_fill(later, 0)",
        "The mask comes after the softmax, so the rows no longer sum to 1: mask the scores, then take the softmax.",
    ),
    edit('float("-inf")', "0", "Masked scores are set to 0, and exp(0) is 1: set them to minus infinity."),
    edit(".triu(1)", ".triu(0)", "The mask is off by one: a query may attend to itself, too."),
    edit(".triu(1)", ".triu(2)", "The mask is off by one: each query also sees the next position."),
    edit(".triu(1)", ".tril(-1)", "The mask is the wrong way round: it hides the past and shows the future."),
    edit('.masked_fill(later, float("-inf"))', "", "There is no causal mask: queries attend to positions after them."),
    edit(
        '"bqhd,bkhd->bhqk", q, k',
        '"bqhd,bkhd->bhkq", q, k',
        "Queries and keys are swapped in the result: its axes are (batch, head, query, key).",
    ),
    edit(
        "return scores", "return scores.detach()", "The scores were cut from the graph: gradients must reach q and k."
    ),
)

ask.survives(
    "later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)",
    "later = torch.ones(scores.shape[-3:], dtype=torch.bool, device=q.device).triu(1)",
    "triu works on the last two axes, so a mask with an axis of heads is the same mask",
)
