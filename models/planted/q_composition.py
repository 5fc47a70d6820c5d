"""Q-composition: the queries of one head are made from what another wrote. A token names a place to look at."""

from headwork.models.edges import Edge
from headwork.models.planted.plan import CODE, SHARP, Plan, reads, same, writes
from headwork.models.planted.truth import Planted, tokens_of

LENGTH = 13


def q_composition(name: str, seed: int) -> Planted:
    plan = Plan(f"{name} {seed}")
    pointer, copier = plan.place(*plan.layers(2))
    back = plan.random.randrange(1, 5)
    points = plan.copier(pointer, back, "first")
    look = reads("first", SHARP / 4 * same()), reads("position", 4 * same()), reads("token", same())
    copies = plan.head(copier, *look, writes("answer", same()))
    plan.clutter()
    clean, corrupted, answers = zip(*(_prompts(plan, back) for _ in range(8)), strict=True)
    carried = {Edge("embed", points, "v"), Edge(points, copies, "q"), Edge(copies, "logits")}
    fixed = {Edge("pos", points, "q"), Edge("pos", points, "k"), Edge("pos", copies, "k"), Edge("embed", copies, "v")}
    return Planted(
        name=name,
        seed=seed,
        task=f"The token {back} before the last names a position: the token there comes next.",
        model=plan.build(),
        clean=tokens_of(list(clean)),
        corrupted=tokens_of(list(corrupted)),
        answers=tokens_of(list(answers)),
        roles={points: f"brings the token {back} back to the end", copies: "attends to the position that it names"},
        edges=frozenset(carried | fixed),
        noised=frozenset(carried),
        denoised=frozenset(carried),
        cut=frozenset(carried | fixed),
    )


def _prompts(plan: Plan, back: int) -> tuple[list[int], list[int], list[int]]:
    """Symbols, of which one points; corrupted, it points elsewhere.

    A head that attends softly sees the pointer itself as well: its code is orthogonal to both answers'.
    """
    random, place = plan.random, LENGTH - 1 - back
    free = [each for each in range(LENGTH - 1) if each != place]
    while True:
        symbols = random.choices(range(2 * CODE), k=LENGTH - 1)
        here, there = random.sample(free, 2)
        kinds = {each % CODE for each in (here, there, symbols[here], symbols[there])}
        if len(kinds) == 4 or (here % CODE == there % CODE and len(kinds) == 3):
            break
    end = random.choice(plan.fillers)

    def row(pointed: int) -> list[int]:
        return [plan.tokens[pointed if each == place else symbol] for each, symbol in enumerate(symbols)] + [end]

    return row(here), row(there), [plan.tokens[symbols[here]], plan.tokens[symbols[there]]]
