"""K-composition: the keys of one head are made from what another wrote. So works induction: A B ... A, then B.

Its relatives: `saturated`, whose softmax has no gradient left; `decoys`, in which the circuit has doubles that look
better than itself and are read by nobody; `layer-norm`, with LayerNorm.
"""

from headwork.models.edges import Edge
from headwork.models.planted.plan import LAYERS, SHARP, SYMBOLS, Plan, pick, reads, same, shifted, writes
from headwork.models.planted.truth import Planted, tokens_of

SOFT = 4.0  # in the units of SHARP: a key gets 4 times the weight of an unmatched one, a fourth to a half of all
TASK = "The last token stood in the prompt before: after it comes what came after it then."


def k_composition(
    name: str, seed: int, *, sharp: float = SHARP, soft: bool = False, doubles: int = 0, layer_norm: bool = False
) -> Planted:
    """sharp: of the induction head. soft: the previous-token head spreads its attention. doubles: so many decoys."""
    plan = Plan(f"{name} {seed}", layer_norm=layer_norm)
    early, late = plan.layers(2)
    if layer_norm:  # what an induction head writes has no length of its own, so nothing but the logits may read it
        early, late = plan.random.randrange(LAYERS - 1), LAYERS - 1
    previous, induction = plan.place(early, late)
    quiet = 0.25 if layer_norm else 1  # what a normalised stream is read as is four times as long
    before = plan.copier(previous, 1, "first", sharp=SOFT if soft else SHARP, gain=quiet)
    match = reads("token", sharp / 4 * same()), reads("first", 4 * same()), reads("token", same())
    again = plan.head(induction, *match, writes("answer", quiet * same()))
    found = _doubles(plan, doubles, early, late, quiet)
    plan.clutter()
    clean, corrupted, answers = [], [], []
    for _ in range(8):
        row, moved, symbols = _prompts(plan)
        clean.append(row)
        corrupted.append(moved)
        answers.append(symbols)
    carried = {Edge("embed", before, "v"), Edge(before, again, "k"), Edge(again, "logits")}
    looked_up = {Edge("pos", before, "q"), Edge("pos", before, "k"), Edge("embed", again, "q")}
    circuit = frozenset(carried | looked_up | {Edge("embed", again, "v")})
    return Planted(
        name=name,
        seed=seed,
        task=TASK,
        model=plan.build(),
        clean=tokens_of(clean),
        corrupted=tokens_of(corrupted),
        answers=tokens_of(answers),
        roles={before: "writes which token came before", again: "finds the last token there, copies the one it is at"},
        edges=circuit,
        noised=frozenset(carried),
        denoised=frozenset(carried),
        cut=None if layer_norm else circuit,
        decoys=found,
    )


def saturated(name: str, seed: int) -> Planted:
    """The induction head's softmax is so sharp that its gradient is lost: what changes its attention is not seen."""
    made = k_composition(name, seed, sharp=24 * SHARP)
    through = frozenset(edge for edge in made.edges if edge.receiver != "logits" and edge.sender != "logits")
    values = frozenset(edge for edge in through if edge.input == "v" and made.roles[edge.receiver].startswith("finds"))
    return Planted(**vars(made) | {"no_gradient": through - values})


def decoys(name: str, seed: int) -> Planted:
    """Beside the circuit stand heads that attend as its own do, sharper, and write what nobody reads."""
    return k_composition(name, seed, sharp=3 * SHARP, soft=True, doubles=3)


def normed(name: str, seed: int) -> Planted:
    """With LayerNorm, and a double of the previous-token head. A cut changes the scale of all else: none is told."""
    return k_composition(name, seed, sharp=3 * SHARP, doubles=1, layer_norm=True)


def _doubles(plan: Plan, count: int, early: int, late: int, gain: float) -> tuple[str, ...]:
    """Two previous-token heads, and an induction head that reads the first of them; they end in clutter."""
    look = reads("position", SHARP / 4 * shifted(1)), reads("position", 4 * same()), reads("token", same())
    match = reads("token", SHARP / 4 * same()), reads("second", 4 * same()), reads("token", same())
    return tuple(
        plan.head(plan.place(layer)[0], *part, writes(to, gain * same()))
        for layer, part, to in [(early, look, "second"), (early, look, "clutter"), (late, match, "clutter")][:count]
    )


def _prompts(plan: Plan) -> tuple[list[int], list[int], list[int]]:
    """Eight symbols, then one of them again; corrupted by exchanging its first mention with another symbol."""
    random = plan.random
    symbols = pick(random, 8)
    here, there = random.choice([(a, b) for a in range(7) for b in range(7) if abs(a - b) > 1])
    moved = list(symbols)
    moved[here], moved[there] = symbols[there], symbols[here]
    start = random.choices(plan.fillers, k=random.randrange(1, 4))
    # The prompts of a batch are equally long: fillers that are not in front stand before the last token.
    middle = random.choices(plan.fillers, k=3 - len(start))

    def row(order: list[int]) -> list[int]:
        return [*start, *(plan.tokens[each] for each in order), *middle, plan.tokens[symbols[here]]]

    assert len(row(moved)) <= SYMBOLS
    return row(symbols), row(moved), [plan.tokens[symbols[here + 1]], plan.tokens[symbols[there + 1]]]
