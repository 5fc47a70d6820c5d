"""S-inhibition with a backup: a name mover is told which name not to say; where it fails, a later head does its work.

Names A B ... A: the one that was said once comes next. A head moves the repeated name (S) to the end; there it makes
the queries of the mover avoid S, so that it copies the other (IO). The backup is told the same, and moreover avoids
the name that has been written already: while the mover works it writes next to nothing.
"""

import torch
from torch import Tensor

from headwork.models.edges import Edge
from headwork.models.planted.plan import CODE, Plan, pick, reads, same, writes
from headwork.models.planted.truth import Joint, Planted, tokens_of

LENGTH = 12
FLAG = CODE - 1  # the place of a code that no name has; in a head's keys there is, in its stead, whether it is a name
NAME = 12.0  # how much a name is attended to, in the units of SHARP
NOT_SUBJECT = 24.0  # how much less it is when it is S
NOT_WRITTEN = 32.0  # how much less it is to the backup, when it has been written


def backup(name: str, seed: int) -> Planted:
    plan = Plan(f"{name} {seed}", biases=True)
    random = plan.random
    inhibitor, mover, spare = plan.place(0, 1, 2)
    back = random.randrange(1, 4)
    tells = plan.copier(inhibitor, back, "first")
    for symbol in range(2 * FLAG):
        plan.weights["embed.W_E"][plan.tokens[_name(symbol)]] += writes("second", code_of_names())[0]
    k = reads("token", 4 * names_only()) + reads("second", torch.outer(code_of_names()[0], 4 * flag()))
    avoid = reads("first", -NOT_SUBJECT / 4 * names_only())
    says = plan.head(mover, avoid, k, reads("token", same()), writes("answer", same()))
    unwritten = reads("answer", -NOT_WRITTEN / 4 * names_only())
    helps = plan.head(spare, avoid + unwritten, k, reads("token", same()), writes("answer", same()))
    for layer, head in (mover, spare):
        plan.weights[f"blocks.{layer}.attn.b_Q"][head] = NAME / 4 * flag()
    plan.clutter()
    told = {Edge("embed", tells, "v"), Edge(tells, says, "q"), Edge(tells, helps, "q"), Edge(says, helps, "q")}
    moved = {Edge("embed", head, part) for head in (says, helps) for part in ("k", "v")}
    written = {Edge(says, "logits"), Edge(helps, "logits")}
    carried = frozenset(told | moved | written)
    circuit = carried | {Edge("pos", tells, "q"), Edge("pos", tells, "k")}
    of_mover = frozenset({Edge(says, "logits"), Edge(says, helps, "q")})
    clean, corrupted, answers = zip(*(_prompts(plan, back) for _ in range(8)), strict=True)
    return Planted(
        name=name,
        seed=seed,
        task=f"Two names, and {back} before the last one of them again: the other comes next.",
        model=plan.build(),
        clean=tokens_of(list(clean)),
        corrupted=tokens_of(list(corrupted)),
        answers=tokens_of(list(answers)),
        roles={tells: "brings S to the end", says: "copies the name that is not S", helps: "does so if nobody has"},
        edges=circuit,
        noised=carried,
        denoised=carried,
        cut=circuit,
        joint=(
            Joint(frozenset({Edge(says, "logits")}), "cut", 0.5),  # half way: nobody says a name
            Joint(of_mover, "cut", 1),  # the mover ablated: the backup says it
            Joint(of_mover | {Edge(helps, "logits")}, "cut", 0.5),
            Joint(of_mover, "noise", 0.5),  # the mover says S, the backup the other name
        ),
    )


def _name(number: int) -> int:
    """The symbol of a name, of which there are 14: those whose code has nothing in the place of the flag."""
    return number if number < FLAG else number + 1


def names_only() -> Tensor:
    """Hands on the code of a name and leaves the place of the flag empty, (8, 8)."""
    kept = same()
    kept[FLAG, FLAG] = 0
    return kept


def flag() -> Tensor:
    return same()[FLAG]


def code_of_names() -> Tensor:
    """What the embedding of a name has in the space `second`, (1, 8)."""
    return same()[:1]


def _prompts(plan: Plan, back: int) -> tuple[list[int], list[int], list[int]]:
    """Fillers, two names in either order, and one of them again; in the corrupted prompt it is the other."""
    random = plan.random
    one, other = pick(random, 2, avoid=[FLAG])
    rows = random.choices(plan.fillers, k=LENGTH)
    last = LENGTH - 1 - back
    first, second = sorted(random.sample(range(last), 2))
    rows[first], rows[second] = plan.tokens[one], plan.tokens[other]
    clean, corrupted = list(rows), list(rows)
    subject, indirect = random.sample([one, other], 2)
    clean[last], corrupted[last] = plan.tokens[subject], plan.tokens[indirect]
    return clean, corrupted, [plan.tokens[indirect], plan.tokens[subject]]
