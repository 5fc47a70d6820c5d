"""`headwork verify`: the author's test. All that an exercise brings is graded like a submission and gets its due."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from headwork.authoring import sources
from headwork.authoring.dull import dull
from headwork.authoring.margin import margin
from headwork.authoring.mutate import count, survey
from headwork.authoring.sources import Wrong
from headwork.authoring.stub import BuildError
from headwork.authoring.verified import Tally, Verified, show
from headwork.chapters.fields import ChapterError
from headwork.checkers import catalogue
from headwork.checkers.exercise import Exercise
from headwork.grading.agree import Suspect
from headwork.grading.dispatch import Grader, stub_of
from headwork.grading.expect import chapter_of, known, observe_mistake, own_files
from headwork.grading.plan import Observation
from headwork.grading.report import Verdict
from headwork.grading.solutions import solution_source
from headwork.grading.submission import read_text

LEAST_MISTAKES = 5
LEAST_ALTERNATIVES = 2
DEVICE = "cpu"

Step = Callable[[], None]


def run(
    ids: list[str] | None = None,
    *,
    mutate: bool = False,
    slow: bool = False,
    seeds: int = 1,
    workers: int = 1,
    console: Console | None = None,
    display: Callable[[list[Verified]], None] | None = None,
) -> int:
    """Verifies exercises, or whole chapters named in `ids`, and shows what was found; 0 when all is good, else 1.

    `workers` are processes that verify side by side. What was found is shown on `console`, or given to `display`.
    Raises UnknownExercise and ChapterError before any grading.
    """
    asked = _asked(ids)
    options: dict[str, Any] = {"mutate": mutate, "slow": slow, "seeds": seeds}
    with _bar() as bar:
        whole = {id: steps(id, seeds, mutate) for id in asked}
        task = bar.add_task("", total=sum(whole.values()))

        def done(id: str, count: int | None = None) -> None:
            bar.update(task, description=id, advance=count or whole[id])

        if workers > 1 and len(asked) > 1:
            from headwork.authoring.side_by_side import verify_all

            results = list(verify_all(asked, min(workers, len(asked)), done, **options))
        else:
            results = _one_by_one(asked, partial(done, count=1), options)
    if display:
        display(results)
    else:
        show(results, console or _wide(Console()))
    return 0 if all(result.good for result in results) else 1


def _one_by_one(asked: list[str], step: Callable[[str], None], options: dict[str, Any]) -> list[Verified]:
    with warnings.catch_warnings(), Grader(slow=False) as grader:
        warnings.simplefilter("ignore")  # mistakes run in this process, and torch warns of some of them
        grader.warm(dict.fromkeys(id.split(".")[0] for id in asked))
        return [verify(id, grader, step=partial(step, id), **options) for id in asked]


def _wide(console: Console) -> Console:
    """Where nobody looks through a window, in a file or a pipe, lines are not folded at 80."""
    return console if console.is_terminal else Console(width=max(console.width, 120))


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _asked(ids: list[str] | None) -> list[str]:
    """Ids in the order asked, without repetition; a chapter's name stands for all of its exercises."""
    if not ids:
        return catalogue.ids()
    each = [id for name in ids for id in ([name] if "." in name else catalogue.ids(name))]
    for id in each:
        if id not in catalogue.ids():
            catalogue.exercise(id)  # raises UnknownExercise, with the closest id
    return list(dict.fromkeys(each))


def verify(
    id: str,
    grader: Grader,
    *,
    mutate: bool = False,
    slow: bool = False,
    seeds: int = 1,
    least_mistakes: int = LEAST_MISTAKES,
    least_alternatives: int = LEAST_ALTERNATIVES,
    step: Step = lambda: None,
) -> Verified:
    """Verifies one exercise with the seeds 0 to `seeds - 1`; `step` is called after everything that was graded.

    `slow` puts the slow cases too, to reference and alternatives, with seed 0 only. Raises UnknownExercise.
    """
    result = Verified(id)
    exercise = _exercise(result)
    if exercise is None:
        return result
    work = _Work(exercise, grader, result, range(seeds), slow, step)
    if not work.reference():
        return result
    work.stubs()
    work.mistakes()
    work.alternatives()
    _minimum(result, "mistake", result.mistakes.of, least_mistakes)
    _minimum(result, "alternative", result.alternatives.of, least_alternatives)
    result.warnings += dull(exercise, exercise.draw_cases(0))
    work.margin()
    if mutate:
        result.mutants = survey(exercise, step)
        result.problems += result.mutants.problems()
        result.warnings += result.mutants.warnings()
    return result


def steps(id: str, seeds: int = 1, mutate: bool = False) -> int:
    """How often `verify` will call `step`."""
    try:
        exercise = catalogue.exercise(id)
        graded = seeds * (3 + len(exercise.list_of_mistakes) + len(sources.alternatives(exercise)))
        return graded + (count(exercise) if mutate else 0)
    except Exception:  # `verify` says what is wrong with it
        return 1


def _exercise(result: Verified) -> Exercise | None:
    """The exercise, if it can be imported and its stub be found."""
    id = result.id
    try:
        exercise = catalogue.exercise(id)
        if stub_of(id) is not None:
            return exercise
        chapter = id.split(".")[0]
        result.problems.append(f"its stub is not in chapters/{chapter}/exercises.py: run `headwork build`.")
    except catalogue.UnknownExercise:
        raise
    except ModuleNotFoundError as error:
        if not error.name or not f"headwork.checkers.{id}".startswith(error.name):
            raise
        result.problems.append(f"it has no checker: write checkers/{id.replace('.', '/')}.py.")
    except Exception as error:  # an author's module, with any error in it
        result.problems.append(f"its checker cannot be imported ({type(error).__name__}: {error}): mend it.")
    return None


def _minimum(result: Verified, kind: str, have: int, least: int) -> None:
    if have < least:
        result.problems.append(f"it has {have} {kind}{'' if have == 1 else 's'}: write at least {least}.")


@dataclass
class _Work:
    """The verification of one exercise under way."""

    exercise: Exercise
    grader: Grader
    result: Verified
    seeds: Sequence[int]
    slow: bool
    step: Step
    heard: dict[str, list[Observation]] = field(default_factory=dict)  # by file name, with the first seed

    def reference(self) -> bool:
        """Without a reference that passes, nothing else can be judged."""
        text = solution_source(chapter_of(self.exercise))
        faults = self._over_seeds(partial(self._right_fault, "reference.py", text))
        self._count(self.result.reference, faults, "the reference", "Mend the reference or the checks.")
        return not faults

    def stubs(self) -> None:
        """Both stubs are 'not started', with a message."""
        try:
            texts = sources.stubs(self.exercise)
        except (BuildError, ChapterError) as error:
            self.result.problems.append(f"no stub can be made: {error}.")
            return
        for name, text in texts.items():
            faults = self._over_seeds(partial(self._stub_fault, text))
            self._count(self.result.stubs, faults, name, "Does the probe reach the solution's own line?")

    def mistakes(self) -> None:
        """Every mistake is rejected with its own sentence, and can be told from every other."""
        wrong = sources.mistakes(self.exercise)
        broken = [each for each in wrong if each.fault]
        for each in broken:
            self.result.problems.append(
                f"{each.title} ({each.sentence!r}) cannot be made: {each.fault}. Mend the edit."
            )
        if broken:
            self.result.mistakes.of = len(wrong)
            self.result.problems.append("no mistake was judged, because naming one tries them all.")
            return
        twins = self._twins(wrong)
        for each in wrong:
            faults = self._over_seeds(partial(self._not_named, each, twins.get(each.title, [])))
            self._count(self.result.mistakes, faults, f"{each.title} ({each.sentence!r})")

    def alternatives(self) -> None:
        """Every alternative passes."""
        for name, text in sources.alternatives(self.exercise).items():
            faults = self._over_seeds(partial(self._right_fault, name, text))
            mend = "A right submission must pass: loosen what rejects it, or mend the alternative."
            self._count(self.result.alternatives, faults, f"alternative {name}", mend)

    def margin(self) -> None:
        """Measures how far apart right and wrong answers are, on the first seed."""
        wrong = {each.sentence: each.source for each in sources.mistakes(self.exercise) if not each.fault}
        facts = known(self.exercise.id, 0, False, DEVICE)
        seen = {sentence: self._observe(text) for sentence, text in wrong.items()}
        right = {name: self.heard[name] for name in sources.alternatives(self.exercise) if name in self.heard}
        self.result.margin = margin(self.exercise.list_of_checks, facts, right, seen)
        self.result.warnings += self.result.margin.warnings()

    def _twins(self, wrong: list[Wrong]) -> dict[str, list[str]]:
        """By title, the sentences of other mistakes that do the same in every case; each pair becomes a problem."""
        facts = known(self.exercise.id, 0, False, DEVICE)
        found: dict[str, list[str]] = {}
        suspects = [Suspect(self.exercise.list_of_checks, facts, self._observe(each.source)) for each in wrong]
        for (one, suspect), (other, theirs) in combinations(zip(wrong, suspects, strict=True), 2):
            if one.sentence != other.sentence and suspect.agrees(theirs.seen.__getitem__):
                found.setdefault(one.title, []).append(other.sentence)
                found.setdefault(other.title, []).append(one.sentence)
                self.result.problems.append(
                    f"no case tells {one.title} ({one.sentence!r}) from {other.title} ({other.sentence!r}). "
                    "Add a case on which they differ, or make one mistake of the two."
                )
        return found

    def _right_fault(self, name: str, text: str, seed: int) -> str:
        """What is wrong with the verdict of a right answer; '' when it passed with full points."""
        verdict = self._grade(name, text, seed, self.slow)
        if verdict.passed and verdict.points == verdict.out_of:
            return ""
        return f"is {_status(verdict)}, {verdict.points:g} of {verdict.out_of:g} points."

    def _stub_fault(self, text: str, seed: int) -> str:
        """What is wrong with the verdict of a stub; '' when it is 'not started' and says so."""
        verdict = self._grade("exercises.py", text, seed)
        if verdict.status == "not_started" and verdict.message.strip() and "\n" not in verdict.message:
            return ""
        return f"is {_status(verdict)}, not 'not_started'."

    def _not_named(self, wrong: Wrong, twins: list[str], seed: int) -> str:
        """What is wrong with the verdict of a mistake; '' when it is named by its own sentence, or a twin's."""
        verdict = self._grade("mistake.py", wrong.source, seed)
        if verdict.status == "passed":
            return "passes every check. Add a case on which it goes wrong, or a check that sees it."
        if verdict.status in ("not_started", "missing", "blocked", "grader_fault"):
            return f"is {_status(verdict)}. Mend the edit: a mistake is code that runs and goes wrong."
        if verdict.mistake == wrong.sentence or verdict.mistake in twins:
            return ""
        if not verdict.mistake:
            return f"is {_status(verdict)}, but not named. What it does must be the same in every run of a case."
        return f"is named {verdict.mistake!r}. Add a case that tells the two apart, or list it before the other."

    def _grade(self, name: str, text: str, seed: int, slow: bool = False) -> Verdict:
        self.grader.seed, self.grader.slow = seed, slow and seed == 0
        self.grader.outcomes = {}
        handed_in = replace(read_text(name, text), attachments=own_files(self.exercise))
        verdict = self.grader.grade(handed_in, [self.exercise.id]).verdicts[0]
        if (outcome := self.grader.outcomes.get(self.exercise.id)) and outcome.known:
            self.heard.setdefault(name, outcome.quick.seen)
        self.step()
        return verdict

    def _observe(self, text: str) -> list[Observation]:
        """What our own source does in every run of the first seed but the float32 twins, in this process."""
        runs = enumerate(known(self.exercise.id, 0, False, DEVICE).runs)
        return [
            Observation() if run.lowered else observe_mistake(self.exercise.id, text, 0, DEVICE, index)
            for index, run in runs
        ]

    def _over_seeds(self, fault_with: Callable[[int], str]) -> dict[str, list[int]]:
        """The seeds with which each fault shows; empty when all is well with every seed."""
        faults: dict[str, list[int]] = {}
        for seed in self.seeds:
            if fault := fault_with(seed):
                faults.setdefault(fault, []).append(seed)
        return faults

    def _count(self, tally: Tally, faults: dict[str, list[int]], what: str, mend: str = "") -> None:
        """Counts one thing that was graded; each of its faults becomes a problem."""
        tally.of += 1
        tally.good += not faults
        for fault, seeds in faults.items():
            only = f" (Only with seed {', '.join(map(str, seeds))}.)" if len(seeds) < len(self.seeds) else ""
            self.result.problems.append(f"{what} {fault} {mend}".rstrip() + only)


def _status(verdict: Verdict) -> str:
    """'failed in case "one position": The mean is not subtracted.'."""
    case = next((f" in case {check.case!r}" for check in verdict.checks if check.passed is False and check.case), "")
    said = " ".join(filter(None, [verdict.message, verdict.detail.split("\n")[0]]))
    return f"{verdict.status}{case}: {said}".rstrip(".")
