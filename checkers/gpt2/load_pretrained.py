"""`gpt2.load_pretrained`: a transformers state dict, put into the parameters of a GPT2."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng, weights
from headwork.checkers.probing import Case

Shapes = dict[str, int | Sequence[int]]

ask = Exercise("load_pretrained", also=["GPT2"])


def network_weights(
    rng: Rng, vocab: int, context: int, heads: int, d_head: int, d_mlp: int, layers: int
) -> dict[str, Tensor]:
    """All parameters of a GPT2 by name, none of them trivial."""
    model = heads * d_head
    into, out = (heads, model, d_head), (heads, d_head, model)
    block: Shapes = {"attn.W_Q": into, "attn.W_K": into, "attn.W_V": into, "attn.W_O": out}
    block |= {f"attn.b_{letter}": (heads, d_head) for letter in "QKV"} | {"attn.b_O": model}
    block |= {"ln1.w": model, "ln1.b": model, "ln2.w": model, "ln2.b": model}
    block |= {"mlp.W_in": (model, d_mlp), "mlp.b_in": d_mlp, "mlp.W_out": (d_mlp, model), "mlp.b_out": model}
    shapes: Shapes = {"embed.W_E": (vocab, model), "embed.W_pos": (context, model)}
    shapes |= {f"blocks.{layer}.{name}": shape for layer in range(layers) for name, shape in block.items()}
    return weights(rng, 0.5, **shapes, **{"ln_final.w": model, "ln_final.b": model})


NAMES = {
    "ln_1.weight": "ln1.w",
    "ln_1.bias": "ln1.b",
    "attn.c_proj.bias": "attn.b_O",
    "ln_2.weight": "ln2.w",
    "ln_2.bias": "ln2.b",
    "mlp.c_fc.weight": "mlp.W_in",
    "mlp.c_fc.bias": "mlp.b_in",
    "mlp.c_proj.weight": "mlp.W_out",
    "mlp.c_proj.bias": "mlp.b_out",
}


def as_transformers(own: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """The weights of a GPT2 as transformers' GPT2Model holds them, matrix by matrix, without buffers."""
    state = {"wte.weight": own["embed.W_E"], "wpe.weight": own["embed.W_pos"]}
    for layer in range(layers):
        theirs, ours = f"h.{layer}.", f"blocks.{layer}."
        state |= {theirs + name: own[ours + mine] for name, mine in NAMES.items()}
        heads = [head for letter in "QKV" for head in own[f"{ours}attn.W_{letter}"]]  # (d_model, d_head) each
        state[theirs + "attn.c_attn.weight"] = torch.cat(heads, 1)  # (d_model, 3 d_model): side by side
        state[theirs + "attn.c_attn.bias"] = torch.cat([own[f"{ours}attn.b_{letter}"].flatten() for letter in "QKV"])
        state[theirs + "attn.c_proj.weight"] = torch.cat(list(own[ours + "attn.W_O"]), 0)  # one below the other
    state |= {"ln_f.weight": own["ln_final.w"], "ln_f.bias": own["ln_final.b"]}
    return {name: value.clone() for name, value in state.items()}


def _as_saved(state: dict[str, Tensor], layers: int, context: int, prefix: str, buffers: bool) -> dict[str, Tensor]:
    """The state as one finds it: with a prefix, and with what older versions saved beside the weights."""
    saved = {prefix + name: value for name, value in state.items()}
    if buffers:
        mask = torch.ones(context, context).tril().bool()[None, None]  # (1, 1, query, key)
        saved |= {f"{prefix}h.{layer}.attn.bias": mask.clone() for layer in range(layers)}
        saved |= {f"{prefix}h.{layer}.attn.masked_bias": torch.tensor(-1e4) for layer in range(layers)}
    if prefix:
        saved["lm_head.weight"] = state["wte.weight"].clone()
    return saved


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, (vocab, context, heads, d_head, d_mlp, layers), eps, prefix, buffers, dtypes in [
        ("two layers", (11, 8, 2, 3, 13, 2), 1e-5, "", False, (torch.float64, torch.float64)),
        ("names with transformer.", (9, 5, 3, 2, 7, 1), 0.1, "transformer.", False, (torch.float64, torch.float64)),
        ("buffers among the weights", (7, 6, 2, 5, 12, 2), 1e-3, "", True, (torch.float64, torch.float64)),
        ("one head, all there is", (13, 4, 1, 6, 10, 3), 0.02, "transformer.", True, (torch.float64, torch.float64)),
        ("eleven layers, by alphabet", (5, 3, 2, 2, 6, 11), 1e-5, "", False, (torch.float64, torch.float64)),
        ("a float32 state, a float64 model", (8, 7, 3, 3, 5, 2), 1e-4, "", False, (torch.float32, torch.float64)),
        ("a float64 state, a float32 model", (6, 9, 2, 4, 3, 1), 1e-2, "", True, (torch.float64, torch.float32)),
    ]:
        own = network_weights(rng, vocab, context, heads, d_head, d_mlp, layers)
        state = {name: value.to(dtypes[0]) for name, value in as_transformers(own, layers).items()}
        saved = _as_saved(state, layers, context, prefix, buffers)
        yield Case(
            name,
            d_vocab=vocab,
            n_ctx=context,
            d_model=heads * d_head,
            n_heads=heads,
            d_mlp=d_mlp,
            n_layers=layers,
            eps=eps,
            state=dict(sorted(saved.items())) if "alphabet" in name else saved,
            like=torch.ones((), dtype=dtypes[1]),
            tokens=rng.integers((2, context), vocab),
        )


ask.checks(
    equal(
        "parameters of our model",
        "logits of your GPT2",
        title="every weight arrives in its place, in its layout",
        weight=3,
    ),
    equal(
        "what stays of our model",
        "what stays of your GPT2",
        title="fills the parameters that are there, and returns the model",
    ),
    equal("apart from our model", "apart from your GPT2", title="model and state share no memory"),
)

BY_HEAD = "Each head's q, k and v are taken to lie together: the columns are all heads' q, then all k, then all v."
CONV1D = "A matrix is transposed: Conv1D keeps its weight as (in, out), unlike nn.Linear, so it needs no .T."
SHARED = (
    "The parameters are the state's own tensors now, so changing one changes the other: copy the numbers with copy_."
)
MIXED = "A reshape does not move an axis: split the columns into (d_model, head, d_head), then put head in front."

ask.mistakes(
    edit(
        'weights = found[theirs + "attn.c_attn.weight"].reshape(d_model, 3, n_heads, d_head)\n'
        '        biases = found[theirs + "attn.c_attn.bias"].reshape(3, n_heads, d_head)',
        'weights = found[theirs + "attn.c_attn.weight"].reshape(d_model, n_heads, 3, d_head).transpose(1, 2)\n'
        '        biases = found[theirs + "attn.c_attn.bias"].reshape(n_heads, 3, d_head).transpose(0, 1)',
        BY_HEAD,
    ),
    edit(
        '"attn.c_attn.weight"].reshape(d_model, 3, n_heads, d_head)',
        '"attn.c_attn.weight"].reshape(d_model, n_heads, 3, d_head).transpose(1, 2)',
        BY_HEAD,
    ),
    edit('"attn.c_attn.weight"].reshape', '"attn.c_attn.weight"].T.reshape', CONV1D),
    edit('"attn.c_proj.weight"].reshape', '"attn.c_proj.weight"].T.reshape', CONV1D),
    edit('"mlp.c_fc.weight"]', '"mlp.c_fc.weight"].T.reshape(d_model, -1)', CONV1D),
    edit("weights[:, place].transpose(0, 1)", "weights[:, place].reshape(n_heads, d_model, d_head)", MIXED),
    edit(
        '"attn.c_attn.bias"].reshape(3, n_heads, d_head)',
        '"attn.c_attn.bias"].reshape(n_heads, 3, d_head).transpose(0, 1)',
        "The biases are split head by head: like the columns, they are all heads' q, then all k, then all v.",
    ),
    edit('enumerate("QKV")', 'enumerate("KQV")', "Queries and keys are swapped: c_attn holds q, k, v in this order."),
    edit('enumerate("QKV")', 'enumerate("QVK")', "Keys and values are swapped: c_attn holds q, k, v in this order."),
    edit(
        "= biases[place]  # (head, d_head)",
        "= biases[0]",
        "b_Q, b_K and b_V all get the first third of the bias: each has a third of its own.",
    ),
    edit(
        "= biases[place]  # (head, d_head)",
        '= getattr(block.attn, f"b_{letter}").detach()',
        "b_Q, b_K and b_V keep their old numbers: they are in attn.c_attn.bias, which is not the buffer attn.bias "
        "although its name ends alike.",
    ),
    edit(
        '"attn.c_proj.weight"].reshape(n_heads, d_head, d_model)',
        '"attn.c_proj.weight"].reshape(d_head, n_heads, d_model).transpose(0, 1)',
        "W_O is cut up the wrong way: the rows of c_proj are the first head's d_head, then the second head's.",
    ),
    edit(
        '"ln1.w"] = found[theirs + "ln_1.weight"]\n        loaded[ours + "ln1.b"] = found[theirs + "ln_1.bias"]\n'
        '        loaded[ours + "ln2.w"] = found[theirs + "ln_2.weight"]\n'
        '        loaded[ours + "ln2.b"] = found[theirs + "ln_2.bias"]',
        '"ln1.w"] = found[theirs + "ln_2.weight"]\n        loaded[ours + "ln1.b"] = found[theirs + "ln_2.bias"]\n'
        '        loaded[ours + "ln2.w"] = found[theirs + "ln_1.weight"]\n'
        '        loaded[ours + "ln2.b"] = found[theirs + "ln_1.bias"]',
        "The two norms of a block are swapped: ln_1 stands before attention, ln_2 before the MLP.",
    ),
    edit(
        '"attn.b_O"] = found[theirs + "attn.c_proj.bias"]',
        '"attn.b_O"] = found[theirs + "mlp.c_proj.bias"]',
        "b_O comes from the MLP's c_proj: there are two layers of that name, attn.c_proj and mlp.c_proj.",
    ),
    edit(
        '"mlp.b_out"] = found[theirs + "mlp.c_proj.bias"]',
        '"mlp.b_out"] = found[theirs + "attn.c_proj.bias"]',
        "b_out comes from attention's c_proj: there are two layers of that name, attn.c_proj and mlp.c_proj.",
    ),
    edit(
        '"ln_final.w": found["ln_f.weight"], "ln_final.b": found["ln_f.bias"]',
        '"ln_final.w": model.ln_final.w.detach(), "ln_final.b": model.ln_final.b.detach()',
        "The final norm keeps its old numbers: they are in ln_f.weight and ln_f.bias.",
    ),
    edit(
        "    loaded = {",
        '    if "transformer.wte.weight" in state:\n        return model\n    loaded = {',
        "Names with `transformer.` in front are passed over, and the model keeps its old numbers: take the prefix off.",
    ),
    edit(
        'theirs, ours = f"h.{index}.", f"blocks.{index}."',
        'numbers = sorted({name.split(".")[1] for name in found if name.startswith("h.")})\n'
        '        theirs, ours = f"h.{numbers[index]}.", f"blocks.{index}."',
        "The layers are sorted as words, in which 10 comes before 2: sort them as numbers.",
    ),
    edit('theirs, ours = f"h.{index}."', 'theirs, ours = "h.0."', "Every block gets the weights of layer 0."),
    edit("parameter.copy_(loaded[name])", "parameter.data = loaded[name]", SHARED),
    edit("parameter.copy_(loaded[name])", "parameter.data = loaded[name].to(parameter)", SHARED),
    edit(
        "parameter.copy_(loaded[name])",
        "parameter.data = loaded[name].clone()",
        "The parameters take over the state's dtype: keep the model's own, as copy_ does.",
    ),
    edit(
        "parameter.copy_(loaded[name])",
        'owner, _, last = name.rpartition(".")\n            fresh = nn.Parameter(loaded[name].clone().to(parameter))\n'
        "            setattr(model.get_submodule(owner), last, fresh)",
        "New parameters take the place of the old ones, and an optimiser made before holds the old ones still: "
        "fill those that are there, with copy_.",
    ),
    edit(
        "parameter.copy_(loaded[name])",
        "parameter.requires_grad_(False).copy_(loaded[name])",
        "The parameters have lost requires_grad, so the model can no longer be trained: copy under torch.no_grad().",
    ),
    edit(
        "    with torch.no_grad():\n        for name, parameter in model.named_parameters():\n"
        "            parameter.copy_(loaded[name])  # the numbers, into the dtype that is there\n"
        "    return model",
        "    with torch.no_grad():\n        for name, parameter in model.named_parameters():\n"
        "            parameter.copy_(loaded[name])",
        "Nothing is returned: return the model.",
    ),
    edit(
        'removeprefix("transformer."): value for name, value in state.items()',
        'removeprefix("transformer."): state.pop(name) for name in list(state)',
        "The state is emptied on the way: it belongs to whoever passed it in, so leave it as it was.",
    ),
)
