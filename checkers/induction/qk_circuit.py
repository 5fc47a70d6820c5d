"""`induction.qk_circuit`: which key each query of a head scores how much, for all tokens, as thin factors."""

from collections.abc import Iterator

from headwork.checkers.checks import claim, equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.folded import folded
from headwork.checkers.induction.networks import ATTENTION_ONLY, SHAPES
from headwork.checkers.induction.ov_circuit import ANY, LARGE, _house, too_large
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.models.config import Config

ask = Exercise("qk_circuit", seconds=30)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, layer, sizes in [
        ("a small GPT-2", 1, (17, 8)),
        ("untied, with ReLU", 0, (7, 9)),
        ("attention only", 1, (5, 13)),
        ("one head, no biases", 2, (14, 6)),
    ]:
        yield _case(rng, name, SHAPES[name], layer, sizes, ANY)
    yield _case(rng, "many tokens", LARGE, 1, (170, 180), 2 * 190 * 8 * 4)
    inputs = {"queries": rng.normal((6, 128)), "keys": rng.normal((7, 128)), "vectors": rng.normal((4, 7, 2))}
    yield Case("the model attention-only", model=ATTENTION_ONLY, layer=1, **inputs, most=ANY)
    given, embedding = _house()
    vectors = rng.normal((4, 1792, 2))
    inputs = {"queries": embedding.flip(0), "keys": embedding}
    yield Case("the house model", model=given, layer=1, **inputs, vectors=vectors, most=2_000_000)


def _case(rng: Rng, name: str, config: Config, layer: int, sizes: tuple[int, int], most: int) -> Case:
    return Case(
        name,
        model=folded(rng, config),
        layer=layer,
        queries=rng.normal((sizes[0], config.d_model), 0.4, 2),
        keys=rng.normal((sizes[1], config.d_model), -0.3, 3),
        vectors=rng.normal((config.n_heads, sizes[1], 2)),
        most=most,
    )


ask.checks(
    equal("product times vectors", title="the product of the factors holds every head's scores", weight=3),
    equal("sizes of rows, columns", title="rows are queries, columns are keys, for each head"),
    equal("rank", title="the factors are as thin as a head"),
    claim("largest tensor", too_large, title="nothing of the product's size is made"),
)

RETURN = "return q / q.shape[-1] ** 0.5, k.mT"

ask.mistakes(
    edit(
        "q = norm(queries) @ attn.W_Q + attn.b_Q[:, None]  # (head, query token, d_head)\n"
        "    k = norm(keys) @ attn.W_K + attn.b_K[:, None]",
        "q = norm(queries) @ attn.W_Q + attn.b_K[:, None]\n    k = norm(keys) @ attn.W_K + attn.b_Q[:, None]",
        "The biases change places: queries have b_Q and keys have b_K.",
    ),
    edit(
        RETURN,
        "scores = q @ k.mT / q.shape[-1] ** 0.5\n"
        "    return scores.softmax(-1), torch.eye(k.shape[1]).to(k).expand(len(k), -1, -1)",
        "These are weights after a softmax: the circuit holds the scores, and tokens are no positions of a text.",
    ),
    edit(
        RETURN,
        "return q @ attn.W_K.mT / q.shape[-1] ** 0.5, norm(keys).mT.expand(len(q), -1, -1)",
        "The factors are as wide as the stream, and b_K is lost: make the keys, which are only d_head wide.",
    ),
    edit(
        RETURN, "return q * q.shape[-1] ** 0.5, k.mT", "The scores are multiplied by the root of d_head: divide by it."
    ),
    edit("norm(queries)", "queries", "The queries are made of the stream as it is: the heads read through ln1."),
    edit("norm(keys)", "keys", "The keys are made of the stream as it is: the heads read through ln1."),
    edit(" @ attn.W_Q + attn.b_Q[:, None]", " @ attn.W_Q", "b_Q is missing: it favours some keys whatever the query."),
    edit(" @ attn.W_K + attn.b_K[:, None]", " @ attn.W_K", "b_K is missing: it adds the same to each entry of a row."),
    edit(RETURN, "return q, k.mT", "The scores are not scaled: divide them by the root of d_head."),
    edit(
        RETURN,
        "return q / queries.shape[-1] ** 0.5, k.mT",
        "The scores are divided by the root of d_model: the products run over d_head numbers.",
    ),
    edit(
        RETURN,
        "return q / q.shape[-1], k.mT",
        "The scale is not the root of d_head: divide one of the two sides by it, once.",
    ),
    edit(
        RETURN,
        "return q @ k.mT / q.shape[-1] ** 0.5, torch.eye(k.shape[1]).to(k).expand(len(k), -1, -1)",
        "The whole product is made: return its two factors.",
    ),
    edit(RETURN, "return k / q.shape[-1] ** 0.5, q.mT", "Rows and columns are swapped: rows are queries."),
    edit(
        "q = norm(queries) @ attn.W_Q + attn.b_Q[:, None]",
        "q = norm(queries) @ attn.W_K + attn.b_K[:, None]",
        "Both sides are made with the key weights: queries have W_Q and b_Q.",
    ),
    edit(
        "attn, norm = model.blocks[layer].attn, model.blocks[layer].ln1\n    q",
        "attn, norm = model.blocks[0].attn, model.blocks[0].ln1\n    q",
        "The heads of block 0 are used whatever the layer.",
    ),
)
