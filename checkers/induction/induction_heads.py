"""`induction.induction_heads`: which heads of the house model do induction, judged by cutting what they do.

A head's worth is what cutting its induction edges adds to the loss, on average over random orders of cutting all. A
list of all heads has an F1 of one third or less in a model where a fifth of them or fewer do it; an empty one has 0.
"""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.checks import claim
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.ablate_heads import HOUSE_SIZES
from headwork.checkers.induction.judge.claims import PREVIOUS, form, loss_with_cut, model, numbered, worths
from headwork.checkers.induction.judge.rules import agreement
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.solutions.induction.findings import INDUCTION_HEADS

MOST = 0.8  # of F1

ask = Exercise("INDUCTION_HEADS")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    yield Case("fresh texts", seed=rng.seed())


def _flaw(enough: float, value: Any, case: Case) -> str:
    config = model().config
    flaw = form(value, config.n_layers, config.n_heads)
    if flaw:
        return f"`INDUCTION_HEADS`: {flaw}"
    claimed, everything = numbered(value), frozenset(range(config.n_layers * config.n_heads))
    if not claimed:
        return "`INDUCTION_HEADS` names no head, and some do it."
    worth = worths(case.seed)
    if agreement(claimed, worth) >= enough:
        return ""
    losses = [loss_with_cut(case.seed, heads) for heads in (frozenset(), claimed, everything)]
    shares = (worth / worth.sum())[sorted(claimed)]
    return (
        f"Cutting the induction edges of your heads takes the loss from {losses[0]:.2f} to {losses[1]:.2f} nats, "
        f"cutting those of all heads to {losses[2]:.2f}. Over random orders of cutting, yours carry "
        f"{100 * max(float(shares.sum()), 0):.0f} % of it, and the weakest of them {100 * float(shares.min()):.1f} %."
    )


ask.checks(
    claim(
        "most",
        lambda value, case: _flaw(MOST, value, case),
        title="most heads that do it are named, and few others",
        weight=3,
    ),
    claim("all", lambda value, case: _flaw(1, value, case), title="all that do it are named, and no others"),
)

HEADS = INDUCTION_HEADS
WHOLE = str(HEADS)
ALL = [(layer, head) for layer in range(HOUSE_SIZES.n_layers) for head in range(HOUSE_SIZES.n_heads)]
COULD = "More do it than you name: heads stand in for one another, and each, cut alone, may hardly be missed."

ask.mistakes(
    edit(WHOLE, str([(head, layer) for layer, head in HEADS]), "A head is a pair (layer, head), the layer first."),
    edit(WHOLE, str([(layer + 1, head + 1) for layer, head in HEADS]), "Layers and heads are counted from 0."),
    edit(
        WHOLE,
        str([PREVIOUS]),
        "This head is needed for induction but attends to the token before: it leaves the trace that others find.",
    ),
    edit(WHOLE, str(ALL), "Every head is named: most of them carry nothing, and a list of all says nothing."),
    edit(WHOLE, "[]", "No head is named."),
    edit(WHOLE, str(HEADS[:1]), COULD),
    edit(WHOLE, str(HEADS[1:2]), COULD),
    edit(
        WHOLE,
        str([PREVIOUS, *HEADS]),
        "One of these is needed by the others but does no induction itself: it has no edge to what came after.",
    ),
    edit(WHOLE, str([*HEADS, HEADS[0]]), "A head is named twice."),
)
