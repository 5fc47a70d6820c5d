"""`gpt2.head_contributions`: an attention layer taken apart into what each of its heads writes."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise("head_contributions", forbid=["_native_multi_head_attention"], batch=["residual", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, length, heads, width), spread in [
        ("three heads", (2, 5, 3, 4), 1),
        ("one head", (3, 4, 1, 6), 1),
        ("a batch of one", (1, 7, 2, 5), 1),
        ("one position", (4, 1, 2, 3), 1),
        ("four heads, large numbers", (2, 6, 4, 3), 30),
        ("five heads, small numbers", (3, 4, 5, 2), 1e-3),
    ]:
        model = heads * width
        into, out = (heads, model, width), (heads, width, model)
        yield Case(
            name,
            weights=weights(rng, 0.5, W_Q=into, W_K=into, W_V=into, W_O=out, b_O=model)
            | weights(rng, 0.5, b_Q=(heads, width), b_K=(heads, width), b_V=(heads, width)),
            residual=rng.normal((batch, length, model), spread=spread),
            cotangent=rng.normal((batch, length, heads, model)),
        )


ask.checks(
    equal(
        "contributions with our pattern",
        "contributions as it stands",
        title="what every head writes at every position",
        weight=2,
    ),
    equal(
        "gradient with our pattern",
        "gradient as it stands",
        title="gradients reach the residual stream and the heads' parameters",
    ),
    equal(
        "layer afterwards with our pattern",
        "layer afterwards as it stands",
        title="leaves the layer as it was",
        weight=0.5,
    ),
)

WRITTEN = 'torch.einsum("bqhd,hdm->bqhm", z, layer.W_O)'
FIRST_SHARE = "torch.nn.functional.pad(layer.b_O[None], (0, 0, 0, len(layer.W_O) - 1))"  # (head, d_model)

RESHAPED = "A plain reshape mixes positions with heads: move the head axis behind the position instead."

ask.mistakes(
    edit(
        f"return {WRITTEN}",
        f"return {WRITTEN} + layer.b_O",
        "Every head is given b_O: it belongs to the layer and to no head, so leave it out.",
    ),
    edit(
        f"return {WRITTEN}",
        f"return {WRITTEN} + layer.b_O / len(layer.W_O)",
        "b_O is split among the heads: it belongs to the layer and to no head, so leave it out.",
    ),
    edit(
        f"return {WRITTEN}",
        f"return {WRITTEN} + {FIRST_SHARE}",
        "b_O is added to the first head: it belongs to the layer and to no head, so leave it out.",
    ),
    edit(
        WRITTEN,
        'torch.einsum("bqhd,hdm->bqm", z, layer.W_O)[:, :, None].expand(-1, -1, z.shape[2], -1)',
        "Every head gets the sum of all heads: keep the head axis in the result, and do not sum over it.",
    ),
    edit(
        WRITTEN,
        'torch.einsum("bqhd,hdm->bqm", z, layer.W_O)',
        "The heads are summed: return what each writes, (batch, position, head, d_model).",
    ),
    edit(
        WRITTEN,
        'torch.einsum("bqd,hdm->bqhm", z.sum(2), layer.W_O)',
        "z is summed over the heads before W_O: each head's z goes through its own W_O.",
    ),
    edit(
        WRITTEN,
        'torch.einsum("bqhd,dm->bqhm", z, layer.W_O.sum(0))',
        "W_O is summed over the heads: each head's z goes through its own W_O.",
    ),
    edit(
        WRITTEN,
        'torch.einsum("bqhd,hdm->bhqm", z, layer.W_O)',
        "The head axis comes before the positions: the result is (batch, position, head, d_model).",
    ),
    edit(
        WRITTEN,
        'torch.einsum("bqhd,hdm->bhqm", z, layer.W_O).reshape(*z.shape[:3], -1)',
        RESHAPED,
    ),
    edit(
        'z = torch.einsum("bhqk,bkhd->bqhd", attention_pattern(q, k), v)',
        'z = torch.einsum("bhqk,bkhd->bhqd", attention_pattern(q, k), v).reshape(v.shape)',
        RESHAPED,
    ),
    edit(f"return {WRITTEN}", "return z", "This is z, of width d_head: carry it through each head's W_O to d_model."),
    edit(
        "attention_pattern(q, k), v)",
        '(torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5).softmax(-1), v)',
        "There is no causal mask in this pattern: attention_pattern(q, k) has one.",
    ),
    edit(
        WRITTEN,
        'torch.einsum("bqhd,hdm->bqhm", z, layer.W_O.flip(0))',
        "The heads meet each other's W_O in the opposite order: head 0 writes through W_O[0], and so on.",
    ),
    edit("residual, layer.W_V) + layer.b_V", "residual, layer.W_V)", "The value bias b_V is never added."),
    edit("residual, layer.W_Q) + layer.b_Q", "residual, layer.W_Q)", "The query bias b_Q is never added."),
    edit("residual, layer.W_K) + layer.b_K", "residual, layer.W_K)", "The key bias b_K is never added."),
    edit(
        "residual, layer.W_V) + layer.b_V",
        "residual, layer.W_K) + layer.b_K",
        "The values are made with the keys' weights: use W_V and b_V.",
    ),
    edit(
        '"bhqk,bkhd->bqhd"',
        '"bhkq,bkhd->bqhd"',
        "The pattern is used transposed: each query's row, (query, key), weighs the values at the keys.",
    ),
    edit(
        "attention_pattern(q, k), v)",
        "attention_pattern(k, q), v)",
        "Queries and keys change places in the call: it is attention_pattern(q, k).",
    ),
    edit(
        'z = torch.einsum("bhqk,bkhd->bqhd", attention_pattern(q, k), v)',
        "z = v",
        "The values are written where they stand: average them by the pattern first.",
    ),
    edit(
        "attention_pattern(q, k), v)",
        "attention_pattern(q, k).detach(), v)",
        "The pattern was cut from the graph: gradients must reach W_Q and W_K through it.",
    ),
    edit(
        f"return {WRITTEN}",
        f"return {WRITTEN}.detach()",
        "The result was cut from the graph (detach, .data or no_grad): gradients must reach stream and weights.",
    ),
    edit(
        f"return {WRITTEN}",
        f"layer.b_O.data.zero_()\n    return {WRITTEN}",
        "The layer's b_O was set to zero in place: the layer is not yours to change, and others still use it.",
    ),
)
