"""`sae.latent_circuit`: what earlier latents bring to a latent of `hook_z`, by which heads and from where."""

from collections.abc import Callable, Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Edit, Exercise, edit, replace
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
        ("the end of a text, the first layer", LARGE_EPS, 6, 0, -1, 4),
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
COLUMN = "column.unflatten(0, block.attn.W_V.shape[::2])"
B_V = "(block.attn.b_V * pieces).sum()"
LN_BIAS = "biases = biases + (reads @ block.ln1.b).sum()"
LN_WEIGHT = "reads = reads * block.ln1.w"
CENTRED = "reads = reads - reads.mean(-1, keepdim=True)"
SCALE = 'weight = weight / cache[f"{at}ln1.hook_scale"][0]'
STRENGTHS = "strengths = sae(x)[1]"
WRITTEN = "sae.W_dec @ reads.T  # (latent, head)"
LATENTS = 'torch.einsum("pl,lh,ph->phl", strengths, written, weight)'
OTHERS = "(x - strengths @ sae.W_dec) @ reads.T * weight"
RETURNED = f'"latents": {LATENTS},\n        "others": {OTHERS},\n        "biases": biases,'

CUT = "The result was cut from the graph (detach, .data or no_grad): gradients must reach the column."
READ = "A column of `W_enc` says what a latent reads: what it writes is its row of `W_dec`."
TOO_FEW = "Positions are kept up to `query + 1`, which is too few for a query that is counted from the end."
EACH_KEY = "values are made at the key positions, each with its own scale."
OWN = (
    "Each piece goes through a norm of its own, which makes faint pieces as long as strong ones: divide every piece "
    "by the scale of the whole stream at its position, `ln1.hook_scale`."
)
OWN_ROWS = (
    "Each row of `W_dec` goes through a norm of its own, but a row is no stream: divide it by the scale of the whole "
    "stream at the position, `ln1.hook_scale`."
)
OWN_REST = "The rest goes through a norm of its own: divide it by the scale of the whole stream, `ln1.hook_scale`."
RUN_AGAIN = "The norm is run again without each piece, and its scale changes with it: keep that of the whole stream."
TAKEN_OUT = (
    "The network is run again without each piece, so that the pattern and the norm's scale change: keep both as they "
    "are, and add up what was moved."
)
MEAN_OF_ALL = "The mean of the whole stream is taken out of every piece: take out each piece's own, which add up to it."
BIAS_OFTEN = "The norm's bias is added to every piece: it arrives once, and belongs to `biases` alone."

# Vectors before the norm, (position, vector, d_model): what latents write, their rows alone, the rest, the whole.
PIECES, ROWS = "(strengths[..., None] * sae.W_dec)", "sae.W_dec.expand(len(x), -1, -1)"
REST, STREAM = "(x - strengths @ sae.W_dec)[:, None]", "x[:, None]"


def own(vectors: str) -> str:
    """Each vector through the norm by itself, without the bias; as it is in a model without norms."""
    return f"(block.ln1({vectors}) - block.ln1(0 * {vectors}))"


def own_with_bias(vectors: str) -> str:
    return f"block.ln1({vectors})"


def own_by(scale: str) -> Callable[[str], str]:
    """The same with another scale of the vectors, which are called V."""

    def made(vectors: str) -> str:
        centred = f"({vectors} - {vectors}.mean(-1, keepdim=True)) / {scale.replace('V', vectors)}"
        return f"({centred} * block.ln1.w if model.config.layer_norm else {vectors})"

    return made


own_without_eps = own_by("V.std(-1, correction=0, keepdim=True)")
own_by_std = own_by("V.std(-1, keepdim=True)")
own_by_sample = own_by("(V.var(-1, keepdim=True) + block.ln1.eps).sqrt()")


def missing(vectors: str) -> str:
    """What the norm's output loses when a vector is taken out of its input."""
    return f"(block.ln1({STREAM}) - block.ln1({STREAM} - {vectors}))"


def frozen_with_bias(vectors: str) -> str:
    made = f'({vectors} - {vectors}.mean(-1, keepdim=True)) / cache[f"{{at}}ln1.hook_scale"][0][:, None]'
    return f"({made} * block.ln1.w + block.ln1.b if model.config.layer_norm else {vectors})"


def less_the_mean_of_all(vectors: str) -> str:
    made = f'({vectors} - {STREAM}.mean(-1, keepdim=True)) / cache[f"{{at}}ln1.hook_scale"][0][:, None]'
    return f"({made} * block.ln1.w if model.config.layer_norm else {vectors})"


def parts(latents: str, rest: str = "", biases: str = "biases") -> str:
    """What is returned of vectors as they are behind the norm; the rest as it should be where none is given."""
    brought = 'torch.einsum("plm,hmd,hd,ph->phl", VECTORS, block.attn.W_V, pieces, ' + WEIGHT + ")"
    others = f"{brought.replace('VECTORS', rest)}[..., 0]" if rest else OTHERS
    given = brought.replace("VECTORS", latents) if latents else LATENTS
    return f'"latents": {given},\n        "others": {others},\n        "biases": {biases},'


def normalised_apart() -> Iterator[Edit]:
    """Latents normalised in another way; and the rest as it should be, in the same way, or as what is left."""
    for latents, norm, biased, sentence in [
        (own(PIECES), own, False, OWN),
        (own_with_bias(PIECES), own_with_bias, True, OWN),
        (f"strengths[..., None] * {own(ROWS)}", own, False, OWN_ROWS),
        (f"strengths[..., None] * {own_with_bias(ROWS)}", own_with_bias, True, OWN_ROWS),
        (own_by_sample(PIECES), own_by_sample, False, OWN),
        (f"strengths[..., None] * {own_without_eps(ROWS)}", own_without_eps, False, OWN_ROWS),
        (f"strengths[..., None] * {own_by_std(ROWS)}", own_by_std, False, OWN_ROWS),
        (missing(PIECES), missing, False, RUN_AGAIN),
        (less_the_mean_of_all(PIECES), less_the_mean_of_all, False, MEAN_OF_ALL),
        (frozen_with_bias(PIECES), frozen_with_bias, True, BIAS_OFTEN),
    ]:
        whole, biases = (own_with_bias(STREAM), B_V) if biased else (own(STREAM), "biases")
        left = f"{whole} - ({latents}).sum(1, keepdim=True)"
        yield edit(RETURNED, parts(latents), sentence)
        yield edit(RETURNED, parts(latents, norm(REST)), sentence)
        yield edit(RETURNED, parts(latents, left, biases), sentence)
        if biased:
            yield edit(RETURNED, parts(latents, norm(REST), B_V), sentence)


RUNS = """
import torch


def latent_circuit(model, tokens, layer, sae, column, query):
    at = f"blocks.{layer}."
    _, cache = model.run_with_cache(tokens[None], f"{at}hook_resid_pre")
    x = cache[f"{at}hook_resid_pre"][0]

    def read(change):
        found = []
        hooks = [(f"{at}hook_resid_pre", lambda value, point: value - change)]
        hooks.append((f"{at}attn.hook_z", lambda z, point: found.append(z[0, query])))
        model.run_with_hooks(tokens[None], hooks)
        return (found[0] * column.view(found[0].shape)).sum(-1)

    def missing(place, piece):
        change = torch.zeros_like(x)
        change[place] = piece
        return whole - read(change)

    whole, strengths = read(0), sae(x)[1]
    latents, others = [], []
    for place, code in enumerate(strengths):
        latents.append(torch.stack([missing(place, f * d) for f, d in zip(code, sae.W_dec, strict=True)], -1))
        others.append(missing(place, x[place] - code @ sae.W_dec))
    latents, others = torch.stack(latents), torch.stack(others)
    return {"latents": latents, "others": others, "biases": BIASES}
"""

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
        WEIGHT,
        f"torch.ones_like({WEIGHT})",
        "The pattern is missing: what stands at a position arrives at the query weighed by it.",
    ),
    edit(WEIGHT, f"({WEIGHT} * (torch.arange(len(tokens)) < query + 1)[:, None])", TOO_FEW),
    edit(
        WEIGHT,
        f"({WEIGHT} * torch.isin(torch.arange(len(tokens)), torch.arange(len(tokens))[: query + 1])[:, None])",
        TOO_FEW,
    ),
    edit(
        COLUMN,
        "column.unflatten(0, block.attn.W_V.shape[::-2]).T",
        "The column is cut in the wrong order: heads lie side by side, `d_head` numbers each.",
    ),
    edit(
        "hook_resid_pre",
        "hook_resid_post",
        "This is the stream after the block: heads read the one before it.",
    ),
    edit(
        "if model.config.layer_norm:",
        "if False:",
        "The norm is missing: heads read the stream behind `ln1`, centred, divided by its scale, times `w`, plus `b`.",
    ),
    edit(LN_BIAS, "pass", "The norm's bias is missing: it passes through `W_V` at every position."),
    edit(
        LN_BIAS,
        "biases = biases + (reads * block.ln1.w @ block.ln1.b).sum()",
        "The norm's bias is multiplied by `w`: it comes in after `w`.",
    ),
    edit(B_V, "0 * pieces.sum()", "The heads' bias `b_V` is missing: it is part of what a head gathers."),
    edit(
        B_V,
        f"{B_V} * len(tokens)",
        "`b_V` is counted once a position: a pattern's row adds up to 1, so that it arrives once.",
    ),
    edit(
        '"biases": biases',
        '"biases": biases * len(tokens)',
        "The biases are counted once a position: a pattern's row adds up to 1, so that they arrive once.",
    ),
    edit(LN_WEIGHT, "pass", "The norm's weight `w` is missing: heads read the stream after it."),
    edit(CENTRED, "pass", "The norm takes a vector's mean out: centre what is written, or what is read."),
    edit(
        CENTRED,
        "reads = reads - reads.mean(0)",
        "The mean is taken out over heads: take it out over d_model.",
    ),
    edit(
        f"{LN_WEIGHT}\n        {CENTRED}",
        f"{CENTRED}\n        {LN_WEIGHT}",
        "The mean is taken out after `w` has come in: the norm centres first, and then multiplies by `w`.",
    ),
    edit(
        WRITTEN,
        WRITTEN.replace("W_dec @", "W_dec.sub(sae.W_dec.mean(0)) @"),
        "The directions are centred over latents: the norm centres over d_model.",
    ),
    edit(SCALE, "pass", "The norm's scale is missing: each position's stream is divided by its own."),
    *(
        edit(SCALE, f"weight = weight / {scale}", sentence)
        for scale, sentence in [
            ('cache[f"{at}ln1.hook_scale"][0, query]', f"The scale is the query's: {EACH_KEY}"),
            ('cache[f"{at}ln1.hook_scale"][0, -1]', f"The scale is the last position's: {EACH_KEY}"),
            ('cache[f"{at}ln1.hook_scale"][0].mean()', "The scale is averaged over positions: each has its own."),
            (
                "(sae(x)[0].var(-1, correction=0, keepdim=True) + block.ln1.eps).sqrt()",
                "The scale is that of the reconstruction: the norm divides by that of the stream itself.",
            ),
            (
                "((x - sae(x)[1] @ sae.W_dec).var(-1, correction=0, keepdim=True) + block.ln1.eps).sqrt()",
                "The scale is that of what latents leave over: the norm divides by that of the whole stream.",
            ),
            (
                "(x.var(-1, keepdim=True) + block.ln1.eps).sqrt()",
                "This variance divides by d_model - 1; GPT-2 divides by d_model.",
            ),
            ("x.std(-1, keepdim=True)", "`std` divides by d_model - 1 and knows no eps: take `ln1.hook_scale`."),
            ("x.std(-1, correction=0, keepdim=True)", "The norm's eps is missing under the root."),
            (
                "(x.square().mean(-1, keepdim=True) + block.ln1.eps).sqrt()",
                "The scale is that of the centred stream: the mean is taken out first.",
            ),
        ]
    ),
    edit(SCALE, SCALE.replace(" / ", " * "), "This multiplies by the norm's scale: divide by it."),
    edit(
        STRENGTHS,
        "strengths = sae(x)[1][query].expand(len(x), -1)",
        "The strengths are those at the query: what arrives was written at each key position.",
    ),
    edit(
        STRENGTHS,
        "strengths = sae(block.ln1(x))[1]",
        "The autoencoder is given the normalised stream: it reads `hook_resid_pre` as it is.",
    ),
    edit(
        STRENGTHS,
        "strengths = (x - sae.b_dec) @ sae.W_enc + sae.b_enc",
        "These are pre-activations: latents are what `sae(x)` returns behind the reconstruction.",
    ),
    edit(WRITTEN, WRITTEN.replace("sae.W_dec", "sae.W_enc.T"), READ),
    edit(
        RETURNED,
        RETURNED.replace("written", "sae.W_enc.T @ reads.T").replace("sae.W_dec)", "sae.W_enc.T)"),
        READ,
    ),
    edit(
        LATENTS,
        'torch.einsum("pl,lh,ph->phl", (strengths > 0).to(x), written, weight)',
        "This is what a unit of each latent would bring: multiply by its strength at the position.",
    ),
    edit(LATENTS, f"{LATENTS}.index_fill(0, torch.arange(len(tokens))[query + 1 :], 0)", TOO_FEW),
    edit(LATENTS, f"{LATENTS}.relu()", "Parts that bring less than nothing are dropped: they belong to the sum."),
    edit(LATENTS, f"{LATENTS}.abs()", "The signs are lost: a latent may speak against another."),
    edit(
        OTHERS,
        "(x - sae(x)[0]) @ reads.T * weight",
        "Only the error is counted: `b_dec` is written by no latent, and belongs to the rest.",
    ),
    edit(OTHERS, "x @ reads.T * weight", "This is what the whole stream brings: take out what latents write."),
    edit(RETURNED, parts("", own(REST)), OWN_REST),
    edit(RETURNED, parts("", own_with_bias(REST)), OWN_REST),
    *normalised_apart(),
    edit(LATENTS, f"{LATENTS}.detach()", CUT),
    edit(COLUMN, COLUMN.replace("column.", "column.detach()."), CUT),
    replace(RUNS.replace("BIASES", "read(x).sum()"), TAKEN_OUT),
    replace(RUNS.replace("BIASES", "whole.sum() - latents.sum() - others.sum()"), TAKEN_OUT),
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
