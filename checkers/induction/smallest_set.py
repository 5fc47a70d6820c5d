"""`induction.smallest_set`: a small set of heads that keeps induction when all other heads are silenced.

The set of all heads keeps everything and gets no points: a set must be at most half as large.
"""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.checks import claim
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.induction.ablate_heads import HOUSE_SIZES
from headwork.checkers.induction.judge.claims import form, kept, model, numbered
from headwork.checkers.induction.judge.rules import BAR
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.solutions.induction.findings import INDUCTION_HEADS, SMALLEST_SET

ask = Exercise("SMALLEST_SET")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    yield Case("fresh texts", seed=rng.seed())


def _flaw(most: int, value: Any, case: Case) -> str:
    config = model().config
    flaw = form(value, config.n_layers, config.n_heads)
    if flaw:
        return f"`SMALLEST_SET`: {flaw}"
    everything = config.n_layers * config.n_heads
    if len(value) > everything // 2:
        return f"{len(value)} of {everything} heads are more than half of them: that is no small set."
    kind, how, share, error = min(kept(case.seed, numbered(value)), key=lambda each: each[2] + 2 * each[3])
    if share < BAR - 2 * error:
        way = "write what they write on another text" if how == "resample" else "write their mean"
        return f"On {kind}, when all other heads {way}, yours keep {share:.2f} of it: the bar is {BAR:g}."
    return "" if len(value) <= most else f"Your {len(value)} heads keep it, and a smaller set does too."


ask.checks(
    claim(
        "keeps it",
        lambda value, case: _flaw(model().config.n_layers * model().config.n_heads, value, case),
        title="at most half of all heads, and they keep nine tenths of it",
        weight=2,
    ),
    claim("few", lambda value, case: _flaw(2 * len(SMALLEST_SET) - 2, value, case), title="few heads do"),
    claim("smallest", lambda value, case: _flaw(len(SMALLEST_SET), value, case), title="as few heads as we know of"),
)

WHOLE = str(SMALLEST_SET)
ALL = [(layer, head) for layer in range(HOUSE_SIZES.n_layers) for head in range(HOUSE_SIZES.n_heads)]
# what can be added: heads that do the same as some of the set, then any
SPARE = [head for head in [*INDUCTION_HEADS, *ALL] if head not in SMALLEST_SET]

ask.mistakes(
    edit(
        WHOLE,
        str(INDUCTION_HEADS),
        "The heads that do induction find nothing when the head that leaves the trace is silenced: keep it as well.",
    ),
    edit(WHOLE, str(ALL), "All heads keep everything: the question is how few do."),
    edit(WHOLE, str(SMALLEST_SET[:2]), "Two heads keep too little: several share the work."),
    edit(WHOLE, str([*SMALLEST_SET, SPARE[0]]), "It keeps induction, and one head of it can still go."),
    edit(WHOLE, str([*SMALLEST_SET, *SPARE[:2]]), "It keeps induction, and more than one head of it can still go."),
    edit(WHOLE, "[]", "No head is kept: nothing is left of induction."),
    edit(WHOLE, str([(layer, head + 1) for layer, head in SMALLEST_SET]), "Heads are counted from 0."),
)
