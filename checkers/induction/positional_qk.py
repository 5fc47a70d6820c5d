"""`induction.positional_qk`: where each head looks when only the position tells keys apart."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.folded import folded
from headwork.checkers.induction.networks import ATTENTION_ONLY, SHAPES
from headwork.checkers.induction.ov_circuit import _house
from headwork.checkers.induction.probes.networks import build
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("positional_qk", seconds=30)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, layer, count in [
        ("a small GPT-2", 1, 8),
        ("untied, with ReLU", 0, 6),
        ("attention only", 1, 9),
        ("one head, no biases", 2, 4),
    ]:
        config = SHAPES[name]
        yield Case(
            name, model=folded(rng, config), layer=layer, positions=rng.normal((count, config.d_model), 0.4, 0.7)
        )
    yield Case("the model attention-only", model=ATTENTION_ONLY, layer=1, positions=rng.normal((10, 128)))
    given, embedding = _house()
    model = build(given["config"], given["state"])
    positions = model.pos_embed.W_pos.detach() + embedding.mean(0)
    yield Case("the house model", model=given, layer=0, positions=positions)


ask.checks(equal("pattern", title="gives every head's pattern over positions", weight=2))

STREAM = "stream = model.blocks[layer].ln1(positions)"
MASKED = 'scores.masked_fill(later, float("-inf"))'

ask.mistakes(
    edit(
        STREAM,
        "stream = model.blocks[layer].ln1(positions + model.pos_embed.W_pos[: len(positions)])",
        "The positions' vectors are added: `positions` is the stream, and holds them already.",
    ),
    edit(
        STREAM,
        "stream = positions - positions.mean(-1, keepdim=True)",
        "The stream is centred by hand: ln1 divides as well, and a model without LayerNorm does neither.",
    ),
    edit(
        MASKED,
        "scores.masked_fill(later, 0)",
        "Masked scores are set to 0, which still has weight after the softmax: use minus infinity.",
    ),
    edit(".triu(1)", ".tril(-1)", "The mask is upside down: hidden are the keys after the query, not those before it."),
    edit(".softmax(-1)", ".softmax(0)", "The softmax runs over the heads: each row of a head sums to 1 over its keys."),
    edit(".softmax(-1)", ".log_softmax(-1)", "These are logarithms: return the weights themselves, with softmax."),
    edit("model.blocks[layer].ln1(positions)", "positions", "The heads read through ln1: apply it to the stream."),
    edit(" / q.shape[-1] ** 0.5", "", "The scores are not scaled: divide them by the root of d_head."),
    edit(
        " / q.shape[-1] ** 0.5",
        " / positions.shape[-1] ** 0.5",
        "The scores are divided by the root of d_model: the products run over d_head numbers.",
    ),
    edit(
        'scores.masked_fill(later, float("-inf")).softmax(-1)',
        "scores.softmax(-1)",
        "Queries see later positions: mask their scores.",
    ),
    edit(
        'scores.masked_fill(later, float("-inf")).softmax(-1)',
        "scores.softmax(-1).masked_fill(later, 0)",
        "The mask comes after the softmax, so the rows no longer sum to 1: mask the scores first.",
    ),
    edit(
        'masked_fill(later, float("-inf")).softmax(-1)',
        'masked_fill(later, float("-inf"))',
        "These are scores: take the softmax over the keys.",
    ),
    edit(".softmax(-1)", ".softmax(-2)", "The softmax runs over the queries: each row sums to 1 over its keys."),
    edit(".triu(1)", ".triu(0)", "The mask is off by one: a position may look at itself."),
    edit(".triu(1)", ".triu(2)", "The mask is off by one: each query also sees the next position."),
    edit(
        "stream @ attn.W_Q + attn.b_Q[:, None]",
        "stream @ attn.W_Q",
        "b_Q is missing: it favours some positions whatever the query.",
    ),
    edit("scores = q @ k.mT", "scores = k @ q.mT", "Queries and keys are swapped: rows are queries."),
    edit(
        "    attn = model.blocks[layer].attn\n    stream",
        "    attn = model.blocks[0].attn\n    stream",
        "The heads of block 0 are used whatever the layer.",
    ),
)

ask.survives(
    "k = stream @ attn.W_K + attn.b_K[:, None]",
    "k = stream @ attn.W_K",
    "the key bias adds the same to each score of a row, and the softmax does not see it",
)
