"""V-composition: the values of one head are made from what another wrote. A token travels in two steps."""

from headwork.models.edges import Edge
from headwork.models.planted.plan import SHARP, SYMBOLS, Plan, pick, reads, same, shifted, writes
from headwork.models.planted.truth import Planted, tokens_of

LENGTH = 12


def v_composition(name: str, seed: int) -> Planted:
    plan = Plan(f"{name} {seed}")
    early, late = plan.place(*plan.layers(2))
    one, two = (plan.random.randrange(1, 5) for _ in range(2))
    first = plan.copier(early, one, "first")
    step = reads("position", SHARP / 4 * shifted(two)), reads("position", 4 * same())
    second = plan.head(late, *step, reads("first", same()), writes("answer", same()))
    plan.clutter()
    clean, corrupted, answers = zip(*(_prompts(plan, one + two) for _ in range(8)), strict=True)
    carried = {Edge("embed", first, "v"), Edge(first, second, "v"), Edge(second, "logits")}
    fixed = {Edge("pos", head, part) for head in (first, second) for part in ("q", "k")}
    return Planted(
        name=name,
        seed=seed,
        task=f"The token {one + two} before the last comes next.",
        model=plan.build(),
        clean=tokens_of(list(clean)),
        corrupted=tokens_of(list(corrupted)),
        answers=tokens_of(list(answers)),
        roles={first: f"copies the token {one} back", second: f"copies what the other wrote {two} back"},
        edges=frozenset(carried | fixed),
        noised=frozenset(carried),
        denoised=frozenset(carried),
        cut=frozenset(carried | fixed),
    )


def _prompts(plan: Plan, back: int) -> tuple[list[int], list[int], list[int]]:
    """Symbols, of which one is another in the corrupted prompt."""
    symbols = plan.random.choices(range(SYMBOLS), k=LENGTH)
    pair = pick(plan.random, 2)
    rows = []
    for symbol in pair:
        symbols[LENGTH - 1 - back] = symbol
        rows.append([plan.tokens[each] for each in symbols])
    return rows[0], rows[1], [plan.tokens[each] for each in pair]
