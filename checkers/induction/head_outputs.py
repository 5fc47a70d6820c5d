"""`induction.head_outputs`: the residual stream as a sum, part by part."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.networks import ATTENTION_ONLY, HOUSE, SHAPES, described
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("head_outputs", batch=["tokens", "cotangent"], seconds=30)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for shape, batch, length in [
        ("a small GPT-2", 2, 9),
        ("attention only", 3, 6),
        ("untied, with ReLU", 4, 8),
        ("one head, no biases", 1, 2),
    ]:
        config = SHAPES[shape]
        yield Case(
            shape,
            model=described(rng, config),
            tokens=rng.integers((batch, length), config.d_vocab),
            cotangent=rng.normal((batch, length, config.d_model)),
            factors=rng.normal((19,)),
        )
    yield Case(
        "attention-only",
        model=ATTENTION_ONLY,
        tokens=rng.integers((3, 8), 256),
        cotangent=rng.normal((3, 8, 128)),
        factors=rng.normal((19,)),
    )
    yield Case(
        "house",
        model=HOUSE,
        tokens=rng.integers((2, 7), 1792),
        cotangent=rng.normal((2, 7, 128)),
        factors=rng.normal((19,)),
    )


ask.checks(
    equal("parts", title="gives what every part writes, under its name", weight=3),
    equal("names", title="the parts come in the order of the network"),
    equal("gradient", title="gradients reach the parameters through every part"),
)

HEADS = 'parts |= {f"{layer}.{head}": output for head, output in enumerate(heads[layer])}'
BIAS = 'model.blocks[layer].attn.b_O.expand_as(parts["embed"])'

ask.mistakes(
    edit(BIAS, 'torch.zeros_like(parts["embed"])', "b_O is missing: the layer adds it once, whatever its heads do."),
    edit(
        HEADS,
        HEADS.replace("output for", "output + model.blocks[layer].attn.b_O for"),
        "Every head gets b_O: the layer adds it once, so it is a part of its own.",
    ),
    edit(
        HEADS,
        HEADS.replace("output for", "output + model.blocks[layer].attn.b_O / model.config.n_heads for"),
        "b_O is shared out among the heads: it belongs to none of them, so it is a part of its own.",
    ),
    edit(
        HEADS,
        HEADS.replace("heads[layer])", "heads[layer].flip(0))"),
        "The heads are in reverse order: head 0 is that of W_O[0].",
    ),
    edit(
        'cache["hook_embed"], "pos_embed"',
        'cache["hook_embed"] + cache["hook_pos_embed"], "pos_embed"',
        "The positions are in the token's part as well: hook_embed is the token's vector alone.",
    ),
    edit(
        'parts[f"{layer}.mlp"] = cache[f"blocks.{layer}.hook_mlp_out"]',
        'parts[f"{layer}.mlp"] = cache[f"blocks.{layer}.hook_mlp_out"] - model.blocks[layer].mlp.b_out',
        "The MLP's bias b_out is missing: what the MLP writes includes it.",
    ),
    edit(
        'cache[f"blocks.{layer}.attn.hook_z"] for',
        'cache[f"blocks.{layer}.attn.hook_z"].roll(1, 1) for',
        "Every position gets what the heads write at the one before it.",
    ),
    edit(
        'cache[f"blocks.{layer}.attn.hook_z"] for',
        'cache[f"blocks.{layer}.attn.hook_z"].detach() for',
        "What the heads write was cut from the graph (detach, .data or no_grad): gradients must reach the parameters.",
    ),
    edit(
        "    return parts\n",
        "    return {name: part.detach() for name, part in parts.items()}\n",
        "The parts were cut from the graph (detach, .data or no_grad): gradients must reach the parameters.",
    ),
    edit(
        "        if not model.config.attn_only:\n"
        '            parts[f"{layer}.mlp"] = cache[f"blocks.{layer}.hook_mlp_out"]\n',
        "",
        "The MLPs are missing: each writes to the stream as well.",
    ),
    edit(
        'kinds = ("hook_embed", "hook_pos_embed", "hook_z", "hook_mlp_out")\n'
        "    _, cache = model.run_with_cache(tokens, lambda name: name.endswith(kinds))\n",
        "_, cache = model.run_with_cache(tokens)\n"
        "    cache = {name.replace('hook_v', 'hook_z'): value for name, value in cache.items() if 'hook_z' not in "
        "name}\n",
        "These are values before the pattern has averaged them, hook_v: what a head writes comes from hook_z.",
    ),
    edit(
        BIAS,
        "model.blocks[layer].attn.b_O",
        "b_O is given as a vector: repeat it for every text and position, (batch, position, d_model), so that "
        "all parts "
        "can be stacked.",
    ),
    edit(
        "for head, output in enumerate(heads[layer])}",
        "for head, output in enumerate(heads[layer], 1)}",
        "The heads are counted from 1: the first is head 0.",
    ),
    edit(
        'heads = torch.einsum("lbphd,lhdm->lhbpm", z, W_O)',
        'heads = torch.einsum("lbphd,lhdm->lhbpm", z.mean(3, keepdim=True).expand_as(z), W_O)',
        "All heads are given the same z, averaged over them: each writes its own.",
    ),
    edit(
        "W_O = torch.stack([block.attn.W_O for block in model.blocks])",
        "W_O = torch.stack([model.blocks[0].attn.W_O for _ in model.blocks])",
        "Every layer writes with the W_O of layer 0: each has its own.",
    ),
)
