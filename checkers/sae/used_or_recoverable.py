"""`sae.used_or_recoverable`: which directions the house model uses, and which can only be read, judged by ablation.

The answer says one of two words of each direction. Whoever says the same of all is right about one half, and points are
given for the mean of the shares that are right of either kind, from `MOST` on.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

from headwork.checkers.checks import claim
from headwork.checkers.exercise import Edit, Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.checkers.sae.judge.trials import CLAIMS, MEANS, PROBE, use
from headwork.checkers.sae.judge.uses import RECOVERABLE, USED, Use
from headwork.solutions.sae.findings import USED_OR_RECOVERABLE

MOST = 0.85  # with five of either kind: at most one is wrong

ask = Exercise("USED_OR_RECOVERABLE")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    yield Case("fresh texts", seed=rng.seed())


def form(value: Any) -> str:
    """What is wrong with the form of an answer; '' when nothing is."""
    if not isinstance(value, dict):
        return "the answer is a dict: each direction's name, and one of two words."
    unknown = [name for name in value if name not in CLAIMS]
    if unknown:
        return f"{str(unknown[0])[:40]!r} is none of the directions: their names stand in the exercise."
    missing = [name for name in CLAIMS if name not in value]
    if missing:
        return f"nothing is said of {missing[0]!r}."
    for name, word in value.items():
        if not isinstance(word, str) or word not in (USED, RECOVERABLE):
            return f"{str(word)[:40]!r} is said of {name!r}: say {USED!r} or {RECOVERABLE!r}."
    return ""


def wrong(value: dict[str, str], seed: int) -> tuple[float, list[str]]:
    """The mean of the shares that are right of either kind, and the names of wrong claims, the plainest first.

    A claim is wrong when the experiment says so twice, on other texts each time: one draw is few texts.
    """
    found = {name: use(seed, name) for name in CLAIMS}
    kinds = [[name for name in found if found[name].verdict == kind] for kind in (USED, RECOVERABLE)]
    names = [name for kind in kinds for name in kind if value[name] != found[name].verdict]
    names = [name for name in names if use(seed + 1, name).verdict == found[name].verdict]
    right = [sum(name not in names for name in kind) / len(kind) for kind in kinds if kind]
    return sum(right) / len(right), sorted(names, key=lambda name: -_margin(found[name]))


def _margin(found: Use) -> float:
    """How far from being undecided: the logarithm of a ratio."""
    return math.log(found.ratio / found.bound) if found.verdict == USED else -math.log(max(found.ratio, 1e-9))


def _flaw(enough: float, value: Any, case: Case) -> str:
    flaw = form(value)
    if flaw:
        return f"`USED_OR_RECOVERABLE`: {flaw}"
    share, names = wrong(value, case.seed)
    if share >= enough:
        return ""
    found = use(case.seed, names[0])
    middle = float(found.controls.median())
    return (
        f"{len(names)} claims do not hold on fresh texts. One is that of {names[0]!r}: taking it out moves the "
        f"predictions by {found.effect:.2g} nats, as much of a random direction by {middle:.2g} (the median of "
        f"{len(found.controls)}), and 95 % of those by no more than {found.bound * middle:.2g}. "
        f"Its AUC is {found.area:.2f}."
    )


ask.checks(
    claim("most", lambda value, case: _flaw(MOST, value, case), title="most claims hold, of either kind", weight=3),
    claim("all", lambda value, case: _flaw(1, value, case), title="every claim holds"),
)

ORDER = list(USED_OR_RECOVERABLE)
HOW = {name: how for name, (_, how) in CLAIMS.items()}
ROWS = "\n".join(f'    "{name}": "{word}",' for name, word in USED_OR_RECOVERABLE.items())


def _rows(word: Callable[[str], str]) -> str:
    return "\n".join(f'    "{name}": "{word(name)}",' for name in ORDER)


def _wrong(word: Callable[[str], str], sentence: str) -> Edit:
    """Another word for each direction's name."""
    return edit(ROWS, _rows(word), sentence)


def _but(name: str) -> Callable[[str], str]:
    """As the reference, but for one direction."""
    other = {USED: RECOVERABLE, RECOVERABLE: USED}
    return lambda each: other[USED_OR_RECOVERABLE[each]] if each == name else USED_OR_RECOVERABLE[each]


ask.mistakes(
    _wrong(lambda name: USED, "Everything is called used: compare each with as much of a random direction."),
    _wrong(
        lambda name: RECOVERABLE,
        "Nothing is called used: take each direction out and look at the predictions, beside random ones.",
    ),
    _wrong(
        lambda name: RECOVERABLE if USED_OR_RECOVERABLE[name] == USED else USED,
        "The two words are exchanged: what moves the predictions further than random directions do is used.",
    ),
    _wrong(
        lambda name: {MEANS: USED, PROBE: RECOVERABLE}.get(str(HOW[name]), USED),
        "How a direction was found is taken for whether it is used: a difference of means may be idle, a probe not.",
    ),
    _wrong(
        _but("the word lost, latent 282"),
        "A small effect is taken for none: this one is small because little is taken out, and random directions of its "
        "size do far less.",
    ),
    _wrong(
        _but("a woman's name, by means"),
        "A large difference of means is taken for use: taken out, this one does less than random directions do.",
    ),
    _wrong(
        _but("a name, by a probe"),
        "One probe is called idle that is not: this direction moves the predictions far beyond its controls.",
    ),
    edit(ROWS, ROWS[: ROWS.rindex("\n")], "A direction is left out: say one of the two words of each."),
    _wrong(
        lambda name: {RECOVERABLE: "recoverable", USED: USED}[USED_OR_RECOVERABLE[name]],
        "The second word is written 'recoverable only'.",
    ),
    edit(ROWS, "", "The dict is empty: say one of the two words of each direction."),
)
