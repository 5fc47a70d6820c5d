"""`induction.ablate_heads`: the logits without some heads, everywhere or at some positions."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit, replace
from headwork.checkers.induction.networks import ATTENTION_ONLY, HOUSE, SHAPES, described
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.models.config import Config

ask = Exercise("ablate_heads", seconds=30)

SMALL_SIZES = Config(  # of attention-only
    d_vocab=256, n_ctx=64, d_model=128, n_heads=4, d_mlp=0, n_layers=2,
    attn_only=True, layer_norm=False, biases=False, tied=False,
)  # fmt: skip
HOUSE_SIZES = Config(d_vocab=1792, n_ctx=96, d_model=128, n_heads=4, d_mlp=512, n_layers=5)


def replacements(rng: Rng, config: Config, batch: int, length: int) -> dict[str, Tensor]:
    """Random values for hook_z of every layer, by its name."""
    shape = batch, length, config.n_heads, config.d_head
    return {f"blocks.{layer}.attn.hook_z": rng.normal(shape, 0.2) for layer in range(config.n_layers)}


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    rows: list[tuple[str, int, int, list[tuple[int, int]], list[int]]] = [
        ("a small GPT-2", 2, 9, [(1, 2), (0, 1), (1, 0)], [1, 4, 8]),
        ("attention only", 3, 6, [(0, 3), (1, 1)], [0]),
        ("untied, with ReLU", 4, 8, [(2, 0), (0, 0), (1, 1)], [3, 2]),
        ("one head, no biases", 3, 5, [(2, 0)], [4]),
        ("untied, with ReLU", 1, 4, [(1, 0), (2, 1)], [0, 2]),
    ]
    for shape, batch, length, heads, positions in rows:
        name = shape if batch > 1 else f"{shape}, one text"
        yield _case(rng, name, SHAPES[shape], described(rng, SHAPES[shape]), batch, length, heads, positions)
    yield _case(rng, "house", HOUSE_SIZES, HOUSE, 2, 7, [(4, 1), (4, 2), (0, 0)], [5, 6])
    yield _case(rng, "attention-only", SMALL_SIZES, ATTENTION_ONLY, 3, 8, [(1, 3), (0, 0)], [7, 2, 3])


def _case(
    rng: Rng,
    name: str,
    config: Config,
    model: Any,
    batch: int,
    length: int,
    heads: list[tuple[int, int]],
    positions: list[int],
) -> Case:
    return Case(
        name,
        model=model,
        tokens=rng.integers((batch, length), config.d_vocab),
        heads=heads,
        positions=positions,
        values=replacements(rng, config, batch, length),
        cotangent=rng.normal((batch, length, config.d_vocab)),
    )


ask.checks(
    equal("everywhere", title="gives the logits with these heads replaced", weight=2),
    equal("somewhere", title="replaces them at the given positions only"),
    equal("one head", title="a single head can be replaced"),
    equal("no head", title="with no head to replace, the logits are the model's own"),
    equal("nowhere", title="with no position to replace at, the logits are the model's own"),
    equal("gradient", title="gradients reach the replacements"),
    equal("afterwards", title="the model is as it was"),
)

CHOSEN = "chosen = where[:, None, None] & ablated[layer, :, None]"
PLACED = "torch.where(chosen, values[point.name], z)"

LATE = """
def ablate_heads(model, tokens, heads, values, positions=None):
    hooks = []
    for layer, head in heads:

        def hook(z, point):
            z = z.clone()
            where = slice(None) if positions is None else positions
            z[:, where, head] = values[point.name][:, where, head]
            return z

        hooks.append((f"blocks.{layer}.attn.hook_z", hook))
    return model.run_with_hooks(tokens, hooks)
"""

ask.mistakes(
    replace(
        LATE,
        "Every hook replaces the last head of the list, since a function looks its variables up when it is called: "
        "bind head=head.",
    ),
    edit(
        "where[slice(None) if positions is None else positions] = True",
        "where[:] = True",
        "`positions` is ignored: replace at these positions only.",
    ),
    edit(
        "positions is None else",
        "not positions else",
        "An empty list of positions is taken for none at all: it asks for no position, None for all.",
    ),
    edit(
        CHOSEN,
        "chosen = where[:, None, None] & ablated[layer].any().expand(z.shape[2], 1)",
        "All heads of the layer are replaced: replace the given ones.",
    ),
    edit(
        "    for layer, head in heads:\n        ablated[layer, head] = True\n",
        "    for layer, head in heads:\n        ablated[layer] = False\n        ablated[layer, head] = True\n",
        "Of several heads in one layer only the last is replaced: a second hook on a layer must not undo the first.",
    ),
    edit(
        "    for layer, head in heads:\n        ablated",
        "    for layer, head in heads[:1]:\n        ablated",
        "Only the first head of the list is replaced: replace all of them.",
    ),
    edit(
        PLACED,
        "torch.where(chosen, torch.zeros_like(z), z)",
        "The heads are replaced by zeros, whatever `values` holds: put those in.",
    ),
    edit(
        PLACED,
        "torch.where(chosen, values[point.name] + z, z)",
        "The replacement is added to what the head computes: it takes its place.",
    ),
    edit(
        PLACED,
        "torch.where(chosen, values[point.name][:1], z)",
        "Every text gets the replacement of the first one: each has its own.",
    ),
    edit(
        PLACED,
        "torch.where(chosen, values[point.name].mean(0), z)",
        "The replacements are averaged over the batch: put them in as they are.",
    ),
    edit(
        PLACED,
        "torch.where(~chosen, values[point.name], z)",
        "All but the given heads and positions are replaced: it is the other way round.",
    ),
    edit(
        "where[slice(None) if positions is None else positions] = True",
        "where[slice(None) if positions is None else positions] = True\n    where = where if positions is None "
        "else ~where",
        "All positions but the given ones are replaced: it is the other way round.",
    ),
    edit(
        PLACED,
        "torch.where(chosen, values[point.name].detach(), z)",
        "The replacements were cut from the graph (detach or .data): gradients must reach them.",
    ),
    edit(
        "    return model.run_with_hooks(tokens, [(names, replace)])",
        "    import torch.autograd\n\n    with torch.no_grad():\n        return model.run_with_hooks(tokens, "
        "[(names, replace)])",
        "Gradients are switched off (no_grad or inference_mode): they must reach the replacements.",
    ),
    edit(
        "    return model.run_with_hooks(tokens, [(names, replace)])",
        "    return model.run_with_hooks(tokens, [(names, replace)])[:, -1]",
        "Only the last position's logits come back: return those of every position.",
    ),
    edit(
        "    return model.run_with_hooks(tokens, [(names, replace)])",
        "    for name in names:\n        model.hook_points[name].register_forward_hook("
        "lambda point, _, z: replace(z, point))\n    return model(tokens)",
        "The hooks stay on the model, and ablate every later run: use run_with_hooks, or remove them.",
    ),
)
