"""`headwork verify --mutate`: which generic changes of the reference does an exercise let through?

Mutants are our own code: they run in this process, a fraction of a second each. One that hangs is stopped.
"""

import ast
import signal
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import current_thread, main_thread

from headwork.authoring.mutants import Mutant, base, mutants
from headwork.checkers.exercise import Exercise
from headwork.grading.expect import chapter_of, known, observe_mistake, program_of
from headwork.grading.judge import judge, unasked
from headwork.grading.plan import Observation
from headwork.grading.solutions import solution_source
from headwork.grading.unusable import Unusable

DEVICE = "cpu"


@dataclass
class Survey:
    """What became of an exercise's mutants. `explained` ones survive for a reason that the author gave."""

    total: int = 0
    explained: int = 0
    survivors: list[Mutant] = field(default_factory=list)
    idle: list[tuple[str, str]] = field(default_factory=list)  # explanations of mutants that do not survive

    @property
    def killed(self) -> int:
        return self.total - self.explained - len(self.survivors)

    def problems(self) -> list[str]:
        """A paragraph for each survivor that nobody explained."""
        return [
            f"a mutant survives ({mutant.kind}):\n  - {mutant.old}\n  + {mutant.new or '(removed)'}\n"
            f"Add a case that it fails, or say why it is no mistake: ask.survives({mutant.old!r}, {mutant.new!r}, why)."
            for mutant in self.survivors
        ]

    def warnings(self) -> list[str]:
        return [f"ask.survives({old!r}, {new!r}, ...) explains no survivor: remove it." for old, new in self.idle]


def count(exercise: Exercise) -> int:
    """How many mutants an exercise has."""
    source = solution_source(chapter_of(exercise))
    return sum(1 for _ in mutants(program_of(source, exercise), source))


def survey(exercise: Exercise, step: Callable[[], None] = lambda: None) -> Survey:
    """Judges every mutant of an exercise on the cases of seed 0; `step` is called after each."""
    result = Survey()
    explanations = {(normal(old), normal(new)): (old, new) for old, new in exercise.list_of_survivors}
    used = set()
    program = program_of(solution_source(chapter_of(exercise)), exercise)
    if rejects(exercise, ast.unparse(base(program))):
        raise RuntimeError(f"the reference of {exercise.id} is rejected once unparsed: no mutant can be judged")
    for mutant in mutants(program, solution_source(chapter_of(exercise))):
        step()
        if rejects(exercise, mutant.source):
            result.total += 1
        elif mutant.trial and not rejects(exercise, mutant.trial):
            continue  # it detaches what carries no gradient: the same program
        else:
            result.total += 1
            key = normal(mutant.old), normal(mutant.new)
            if key in explanations:
                used.add(key)
                result.explained += 1
            else:
                result.survivors.append(mutant)
    result.idle = [pair for key, pair in explanations.items() if key not in used]
    return result


def rejects(exercise: Exercise, source: str, seconds: float | None = None) -> bool:
    """Whether the exercise finds fault with `source` on the quick cases, judged as a submission's values are."""
    facts = known(exercise.id, 0, False, DEVICE)
    seen: list[Observation] = []
    try:
        with _stopped_after(seconds or exercise.seconds):
            for run in range(len(facts.runs)):
                seen.append(observe_mistake(exercise.id, source, 0, DEVICE, run))
                if seen[-1].fault:
                    return True
    except (Unusable, TimeoutError):
        return True
    results = [judge(check, facts, seen, [])[0] for check in exercise.list_of_checks]
    return any(result.passed is False for result in [*results, *unasked(facts, seen)])


@contextmanager
def _stopped_after(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in the block when it takes too long, where the system can."""
    if not hasattr(signal, "setitimer") or current_thread() is not main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise TimeoutError(f"still running after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def normal(line: str) -> str:
    """A line of source in one layout: `a+b  # why` is `a + b`."""
    text = textwrap.dedent(line).strip()
    for suffix in ("", "\n    pass"):
        try:
            return ast.unparse(ast.parse(text + suffix)).split("\n")[0].strip()
        except SyntaxError:
            continue
    return " ".join(text.split())
