"""Gates: two heads each look for a mark, and an MLP says yes when both have found theirs (AND), or either (OR)."""

import torch

from headwork.models.edges import Edge
from headwork.models.planted.plan import CODE, Plan, code, pick, reads, same, shifted, writes
from headwork.models.planted.truth import Joint, Planted, tokens_of

LENGTH = 10


def and_gate(name: str, seed: int) -> Planted:
    """Noising one input breaks it; denoising one restores nothing."""
    return _gate(name, seed, both=True)


def or_gate(name: str, seed: int) -> Planted:
    """Noising one input changes nothing; denoising one restores it."""
    return _gate(name, seed, both=False)


def _gate(name: str, seed: int, *, both: bool) -> Planted:
    plan = Plan(f"{name} {seed}", gates=True)
    random = plan.random
    layer = random.randrange(1, 3)  # of the MLP, which reads the heads of its own layer too
    *marks, yes, no = pick(random, 4)
    heads = plan.place(*(random.randrange(layer + 1) for _ in marks))
    places = random.sample(range(1, 6), 2)  # how far before the end the marks stand
    named = []
    for at, back, mark, number in zip(heads, places, marks, (0, 1), strict=True):
        found = torch.outer(code(mark), code(0))  # 1 in the head's first dimension, for its mark
        q, k, v = reads("position", 3 * shifted(back)), reads("position", 4 * same()), reads("token", found)
        named.append(plan.head(at, q, k, v, writes("first", torch.outer(code(0), code(number)))))
    _decide(plan, layer, yes, no, both)
    plan.clutter()
    mlp = f"mlp {layer}"
    inputs = frozenset(Edge(head, mlp) for head in named)
    sources = frozenset(Edge("embed", head, "v") for head in named)
    fixed = frozenset(Edge("pos", head, part) for head in named for part in ("q", "k"))
    out = frozenset({Edge(mlp, "logits")})
    rows = [_prompts(plan, marks, places) for _ in range(8)]
    return Planted(
        name=name,
        seed=seed,
        task=f"Yes, when {'both marks stand' if both else 'a mark stands'} {places[0]} {'and' if both else 'or'} "
        f"{places[1]} before the last; no otherwise.",
        model=plan.build(),
        clean=tokens_of([clean for clean, _ in rows]),
        corrupted=tokens_of([corrupted for _, corrupted in rows]),
        answers=tokens_of([[plan.tokens[yes], plan.tokens[no]]] * len(rows)),
        roles={head: f"looks for a mark {back} back" for head, back in zip(named, places, strict=True)}
        | {mlp: f"says yes for {'both' if both else 'either'}"},
        edges=inputs | sources | fixed | out,
        noised=inputs | sources | out if both else out,
        denoised=out if both else inputs | sources | out,
        cut=inputs | sources | fixed | out if both else out,
        joint=(Joint(inputs, "noise", 0), Joint(sources, "noise", 0), Joint(inputs, "denoise", 1)),
    )


def _decide(plan: Plan, layer: int, yes: int, no: int, both: bool) -> None:
    """The MLP: of the marks' sum s, 1.8 when both are there, it makes relu(s - 5/4) or min(s, 1/2). `No` is a bias."""
    W_in, b_in, W_out = (plan.weights[f"blocks.{layer}.mlp.{part}"] for part in ("W_in", "b_in", "W_out"))
    either = reads("first", torch.outer(code(0) + code(1), torch.ones(2).double()))  # (d_model, 2)
    neurons = [(-1.25, 4.0)] if both else [(0.0, 4.0), (-0.5, -4.0)]  # the bias of each, and what it adds to yes
    W_in.copy_(plan.noise(*W_in.shape))
    W_out.copy_(writes("clutter", plan.noise(*W_in.shape[1:], CODE) / 4))
    for neuron, (bias, gain) in enumerate(neurons):
        W_in[:, neuron], b_in[neuron] = either[:, 0], bias
        W_out[neuron] += writes("answer", gain * code(yes)[None])[0]
    plan.idle_mlps.remove(layer)
    plan.weights["unembed.b_U"][plan.tokens[no]] = 4


def _prompts(plan: Plan, marks: list[int], places: list[int]) -> tuple[list[int], list[int]]:
    """Symbols that are no marks, and in the clean prompt both marks in their places."""
    others = [symbol for symbol in range(16) if symbol % 8 not in {mark % 8 for mark in marks}]
    corrupted = [plan.tokens[symbol] for symbol in plan.random.choices(others, k=LENGTH)]
    clean = list(corrupted)
    for back, mark in zip(places, marks, strict=True):
        clean[LENGTH - 1 - back] = plan.tokens[mark]
    return clean, corrupted
