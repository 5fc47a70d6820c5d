"""What an author declares in `checkers/CHAPTER/EXERCISE.py`: what is asked, on which cases, and how it is judged."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from headwork.checkers.checks import Check
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

CaseMaker = Callable[[Rng], Iterator[Case]]
FileMaker = Callable[[], dict[str, bytes]]


@dataclass(frozen=True)
class Edit:
    """A mistake as an edit of the reference's source: `old` is found exactly once and becomes `new`."""

    old: str
    new: str
    sentence: str

    def apply(self, source: str) -> str:
        """Raises ValueError unless `old` stands exactly once in `source`."""
        found = source.count(self.old)
        if found != 1:
            raise ValueError(f"the edit's old text {self.old!r} is found {found} times, not once")
        return source.replace(self.old, self.new)


@dataclass(frozen=True)
class Replacement:
    """A mistake as whole source: it stands in place of the reference's definitions."""

    source: str
    sentence: str


Mistake = Edit | Replacement


def edit(old: str, new: str, sentence: str) -> Edit:
    """A mistake made of the reference by one edit, with the sentence that its author needs to hear."""
    return Edit(old, new, sentence)


def replace(source: str, sentence: str) -> Replacement:
    """A mistake written out whole, with the sentence that its author needs to hear."""
    return Replacement(source, sentence)


class Exercise:
    """One thing to write. Modules in `checkers/CHAPTER/` hold one as `ask`; the catalogue gives it its id.

    names: what the learner defines. also: other exercises' names that the probe asks for where there are all of
    them, as one of several ways. forbid: aten operators that may not be called. needs: ids of exercises that
    must pass first, where no decoy fits. attached: what the probe yields are names of files that come along with the
    code; checks get a file's bytes. batch: inputs with a leading batch axis, from which a case of batch one
    is made unasked. seconds: the time limit for all cases that are not slow.
    """

    def __init__(
        self,
        *names: str,
        also: Sequence[str] = (),
        forbid: Sequence[str] = (),
        needs: Sequence[str] = (),
        attached: bool = False,
        batch: Sequence[str] = (),
        seconds: float = 10,
    ):
        self.id = ""
        self.names = names
        self.also = tuple(also)
        self.forbid = tuple(forbid)
        self.needs = tuple(needs)
        self.attached = attached
        self.batch = tuple(batch)
        self.seconds = seconds
        self.list_of_checks: tuple[Check, ...] = ()
        self.list_of_mistakes: tuple[Mistake, ...] = ()
        self.list_of_survivors: dict[tuple[str, str], str] = {}
        self._make_cases: CaseMaker | None = None
        self._make_slow_cases: CaseMaker | None = None
        self._make_files: FileMaker | None = None
        self.slow_seconds: float = 0

    def cases(self, make: CaseMaker) -> CaseMaker:
        """Decorates the generator of cases; it draws everything random from the `rng` it is given."""
        self._make_cases = make
        return make

    def slow_cases(self, seconds: float) -> Callable[[CaseMaker], CaseMaker]:
        """Decorates the generator of cases that train something, with a time limit of their own.

        Mistakes are not named by them, and `headwork verify` runs them only with `--slow`.
        """

        def keep(make: CaseMaker) -> CaseMaker:
            self._make_slow_cases, self.slow_seconds = make, seconds
            return make

        return keep

    def files(self, make: FileMaker) -> FileMaker:
        """Decorates what makes the files, by name, that reference, mistakes and alternatives come along with."""
        self._make_files = make
        return make

    @cached_property
    def own_files(self) -> dict[str, bytes]:
        """Those files, made once."""
        return self._make_files() if self._make_files else {}

    def checks(self, *checks: Check) -> None:
        """Declares the graded properties, the one that all others stand on first."""
        self.list_of_checks = checks

    def mistakes(self, *mistakes: Mistake) -> None:
        """Declares the wrong answers that learners write."""
        self.list_of_mistakes = mistakes

    def survives(self, old: str, new: str, why: str) -> None:
        """Explains a generic edit of the reference (`headwork verify --mutate`) that is no mistake."""
        self.list_of_survivors[old, new] = why

    def draw_cases(self, seed: int, slow: bool = False) -> list[Case]:
        """The cases of `seed`, alike each time; the slow ones when asked."""
        make = self._make_slow_cases if slow else self._make_cases
        if make is None:
            return []
        cases = list(make(Rng(f"{self.id} {slow} {seed}")))
        return cases if slow else cases + self._single(cases)

    def _single(self, cases: list[Case]) -> list[Case]:
        """The first case with a batch of several, cut down to a batch of one."""
        for case in cases:
            if self.batch and len(case.inputs[self.batch[0]]) > 1:
                cut = {name: value[:1] if name in self.batch else value for name, value in case.inputs.items()}
                return [Case(f"{case.name}, batch of one", **cut)]
        return []
