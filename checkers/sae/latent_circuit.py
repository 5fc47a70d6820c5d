"""`sae.latent_circuit`: what earlier latents bring to a latent of `hook_z`, by which heads and from where."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case
from headwork.checkers.sae.latent_logits import described
from headwork.models.config import Config

ask = Exercise("latent_circuit", seconds=20)

PARTS = ("latents", "others", "biases")

USUAL = Config(d_vocab=13, n_ctx=9, d_model=12, n_heads=3, d_mlp=5, n_layers=3)
LARGE_EPS = Config(d_vocab=11, n_ctx=8, d_model=10, n_heads=5, d_mlp=7, n_layers=2, tied=False, eps=0.5)
PLAIN = Config(
    d_vocab=9, n_ctx=6, d_model=8, n_heads=4, d_mlp=5, n_layers=2,
    attn_only=True, layer_norm=False, tied=False,
)  # fmt: skip


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, config, length, layer, query, latents in [
        ("the middle of a text, the second of three layers", USUAL, 7, 1, 3, 6),
        ("the end of a text, the first layer", LARGE_EPS, 6, 0, 5, 4),
        ("a query counted from the end", USUAL, 5, 2, -2, 3),
        ("no norm", PLAIN, 5, 1, 3, 7),
        ("the first position, which reads itself alone", USUAL, 4, 2, 0, 5),
    ]:
        width, heads = config.d_model, config.n_heads
        yield Case(
            name,
            model=described(rng, config),
            tokens=rng.integers((length,), config.d_vocab),
            layer=layer,
            weights=weights(rng, W_enc=(width, latents), b_enc=latents, W_dec=(latents, width), b_dec=width),
            column=rng.normal((width,)),
            query=query,
            parts=list(PARTS),
            cotangent=rng.normal((length * heads * (latents + 1) + 1,)),  # for all three, one after the other
        )


ask.checks(
    equal("latents", title="gives what each latent brings, from each position by each head", weight=3),
    equal("others", title="gives what the rest of the stream brings, from each position by each head"),
    equal("biases", title="gives what the biases bring"),
    equal("sum", title="all parts add up to what is read"),
    equal("gradient", title="gradients of all parts reach the column"),
)

WEIGHT = 'cache[f"{at}attn.hook_pattern"][0, :, query].T'
READS = 'torch.einsum("hmd,hd->hm", block.attn.W_V, pieces)'
SCALE = 'weight = weight / cache[f"{at}ln1.hook_scale"][0]'
CENTRED = "reads = reads - reads.mean(-1, keepdim=True)"
LATENTS = 'torch.einsum("pl,lh,ph->phl", strengths, written, weight)'
OTHERS = "(x - strengths @ sae.W_dec) @ reads.T * weight"
LN_BIAS = "biases = biases + (reads @ block.ln1.b).sum()"

ask.mistakes(
    edit(
        WEIGHT,
        WEIGHT.replace(":, query]", ":, :, query]"),
        "The pattern is read by its key: what arrives at a query is its row, (head, key).",
    ),
    edit(
        WEIGHT,
        'cache[f"{at}attn.hook_attn_scores"][0, :, query].T.clamp(min=-1e4)',
        "These are attention scores: what is moved is weighed by the pattern, after the softmax.",
    ),
    edit(WEIGHT, WEIGHT.replace(", query]", ", -1]"), "The last position is taken for the query: it is an argument."),
    edit(
        WEIGHT,
        f"{WEIGHT}.mean(1, keepdim=True).expand(-1, model.config.n_heads)",
        "The patterns are averaged over heads: each head has its own.",
    ),
    edit(
        "hook_resid_pre",
        "hook_resid_post",
        "This is the stream after the block: heads read the one before it.",
    ),
    edit(SCALE, "pass", "The norm's scale is missing: each position's stream is divided by its own."),
    edit(
        SCALE,
        'weight = weight / cache[f"{at}ln1.hook_scale"][0, query]',
        "The scale is the query's: values are made at the key positions, each with its own scale.",
    ),
    edit(
        SCALE,
        'weight = weight / cache[f"{at}ln1.hook_scale"][0].mean()',
        "The scale is averaged over positions: each has its own.",
    ),
    edit("reads = reads * block.ln1.w", "pass", "The norm's weight `w` is missing: heads read the stream after it."),
    edit(CENTRED, "pass", "The norm takes a vector's mean out: centre what is written, or what is read."),
    edit(
        CENTRED,
        "reads = reads - reads.mean(0)",
        "The mean is taken out over heads: take it out over d_model.",
    ),
    edit(LN_BIAS, "pass", "The norm's bias is missing: it passes through `W_V` at every position."),
    edit(
        "(block.attn.b_V * pieces).sum()",
        "0 * pieces.sum()",
        "The heads' bias `b_V` is missing: it is part of what a head gathers.",
    ),
    edit(
        "(block.attn.b_V * pieces).sum()",
        "(block.attn.b_V * pieces).sum() * len(tokens)",
        "`b_V` is counted once a position: a pattern's row adds up to 1, so that it arrives once.",
    ),
    edit(
        LATENTS,
        'torch.einsum("pl,lh,ph->phl", (strengths > 0).to(x), written, weight)',
        "This is what a unit of each latent would bring: multiply by its strength at the position.",
    ),
    edit(LATENTS, f"{LATENTS}.relu()", "Parts that bring less than nothing are dropped: they belong to the sum."),
    edit(LATENTS, f"{LATENTS}.abs()", "The signs are lost: a latent may speak against another."),
    edit(
        OTHERS,
        "(x - sae(x)[0]) @ reads.T * weight",
        "Only the error is counted: `b_dec` is written by no latent, and belongs to the rest.",
    ),
    edit(OTHERS, "x @ reads.T * weight", "This is what the whole stream brings: take out what latents write."),
    edit(LATENTS, f"{LATENTS}.detach()", "The result was cut from the graph (detach, .data or no_grad)."),
)

SINGLE = "One text is run, which is the first and the last of its batch."

for line in (
    "x = cache[f'{at}hook_resid_pre'][0]",
    "weight = cache[f'{at}attn.hook_pattern'][0, :, query].T",
    "weight = weight / cache[f'{at}ln1.hook_scale'][0]",
):
    ask.survives(line, line.replace("[0", "[-1"), SINGLE)
ask.survives(
    "pieces = column.unflatten(0, block.attn.W_V.shape[::2])",
    "pieces = column.unflatten(-1, block.attn.W_V.shape[::2])",
    "The column has one axis, which is the first and the last.",
)
ask.survives("strengths = sae(x)[1]", "strengths = sae(x)[1].detach()", "Gradients are asked for the column alone.")
