"""`induction.cut_edges`: the logits without the connection from one head to an input of a later one."""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit, replace
from headwork.checkers.induction.ablate_heads import HOUSE_SIZES, SMALL_SIZES, replacements
from headwork.checkers.induction.networks import ATTENTION_ONLY, HOUSE, SHAPES, described
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.models.config import Config

ask = Exercise("cut_edges", seconds=30)

Edge = tuple[tuple[int, int], tuple[int, int], str]


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    rows: list[tuple[str, int, int, list[Edge]]] = [
        (
            "a small GPT-2",
            2,
            9,
            [((0, 2), (1, 0), "k"), ((0, 0), (1, 0), "k"), ((0, 2), (1, 1), "v"), ((0, 1), (1, 2), "q")],
        ),
        ("attention only", 3, 6, [((0, 3), (1, 1), "q"), ((0, 1), (1, 1), "v")]),
        (
            "three layers, cut one after the other",
            4,
            8,
            [((0, 1), (1, 0), "v"), ((1, 0), (2, 1), "k"), ((0, 1), (2, 1), "k")],
        ),
        ("one head, no biases", 3, 5, [((0, 0), (2, 0), "v"), ((1, 0), (2, 0), "k")]),
        ("one text", 1, 4, [((0, 1), (1, 2), "k"), ((0, 0), (1, 1), "q"), ((0, 0), (1, 2), "v")]),
    ]
    for name, batch, length, edges in rows:
        shape = name if name in SHAPES else "a small GPT-2" if batch == 1 else "untied, with ReLU"
        yield _case(rng, name, SHAPES[shape], described(rng, SHAPES[shape]), batch, length, edges)
    edges = [((0, 0), (1, 2), "k"), ((0, 0), (1, 0), "k"), ((0, 3), (1, 2), "v")]
    yield _case(rng, "attention-only", SMALL_SIZES, ATTENTION_ONLY, 3, 8, edges)
    yield _case(
        rng, "house", HOUSE_SIZES, HOUSE, 2, 7, [((0, 0), (4, 1), "k"), ((0, 0), (4, 2), "k"), ((3, 2), (4, 1), "v")]
    )


def _case(rng: Rng, name: str, config: Config, model: Any, batch: int, length: int, edges: list[Edge]) -> Case:
    last = config.n_layers - 1
    return Case(
        name,
        model=model,
        tokens=rng.integers((batch, length), config.d_vocab),
        edges=edges,
        impossible=[((1, 0), (1, 0), "q"), ((last, 0), (0, 0), "k")],
        values=replacements(rng, config, batch, length),
        cotangent=rng.normal((batch, length, config.d_vocab)),
    )


ask.checks(
    equal("all", title="gives the logits with all of these edges cut at once", weight=2),
    equal("each", title="gives the logits with a single edge cut", weight=2),
    equal("none", title="with no edge to cut, the logits are the model's own"),
    equal("gradient", title="gradients reach the replacements"),
    equal("afterwards", title="the model is as it was"),
    equal("refused", title="an edge to a head in no later layer is a ValueError"),
)

MISSING = "values[point.name] - z"
CHANGES = '[torch.einsum("bpsm,sr->bprm", missing[layer], mask) for layer, mask in masks[point.name].items()]'
SENT = "    def send(z: Tensor, point: Any) -> None:\n"
ALL_RECEIVERS = "The edge is cut to all heads of the receiver's layer: only the given head loses it."
ALL_SENDERS = "All heads of the sender's layer are cut off: only the given one is."
RUN = "    return model.run_with_hooks(tokens, [(senders, send), (list(masks), receive)])"

BY_EDGE = """
def cut_edges(model, tokens, edges, values):
    written, hooks = {}, []
    for sender, receiver, kind in edges:
        if receiver[0] <= sender[0]:
            raise ValueError("the receiver is in no later layer")
        name = f"blocks.{sender[0]}.attn.hook_z"

        def keep(z, point):
            written[point.name] = z

        def change(x, point):
            x = x.clone()
            lost = (values[name] - written[name])[:, :, sender[1]] @ model.blocks[sender[0]].attn.W_O[sender[1]]
            x[:, :, receiver[1]] += lost
            return x

        hooks += [(name, keep), (f"blocks.{receiver[0]}.hook_{kind}_input", change)]
    return model.run_with_hooks(tokens, hooks)
"""
BEHIND_NORM = (
    BY_EDGE.replace("(x, point):", "(x, point, sender=sender, receiver=receiver, kind=kind, name=name):")
    .replace("+= lost", "+= lost @ getattr(model.blocks[receiver[0]].attn, 'W_' + kind.upper())[receiver[1]]")
    .replace("hook_{kind}_input", "attn.hook_{kind}")
)
WITHOUT_SENDER = """
def cut_edges(model, tokens, edges, values):
    hooks = []
    for sender, receiver, kind in edges:
        if receiver[0] <= sender[0]:
            raise ValueError("the receiver is in no later layer")
        name = f"blocks.{receiver[0]}.attn.hook_{kind}"

        def silence(z, point, head=sender[1]):
            z = z.clone()
            z[:, :, head] = values[point.name][:, :, head]
            return z

        with model.hooks([(f"blocks.{sender[0]}.attn.hook_z", silence)]):
            _, other = model.run_with_cache(tokens, [name])

        def change(x, point, head=receiver[1], other=other[name]):
            x = x.clone()
            x[:, :, head] = other[:, :, head]
            return x

        hooks.append((name, change))
    return model.run_with_hooks(tokens, hooks)
"""

ask.mistakes(
    replace(
        WITHOUT_SENDER,
        "What the receiver computes is taken from a run without the sender, so what the sender tells it through others "
        "is gone too: take out what the sender wrote itself, and leave the rest.",
    ),
    replace(
        BY_EDGE,
        "Every hook cuts the last edge of the list, since a function looks its variables up when it is called: bind "
        "sender, receiver and name.",
    ),
    replace(
        BY_EDGE.replace("(x, point):", "(x, point, sender=sender, receiver=receiver, name=name):").replace(
            'hooks += [(name, keep), (f"blocks.{receiver[0]}.hook_{kind}_input", change)]',
            'place = f"blocks.{receiver[0]}.hook_{kind}_input"\n'
            "        hooks = [*(hook for hook in hooks if hook[0] != place), (name, keep), (place, change)]",
        ),
        "Of several edges into the inputs of one layer only the last is cut, since a later hook takes the place of an "
        "earlier one: cut all of them.",
    ),
    replace(
        BY_EDGE.replace("(x, point):", "(x, point, sender=sender, receiver=receiver, name=name):").replace(
            "W_O[sender[1]]", "W_O[sender[1]] - model.blocks[sender[0]].attn.b_O"
        ),
        "`b_O` is taken out with the sender: it belongs to the layer and to no head, so leave it in.",
    ),
    replace(
        BEHIND_NORM,
        "The change is added to the query, key or value itself, as if there were no norm: change what the receiver "
        "reads, and let its norm compute.",
    ),
    edit(
        SENT,
        "    def replaced(z: Tensor, point: Any) -> Tensor:\n        z, layer = z.clone(), "
        "int(point.name.split('.')[1])\n"
        "        for head in [head for (of, head), _, _ in edges if of == layer]:\n"
        "            z[:, :, head] = values[point.name][:, :, head]\n        return z\n\n"
        "    if all(later > layer for (layer, _), (later, _), _ in edges):\n"
        "        return model.run_with_hooks(tokens, [({f'blocks.{layer}.attn.hook_z' for (layer, _), _, _ in edges}, "
        "replaced)])\n\n" + SENT,
        "The sender is ablated for everybody, which is its total effect: change only what this one input of "
        "the receiver "
        "reads.",
    ),
    edit(
        "of_point.setdefault(layer, torch.zeros(count, count).to(model.blocks[0].attn.W_O))[head, to] = 1",
        "of_point.setdefault(layer, torch.zeros(count, count).to(model.blocks[0].attn.W_O))[head] = 1",
        ALL_RECEIVERS,
    ),
    edit(
        "of_point.setdefault(layer, torch.zeros(count, count).to(model.blocks[0].attn.W_O))[head, to] = 1",
        "of_point.setdefault(layer, torch.zeros(count, count).to(model.blocks[0].attn.W_O))[head] += 1",
        ALL_RECEIVERS,
    ),
    edit(
        "of_point.setdefault(layer, torch.zeros(count, count).to(model.blocks[0].attn.W_O))[head, to] = 1",
        "of_point.setdefault(layer, torch.zeros(count, count).to(model.blocks[0].attn.W_O))[:, to] = 1",
        ALL_SENDERS,
    ),
    edit(
        "of_point.setdefault(layer, torch.zeros(count, count).to(model.blocks[0].attn.W_O))[head, to] = 1",
        "of_point.setdefault(layer, torch.zeros(count, count).to(model.blocks[0].attn.W_O))[:, to] += 1",
        ALL_SENDERS,
    ),
    edit(
        "of_point.setdefault(layer, torch.zeros(count, count).to(model.blocks[0].attn.W_O))[head, to] = 1",
        "of_point.setdefault(layer, torch.zeros(count, count).to(model.blocks[0].attn.W_O))[to, head] = 1",
        "Sender and receiver have changed places.",
    ),
    edit(
        'f"blocks.{later}.hook_{kind}_input"',
        'f"blocks.{later}.hook_k_input"',
        "Every edge is cut at the keys: cut it at the input that it names.",
    ),
    edit(
        "    for (layer, head), (later, to), kind in edges:\n        if later",
        "    for (layer, head), (later, to), kind in edges[:1]:\n        if later",
        "Only the first edge of the list is cut: cut all of them.",
    ),
    edit(
        'f"blocks.{later}.hook_{kind}_input"',
        "f\"blocks.{later}.hook_{dict(q='k', k='q', v='v')[kind]}_input\"",
        "The edges to queries and to keys have changed places.",
    ),
    edit(
        'f"blocks.{later}.hook_{kind}_input"',
        "f\"blocks.{later}.hook_{dict(q='q', k='v', v='k')[kind]}_input\"",
        "The edges to keys and to values have changed places.",
    ),
    edit(
        '        of_point = masks.setdefault(f"blocks.{later}.hook_{kind}_input", {})\n'
        "        of_point.setdefault(layer, torch.zeros(count, count).to(model.blocks[0].attn.W_O))[head, to] = 1\n",
        "        for kind in 'qkv':\n            of_point = "
        'masks.setdefault(f"blocks.{later}.hook_{kind}_input", {})\n'
        "            of_point.setdefault(layer, torch.zeros(count, count).to(model.blocks[0].attn.W_O))[head, "
        "to] = 1\n",
        "All three inputs of the receiver are changed: only the one that the edge names is.",
    ),
    edit(
        MISSING,
        "z - values[point.name]",
        "The sign is turned round: what the sender wrote goes, and what `values` writes comes.",
    ),
    edit(
        MISSING,
        "-z",
        "What the sender wrote is taken away, and nothing comes in its place: put in what `values` writes.",
    ),
    edit(
        MISSING,
        "values[point.name]",
        "What `values` writes is added, and what the sender wrote stays there too: take that away.",
    ),
    edit(
        SENT,
        "    _, clean = model.run_with_cache(tokens, lambda name: name.endswith('hook_z'))\n\n"
        + SENT
        + "        z = clean[point.name]\n",
        "What the sender wrote is taken from a run in which nothing is cut: when it has lost an edge itself, it writes "
        "something else. Take it from this run.",
    ),
    edit(
        CHANGES,
        CHANGES.replace(".items()]", ".items()][-1:]"),
        "Of several senders to one input only those of one layer are cut off: cut all of them.",
    ),
    edit(
        '        if later <= layer:\n            raise ValueError(f"head {later}.{to} reads nothing of '
        '{layer}.{head}: it is in no later layer")\n',
        "        if later <= layer:\n            continue\n",
        "An edge to a head that is in no later layer is passed over in silence: raise ValueError.",
    ),
    edit(
        "values[point.name] - z, model",
        "(values[point.name] - z).detach(), model",
        "What is sent was cut from the graph (detach, .data or no_grad): gradients must reach the replacements.",
    ),
    edit(RUN, RUN + "[:, -1]", "Only the last position's logits come back: return those of every position."),
)
