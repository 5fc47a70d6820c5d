"""S-inhibition by position: a name mover is told where the repeated name was first, and not which name it is.

Names A B ... A: the one that was said once comes next. A head moves the repeated name (S) to the end. Another finds
there where S stands and writes these positions, no names: the mover's queries avoid them, so that it copies the other
name (IO). Exchange the two names everywhere, and the second head says what it said; exchange where they are first
said, and it says the opposite. With the first head it is the other way round.
"""

import torch
from torch import Tensor

from headwork.models.edges import Edge
from headwork.models.planted.backup import NAME, NOT_SUBJECT, code_of_names, flag
from headwork.models.planted.plan import CODE, SHARP, SYMBOLS, Plan, pick, reads, same, writes
from headwork.models.planted.truth import Planted, tokens_of

LENGTH = CODE  # so the codes of all positions are orthogonal; names stand at none but the first and the last
HALF = 2.0  # S stands at two positions, and each gets half of the attention


def position(name: str, seed: int) -> Planted:
    plan = Plan(f"{name} {seed}", biases=True)
    bringer, inhibitor, mover = plan.place(0, 1, 2)
    back = plan.random.randrange(1, 3)
    brings = plan.copier(bringer, back, "first")
    for symbol in range(SYMBOLS):  # in the place of position 0, where no name stands: this is a name
        plan.weights["embed.W_E"][plan.tokens[symbol]] += writes("second", code_of_names())[0]
    find = reads("first", SHARP / 4 * same()), reads("token", 4 * same())
    tells = plan.head(inhibitor, *find, reads("position", of_names()), writes("second", same()))
    avoid = reads("second", -HALF * NOT_SUBJECT / 4 * of_names())
    k = reads("position", 4 * of_names()) + reads("second", torch.outer(code_of_names()[0], 4 * flag()))
    says = plan.head(mover, avoid, k, reads("token", same()), writes("answer", same()))
    plan.weights[f"blocks.{mover[0]}.attn.b_Q"][mover[1]] = NAME / 4 * flag()
    plan.clutter()
    found = {Edge("embed", brings, "v"), Edge(brings, tells, "q"), Edge("embed", tells, "k")}
    carried = frozenset(found | {Edge(tells, says, "q"), Edge("embed", says, "v"), Edge(says, "logits")})
    fixed = {Edge("pos", brings, part) for part in ("q", "k")} | {Edge("pos", tells, "v")}
    circuit = carried | fixed | {Edge("pos", says, "k"), Edge("embed", says, "k")}
    clean, corrupted, answers = zip(*(_prompts(plan, back) for _ in range(8)), strict=True)
    return Planted(
        name=name,
        seed=seed,
        task=f"Two names, and {back} before the last one of them again: the other comes next.",
        model=plan.build(),
        clean=tokens_of(list(clean)),
        corrupted=tokens_of(list(corrupted)),
        answers=tokens_of(list(answers)),
        roles={brings: "brings S to the end", tells: "tells where S stands", says: "copies the name that is elsewhere"},
        edges=circuit,
        noised=carried,
        denoised=carried,
        cut=circuit,
    )


def of_names() -> Tensor:
    """Hands on the code of a position where a name may stand, and of the first and the last nothing, (8, 8)."""
    kept = same()
    kept[0, 0] = kept[-1, -1] = 0
    return kept


def _prompts(plan: Plan, back: int) -> tuple[list[int], list[int], list[int]]:
    """Fillers, two names in either order, and one of them again; in the corrupted prompt it is the other."""
    random = plan.random
    one, other = pick(random, 2)
    rows = random.choices(plan.fillers, k=LENGTH)
    last = LENGTH - 1 - back
    first, second = sorted(random.sample(range(1, last), 2))
    rows[first], rows[second] = plan.tokens[one], plan.tokens[other]
    clean, corrupted = list(rows), list(rows)
    subject, indirect = random.sample([one, other], 2)
    clean[last], corrupted[last] = plan.tokens[subject], plan.tokens[indirect]
    return clean, corrupted, [plan.tokens[indirect], plan.tokens[subject]]
