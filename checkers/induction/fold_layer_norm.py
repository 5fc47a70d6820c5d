"""`induction.fold_layer_norm`: every LayerNorm's scale and shift folded into the weights that read it."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.networks import ATTENTION_ONLY, HOUSE, SHAPES, described
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.models.config import Config

ask = Exercise("fold_layer_norm", batch=["tokens"], seconds=30)

WITHOUT = Config(d_vocab=8, n_ctx=10, d_model=6, n_heads=2, d_mlp=9, n_layers=1, layer_norm=False)
ATTENTION = Config(d_vocab=11, n_ctx=7, d_model=8, n_heads=2, d_mlp=3, n_layers=2, attn_only=True)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    models = {**SHAPES, "no LayerNorm, with biases": WITHOUT, "LayerNorm, no MLPs": ATTENTION}
    for name, config in models.items():
        yield Case(name, model=described(rng, config), tokens=rng.integers((3, 5), config.d_vocab))
    yield Case("the model attention-only", model=ATTENTION_ONLY, tokens=rng.integers((2, 9), 256))
    yield Case("the house model", model=HOUSE, tokens=rng.integers((2, 20), 1792))


ask.checks(
    equal("state", title="every weight and bias is what folding makes of it", weight=2),
    equal("logits", title="the folded model gives the same logits"),
    equal("the model is as it was", title="the model that was given is left as it was"),
)

QKV = 'for name in "QKV"]'
MLP = '        readers += [(f"blocks.{layer}.ln2", f"blocks.{layer}.mlp", "in")]\n'
BIAS = '            state[f"{part}.b_{name}"] += shift @ weight  # (..., d_read)\n'
SCALED = '            state[f"{part}.W_{name}"] = scale[:, None] * weight  # (..., d_model, d_read)\n'
UNFOLDED = (
    '    for name, value in state.items():\n        if ".ln" in f".{name}":\n'
    '            value.fill_(name.endswith(".w"))\n'
)

ask.mistakes(
    edit(
        '    readers = [("ln_final", "unembed", "U")]\n',
        '    return state\n    readers = [("ln_final", "unembed", "U")]\n',
        "Nothing is folded: the norms keep their scale and shift, and the weights are those of the model.",
    ),
    edit(
        'if ".ln" in f".{name}"',
        'if ".ln" in name',
        "ln_final keeps its scale and shift, though the unembedding has them: set its w to 1 and its b to 0 as well.",
    ),
    edit(
        "    return state\n",
        "    writers = [key for key in state if key.endswith(WRITERS) and model.config.layer_norm]\n"
        "    return {**state, **{key: state[key] - state[key].mean(-1, keepdim=True) for key in writers}}\n\n\n"
        'WRITERS = ("W_E", "W_pos", "W_O", "b_O", "W_out", "b_out")\n',
        "What is written into the stream is centred too. The logits stay as they are, but this is no folding: norms "
        "go on centring, so leave W_E, W_pos, W_O, W_out and their biases alone.",
    ),
    edit(
        SCALED,
        SCALED.replace("weight  #", "(weight - 0)  #")
        + '            state[f"{part}.W_{name}"] -= state[f"{part}.W_{name}"].mean(-2, keepdim=True)\n',
        "The mean is taken off the weights as well. The logits stay as they are, but the norms go on centring: fold "
        "scale and shift alone.",
    ),
    edit(
        UNFOLDED,
        "",
        "The norms keep their scale and shift, so both are applied twice: set every norm's w to 1 and its b to 0.",
    ),
    edit(BIAS + SCALED, SCALED, "The shifts are dropped: what reads a norm gets `norm.b @ W` added to its bias."),
    edit(
        BIAS + SCALED,
        SCALED + BIAS.replace("shift @ weight", 'shift @ state[f"{part}.W_{name}"]'),
        "The shift goes through weights that the scale is in already: b is added after the scale, so it meets W alone.",
    ),
    edit(SCALED, "", "The scales are dropped: row i of what reads a norm is multiplied by the norm's w[i]."),
    edit(
        "= scale[:, None] * weight",
        "= weight * scale.mean()",
        "One number scales the whole matrix: each row, one for each place in the stream, has a scale of its own.",
    ),
    edit(
        "= scale[:, None] * weight",
        "= weight / scale[:, None]",
        "The weights are divided by the scale: the norm multiplies by w, so multiply.",
    ),
    edit(
        "+= shift @ weight",
        "-= shift @ weight",
        "The shift is subtracted: the norm adds b, so the bias gains b @ W.",
    ),
    edit(
        QKV,
        'for name in "QK"]',
        "The values are left out: queries, keys and values all read the stream through ln1.",
    ),
    edit(MLP, "", "The MLPs are left out: W_in reads the stream through ln2."),
    edit(
        MLP,
        MLP.replace(".ln2", ".ln1"),
        "The MLP's weights get ln1's scale and shift: W_in reads through ln2.",
    ),
    edit(
        '    readers = [("ln_final", "unembed", "U")]\n',
        "    readers = []\n",
        "The unembedding is left out: it reads the stream through ln_final.",
    ),
    edit(
        "for layer in range(model.config.n_layers):",
        "for layer in range(model.config.n_layers - 1):",
        "The last block is left out: fold in all of them.",
    ),
    edit(
        "value.detach().clone() for name",
        "value.detach() for name",
        "The weights of the model itself are changed: detach shares its memory, so clone them.",
    ),
    edit(
        "    return state\n",
        '    state["embed.W_E"] = state["unembed.W_U"].T.clone() if model.config.tied else state["embed.W_E"]\n'
        "    return state\n",
        "The embedding of a tied model is scaled with the unembedding: from here on they are two, and W_E stays.",
    ),
    edit(
        '    state["unembed.b_U"] = model.unembed.b_U.detach().clone()\n',
        '    state["unembed.b_U"] = torch.zeros_like(model.unembed.b_U)\n',
        "The unembedding's own bias is lost: ln_final's shift is added to it.",
    ),
)
