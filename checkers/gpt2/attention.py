"""`gpt2.attention`: queries, keys and values of every head, mixed by the pattern and written back."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

ask = Exercise("Attention", forbid=["_native_multi_head_attention"], batch=["residual", "cotangent"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (batch, length, heads, width) in [
        ("three heads", (2, 5, 3, 4)),
        ("one head", (3, 4, 1, 6)),
        ("a batch of one", (1, 7, 2, 5)),
        ("one position", (4, 1, 2, 3)),
    ]:
        model = heads * width
        into, out = (heads, model, width), (heads, width, model)
        yield Case(
            name,
            d_model=model,
            n_heads=heads,
            weights=weights(rng, 0.5, W_Q=into, W_K=into, W_V=into, W_O=out, b_O=model)
            | weights(rng, 0.5, b_Q=(heads, width), b_K=(heads, width), b_V=(heads, width)),
            residual=rng.normal((batch, length, model)),
            cotangent=rng.normal((batch, length, model)),
        )


ask.checks(
    equal(
        "output with our pattern",
        "output as it stands",
        title="every head reads values where its pattern says, and writes them through W_O",
        weight=2,
    ),
    equal(
        "gradient with our pattern",
        "gradient as it stands",
        title="gradients reach the residual stream and all eight parameters",
    ),
)

ask.mistakes(
    edit("residual, self.W_Q) + self.b_Q", "residual, self.W_Q)", "The query bias b_Q is never added."),
    edit("residual, self.W_K) + self.b_K", "residual, self.W_K)", "The key bias b_K is never added."),
    edit("residual, self.W_V) + self.b_V", "residual, self.W_V)", "The value bias b_V is never added."),
    edit("z, self.W_O) + self.b_O", "z, self.W_O)", "The output bias b_O is never added."),
    edit(
        "z, self.W_O) + self.b_O",
        "z, self.W_O) + self.b_O * self.W_O.shape[0]",
        "b_O is added once a head: it belongs to the layer, so add it once, after the heads are summed.",
    ),
    edit(
        "residual, self.W_V) + self.b_V",
        "residual, self.W_K) + self.b_K",
        "The values are made with the keys' weights: use W_V and b_V.",
    ),
    edit(
        "attention_pattern(q, k)",
        "attention_pattern(k, q)",
        "Queries and keys change places in the call: it is attention_pattern(q, k).",
    ),
    edit(
        '"bhqk,bkhd->bqhd"',
        '"bhkq,bkhd->bqhd"',
        "The pattern is used transposed: each query's row, (query, key), weighs the values at the keys.",
    ),
    edit(
        'z = torch.einsum("bhqk,bkhd->bqhd", pattern, v)',
        'z = torch.einsum("bhqk,bkhd->bhqd", pattern, v).reshape(v.shape)',
        "A plain reshape mixes positions with heads: move the head axis behind the position, then reshape.",
    ),
    edit(
        'torch.einsum("bqhd,hdm->bqm", z, self.W_O)',
        'torch.einsum("bqhd,hdm->bqm", z, self.W_O) / self.W_O.shape[0]',
        "The heads are averaged: what a layer adds is the sum of what its heads write.",
    ),
    edit(
        'torch.einsum("bqhd,hdm->bqm", z, self.W_O)',
        'torch.einsum("bqd,dm->bqm", z.sum(2), self.W_O.sum(0))',
        "The heads are summed before W_O: each head has an output matrix of its own, so apply W_O first, then sum.",
    ),
    edit(
        "self.W_O) + self.b_O",
        "self.W_O) + self.b_O + residual",
        "The residual is added inside the layer: return only what attention adds to it; the block does the sum.",
    ),
    edit(
        "attention_pattern(q, k)",
        "attention_pattern(q, k).detach()",
        "The pattern was cut from the graph: gradients must reach W_Q and W_K through it.",
    ),
)
