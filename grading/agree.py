"""Whether two implementations did the same: how a learner's mistake is recognised."""

from collections.abc import Callable, Iterator

from torch import Tensor

from headwork.checkers.checks import Check, Claim, DrawnFrom, Equal, Same, Satisfies
from headwork.grading.compare import Comparison
from headwork.grading.judge import Known, holds, names_of
from headwork.grading.plan import Observation
from headwork.grading.sampling import draws_alike

ROUGH = 1e-4  # relative; for code that computes in float32


def agree(
    checks: tuple[Check, ...], known: Known, mine: list[Observation], other: Callable[[int], Observation]
) -> bool:
    """Whether two implementations did the same in every run.

    `other(run)` is asked for one run at a time, since most mistakes part ways in the first.
    """
    telling = False
    for index, run in enumerate(known.runs):
        if run.lowered:
            continue
        theirs = other(index)
        if not _alike(checks, known, index, mine[index], theirs):
            return False
        telling = telling or _telling(checks, known, index, mine[index], theirs)
    return telling


def _telling(checks: tuple[Check, ...], known: Known, index: int, mine: Observation, other: Observation) -> bool:
    """Whether what the two have in common in a run is wrong, and so says something."""
    if mine.changed or (mine.fault and other.fault and mine.fault.message == other.fault.message):
        return True
    right = Observation({name: known.exact[index].values.get(name) for name in mine.values}, ended=True)
    plain = Observation(mine.values, lowered=mine.lowered, ended=True)
    return bool(mine.values) and not _alike(checks, known, index, plain, right)


def _alike(checks: tuple[Check, ...], known: Known, index: int, mine: Observation, other: Observation) -> bool:
    stopped = mine.fault is not None and other.fault is None  # the same up to here, then an exception of one's own
    if mine.changed != other.changed or mine.values.keys() - other.values.keys():
        return False
    if not stopped and _ending(mine) != _ending(other):
        return False
    compared = False
    for group in _groups(checks, other):
        shared = [name for name in group if name in mine.values]
        if shared:
            compared = True
            if not any(_alike_in(name, checks, known, index, mine, other) for name in shared):
                return False
        elif not stopped:
            return False
    return compared or not stopped


def _ending(seen: Observation) -> str:
    return seen.fault.kind if seen.fault else ""


def _groups(checks: tuple[Check, ...], other: Observation) -> Iterator[tuple[str, ...]]:
    """The names of what was yielded: those that stand for each other together, every other one by itself."""
    together = [names_of(check) for check in checks if isinstance(check, Equal) and check.ways]
    yield from (group for group in together if any(name in other.values for name in group))
    aside = {check.as_ for check in checks if isinstance(check, Same)}  # compared by the Same check alone
    known = {name for group in together for name in group} | aside
    yield from ((name,) for name in other.values if name not in known)


def _alike_in(
    name: str, checks: tuple[Check, ...], known: Known, index: int, mine: Observation, other: Observation
) -> bool:
    value, theirs = mine.values[name], other.values[name]
    rules = (DrawnFrom, Same, Satisfies)
    check = next((each for each in checks if each.name == name and isinstance(each, rules)), None)
    if isinstance(check, Satisfies):
        flaws = [check.flaw(each, known.runs[index].case) for each in (value, theirs)]
        return flaws[0] == flaws[1] if isinstance(check, Claim) else bool(flaws[0]) == bool(flaws[1])
    if isinstance(check, DrawnFrom):
        law = check.law(known.runs[index].case)
        return isinstance(value, Tensor) and isinstance(theirs, Tensor) and draws_alike(value, theirs, law)
    if isinstance(check, Same) and check.as_ in mine.values:
        return holds(check, mine) == holds(check, other)
    return Comparison(ROUGH if mine.lowered else 0).difference(value, theirs, name) is None
