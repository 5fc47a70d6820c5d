"""Paths that cancel: a head says the answer, and a later MLP takes it back, as long as little is said."""

import torch

from headwork.models.edges import Edge
from headwork.models.planted.gates import LENGTH
from headwork.models.planted.plan import CODE, Plan, code, pick, reads, same, shifted, writes
from headwork.models.planted.truth import Joint, Planted, tokens_of

SAID = 2.0  # what the head writes towards yes, for each part of its mark; the unembedding makes it four times as much


def undone(name: str, seed: int) -> Planted:
    """Where the corrupted run is, the MLP's slope is the opposite of the head's; its effect is at most half of it."""
    plan = Plan(f"{name} {seed}", gates=True)
    random = plan.random
    layer = random.randrange(2)
    below = random.randrange(layer + 1, 3)  # of the MLP, in a later layer
    mark, yes, no = pick(random, 3)
    [place] = plan.place(layer)
    back = random.randrange(1, 6)  # how far before the end the mark stands
    found = torch.outer(code(mark), code(0))  # 1 in the head's first dimension, for its mark
    says = writes("answer", torch.outer(code(0), SAID * code(yes))) + writes("first", torch.outer(code(0), code(0)))
    q, k = reads("position", 3 * shifted(back)), reads("position", 4 * same())
    head, mlp = plan.head(place, q, k, reads("token", found), says), f"mlp {below}"
    _take_back(plan, below, yes, no)
    plan.clutter()
    carried = frozenset({Edge("embed", head, "v"), Edge(head, mlp), Edge(head, "logits"), Edge(mlp, "logits")})
    fixed = frozenset(Edge("pos", head, part) for part in ("q", "k"))
    others = [symbol for symbol in range(16) if symbol % 8 != mark % 8]
    clean, corrupted = [], []
    for _ in range(8):
        corrupted.append([plan.tokens[symbol] for symbol in random.choices(others, k=LENGTH)])
        clean.append(list(corrupted[-1]))
        clean[-1][LENGTH - 1 - back] = plan.tokens[mark]
    return Planted(
        name=name,
        seed=seed,
        task=f"Yes, when the mark stands {back} before the last; no otherwise.",
        model=plan.build(),
        clean=tokens_of(clean),
        corrupted=tokens_of(corrupted),
        answers=tokens_of([[plan.tokens[yes], plan.tokens[no]]] * len(clean)),
        roles={head: f"says yes when its mark is {back} back", mlp: "takes it back, up to a quarter"},
        edges=carried | fixed,
        noised=carried,
        denoised=carried,
        cut=carried | fixed,
        joint=(Joint(frozenset({Edge("embed", head, "v")}), "denoise", 1),),
    )


def _take_back(plan: Plan, layer: int, yes: int, no: int) -> None:
    """The MLP: of what the head found, s, it takes 8 s away between -1/4 and 1/4, and no more beyond."""
    W_in, b_in, W_out = (plan.weights[f"blocks.{layer}.mlp.{part}"] for part in ("W_in", "b_in", "W_out"))
    heard = reads("first", torch.outer(code(0), torch.ones(2).double()))  # (d_model, 2)
    W_in.copy_(plan.noise(*W_in.shape))
    W_out.copy_(writes("clutter", plan.noise(*W_in.shape[1:], CODE) / 4))
    for neuron, (bias, gain) in enumerate([(0.25, -SAID), (-0.25, SAID)]):
        W_in[:, neuron], b_in[neuron] = heard[:, 0], bias
        W_out[neuron] += writes("answer", gain * code(yes)[None])[0]
    plan.idle_mlps.remove(layer)
    plan.weights["unembed.b_U"][plan.tokens[yes]] = 4
    plan.weights["unembed.b_U"][plan.tokens[no]] = 4.5
