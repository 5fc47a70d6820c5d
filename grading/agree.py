"""Whether two implementations did the same: how a learner's mistake is recognised."""

from collections.abc import Callable, Iterator

from torch import Tensor

from headwork.checkers.checks import Check, Claim, DrawnFrom, Equal, Same, Satisfies
from headwork.grading.compare import Comparison
from headwork.grading.judge import Known, holds, names_of
from headwork.grading.plan import Observation
from headwork.grading.sampling import draws_alike

ROUGH = 1e-4  # relative; for code that computes in float32


class Suspect:
    """What an implementation did in the runs of one seed, to be recognised in what known mistakes do in them."""

    def __init__(self, checks: tuple[Check, ...], known: Known, seen: list[Observation]):
        self.checks, self.known, self.seen = checks, known, seen
        asked = [index for index, run in enumerate(known.runs) if not run.lowered]
        wrong = {index for index in asked if self._is_wrong_in(index)}
        self.raises_alone = not wrong  # whatever it yields is right
        self.order = sorted(asked, key=lambda index: (index not in wrong, not seen[index].fault, self._costs(index)))

    @property
    def tells(self) -> bool:
        """Whether anything in what it did is wrong, and so says something."""
        return bool(self.order) and not (self.raises_alone and self.seen[self.order[0]].fault is None)

    def agrees(self, other: Callable[[int], Observation]) -> bool:
        """Whether another implementation does the same in every run.

        `other(run)` is asked for one run at a time, since most mistakes part ways in the first: those in which there is
        something wrong come first, and of these the cheapest.
        """
        if not self.tells:
            return False
        for index in self.order:
            mine, theirs = self.seen[index], other(index)
            if not _alike(self.checks, self.known, index, mine, theirs):
                return False
            if self.raises_alone and index == self.order[0] and not _raise_the_same(mine, theirs):
                return False
        return True

    def _is_wrong_in(self, index: int) -> bool:
        """Whether it changed an input or yielded something wrong."""
        mine = self.seen[index]
        right = Observation({name: self.known.exact[index].values.get(name) for name in mine.values}, ended=True)
        plain = Observation(mine.values, lowered=mine.lowered, ended=True)
        return mine.changed or (bool(mine.values) and not _alike(self.checks, self.known, index, plain, right))

    def _costs(self, index: int) -> float:
        return self.known.exact[index].seconds


def _raise_the_same(mine: Observation, other: Observation) -> bool:
    return mine.fault is not None and other.fault is not None and mine.fault.message == other.fault.message


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
    if isinstance(check, Claim) and check.apart(value, theirs):
        return False
    if isinstance(check, Satisfies):
        flaws = [check.flaw(each, known.runs[index].case) for each in (value, theirs)]
        return flaws[0] == flaws[1] if isinstance(check, Claim) else bool(flaws[0]) == bool(flaws[1])
    if isinstance(check, DrawnFrom):
        law = check.law(known.runs[index].case)
        return isinstance(value, Tensor) and isinstance(theirs, Tensor) and draws_alike(value, theirs, law)
    if isinstance(check, Same) and check.as_ in mine.values:
        return holds(check, mine) == holds(check, other)
    return Comparison(ROUGH if mine.lowered else 0).difference(value, theirs, name) is None
