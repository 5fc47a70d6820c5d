"""A cancelling pair: two heads each move the answer, by as much one way as the other. Together they do nothing."""

from headwork.models.edges import Edge
from headwork.models.planted.plan import SYMBOLS, Plan, pick
from headwork.models.planted.truth import Joint, Planted, tokens_of

LENGTH = 11


def cancelling(name: str, seed: int) -> Planted:
    """A third head says the same token without an opponent, and by it the answer stands."""
    plan = Plan(f"{name} {seed}")
    random = plan.random
    at = plan.place(*(random.randrange(3) for _ in range(3)))
    pair, alone = random.sample(range(1, 7), 2)  # how far back they look
    says, unsays, answers_it = (
        plan.copier(place, back, "answer", gain=gain)
        for place, back, gain in zip(at, (pair, pair, alone), (1, -1, 1), strict=True)
    )
    plan.clutter()
    heads = (says, unsays, answers_it)
    written = {head: Edge(head, "logits") for head in heads}
    read = {head: Edge("embed", head, "v") for head in heads}
    fixed = frozenset(Edge("pos", head, part) for head in heads for part in ("q", "k"))
    carried = frozenset([*written.values(), *read.values()])
    both = frozenset({written[says], written[unsays]})
    rows = []
    for _ in range(8):
        symbols = random.choices(range(SYMBOLS), k=LENGTH)
        ends = pick(random, 2)
        for end in ends:
            symbols[LENGTH - 1 - pair] = symbols[LENGTH - 1 - alone] = end
            rows.append([plan.tokens[each] for each in symbols])
        rows.append([plan.tokens[end] for end in ends])
    return Planted(
        name=name,
        seed=seed,
        task=f"The token {alone} before the last comes next; it stands {pair} before the last as well.",
        model=plan.build(),
        clean=tokens_of(rows[::3]),
        corrupted=tokens_of(rows[1::3]),
        answers=tokens_of(rows[2::3]),
        roles={
            says: f"says the token {pair} back",
            unsays: "takes it back by as much",
            answers_it: f"answers with the token {alone} back",
        },
        edges=carried | fixed,
        noised=carried,
        denoised=carried,
        cut=carried | fixed,
        joint=(
            Joint(both, "noise", 1),
            Joint(both, "denoise", 0),
            Joint(both, "cut", 1),
            Joint(frozenset({read[says], read[unsays]}), "noise", 1),
        ),
    )
