"""`induction.ov_circuit`: what each head adds to the logits when it attends to one token, as thin factors."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from torch import Tensor

from headwork.checkers.checks import claim, equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.folded import folded, folded_model
from headwork.checkers.induction.networks import ATTENTION_ONLY, SHAPES
from headwork.checkers.induction.probes.networks import build
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.models.config import Config

ask = Exercise("ov_circuit", seconds=30)

ANY = 1 << 40
LARGE = Config(d_vocab=190, n_ctx=6, d_model=8, n_heads=2, d_mlp=11, n_layers=2)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, layer, tokens in [
        ("a small GPT-2", 1, 17),
        ("untied, with ReLU", 0, 7),
        ("attention only", 1, 5),
        ("one head, no biases", 2, 14),
    ]:
        yield _case(rng, name, SHAPES[name], layer, tokens, ANY)
    yield _case(rng, "a larger vocabulary", LARGE, 1, 170, 2 * 190 * 8 * 4)
    sources, vectors = rng.normal((6, 128)), rng.normal((4, 256, 2))
    yield Case("the model attention-only", model=ATTENTION_ONLY, layer=1, sources=sources, vectors=vectors, most=ANY)
    given, embedding = _house()
    vectors = rng.normal((4, 1792, 2))
    yield Case("the house model", model=given, layer=4, sources=embedding, vectors=vectors, most=2_000_000)


def _case(rng: Rng, name: str, config: Config, layer: int, tokens: int, most: int) -> Case:
    return Case(
        name,
        model=folded(rng, config),
        layer=layer,
        sources=rng.normal((tokens, config.d_model), 0.4, 2),
        vectors=rng.normal((config.n_heads, config.d_vocab, 2)),
        most=most,
    )


@lru_cache
def _house() -> tuple[dict[str, Any], Tensor]:
    given = folded_model("house")
    return given, build(given["config"], given["state"]).embed.W_E.detach()


def too_large(value: Any, case: Case) -> str:
    """A claim, so that a mistake is named only by one that makes a tensor of the same size."""
    return f"a tensor of {value} numbers is made, the bar is {case.most}" if value > case.most else ""


ask.checks(
    equal("product times vectors", title="the product of the factors is the OV circuit of every head", weight=3),
    equal("sizes of rows, columns", title="rows are sources, columns are tokens of the vocabulary, for each head"),
    equal("rank", title="the factors are as thin as a head"),
    claim("largest tensor", too_large, title="nothing of the product's size is made"),
)

CENTRED = "    if model.config.layer_norm:\n        written = written - written.mean(-1, keepdim=True)\n"

ask.mistakes(
    edit(
        "written.mean(-1, keepdim=True)",
        "written.mean(-2, keepdim=True)",
        "The mean of W_O is taken over d_head: the final norm takes the mean over d_model, the last axis.",
    ),
    edit(
        CENTRED + "    return left, written @ model.unembed.W_U",
        "    W_U = model.unembed.W_U\n    return left, written @ (W_U - W_U.mean(-1, keepdim=True))",
        "The unembedding is centred over the vocabulary, what is written is not: it is W_O whose rows, over d_model, "
        "lose their mean in the final norm.",
    ),
    edit(
        "return left, written @ model.unembed.W_U",
        "W_U = model.unembed.W_U\n    return left, written @ (W_U - W_U.mean(-1, keepdim=True))",
        "The mean over the vocabulary is taken off the logits: centre W_O alone.",
    ),
    edit(
        "        written = written - written.mean(-1, keepdim=True)\n",
        "        written = model.ln_final(written)\n",
        "Each row of W_O is divided by its own spread: the norm divides by the whole stream's, so only centre it.",
    ),
    edit(
        "return left, written @ model.unembed.W_U",
        "return left, (written + attn.b_O) @ model.unembed.W_U",
        "b_O is added: it belongs to the layer, not to a head.",
    ),
    edit("model.blocks[layer].ln1(sources)", "sources", "The heads read through ln1: apply it to the sources."),
    edit(" @ attn.W_V + attn.b_V[:, None]", " @ attn.W_V", "b_V is missing: it is part of what a head writes."),
    edit(CENTRED, "", "What is written is not centred: the final norm takes the mean off before the logits are made."),
    edit(
        "    if model.config.layer_norm:\n",
        "    if True:\n",
        "What is written is centred although the model has no LayerNorm.",
    ),
    edit(
        "@ model.unembed.W_U",
        "@ model.embed.W_E.T",
        "The embedding transposed is not this model's unembedding: a folded model has one of its own.",
    ),
    edit(
        "@ model.unembed.W_U",
        "@ model.unembed.W_U + model.unembed.b_U",
        "The unembedding's bias is no part of what a head adds.",
    ),
    edit(
        "return left, written @ model.unembed.W_U",
        "return left @ (written @ model.unembed.W_U), torch.eye(model.unembed.W_U.shape[1]).to(written).expand("
        "len(written), -1, -1)",
        "The whole product is made: return its two factors.",
    ),
    edit(
        "return left, written @ model.unembed.W_U",
        "return left @ written, model.unembed.W_U.expand(len(written), -1, -1)",
        "The factors are as wide as the stream: multiply W_O with the unembedding, and d_head is between them.",
    ),
    edit(
        "@ attn.W_V + attn.b_V[:, None]",
        "@ attn.W_K + attn.b_K[:, None]",
        "These are keys: what a head passes on is made with W_V and b_V.",
    ),
    edit(
        "model.blocks[layer].attn\n    left",
        "model.blocks[0].attn\n    left",
        "The heads of block 0 are used whatever the layer.",
    ),
)

for LINE in (
    "left = model.blocks[layer].ln1(sources) @ attn.W_V + attn.b_V[:, None]",
    "written = attn.W_O",
    "written = written - written.mean(-1, keepdim=True)",
):
    NAME, VALUE = LINE.split(" = ")
    WHOLE = f"({VALUE})" if " " in VALUE else VALUE
    ask.survives(LINE, f"{NAME} = {WHOLE}.detach()", "no gradients are asked: the weights are read, not trained")
