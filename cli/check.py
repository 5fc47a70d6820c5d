"""`headwork check`: my work, judged now."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from headwork.cli.grader import grader
from headwork.cli.say import FAULT, NOT_PASSED, PASSED, UNUSABLE, as_json, in_words, note, stdout, wants_colour, working
from headwork.cli.targets import DEFINED, Target, must_exist, targets
from headwork.grading.program import Submission
from headwork.grading.report import Report
from headwork.grading.submission import Unreadable

if TYPE_CHECKING:
    from headwork.gradebook.store import Gradebook
    from headwork.grading.dispatch import Grader

Judge = Callable[[Target], Report]


def run(words: list[str], *, watch: bool, json: bool, seed: int) -> int:
    found = targets(words)
    if not found and not watch:
        return _nothing_started(json)
    must_exist(found)
    with ExitStack() as stack:
        with working("Getting ready…", quiet=json):
            judge = _ready(stack, found, seed)
        if watch:
            from headwork.cli.watch import watch as keep_watching

            return keep_watching(words, judge)
        reports = []
        for target in found:
            with working(f"Checking {target.path.name}…", quiet=json):
                reports.append(judge(target))
            if not json:
                show(reports[-1])
        if json:
            as_json(as_data(reports))
        return code_of(reports)


def _ready(stack: ExitStack, found: list[Target], seed: int) -> Judge:
    """Starts the workers, and opens the gradebook while they load torch."""
    grading = stack.enter_context(grader([name for target in found for name in target.chapters()], seed=seed))
    from headwork.gradebook.store import Gradebook

    book = stack.enter_context(Gradebook.open())
    return lambda target: judged(book, grading, target)


def judged(book: "Gradebook", grading: "Grader", target: Target) -> Report:
    """Checks one target and records it; a file that cannot be read gets a report that says so."""
    from headwork.cli.lookup import shown
    from headwork.gradebook.practice import check
    from headwork.gradebook.store import ME

    try:
        submission = target.read()
    except Unreadable as problem:
        return Report(shown(target.path), (), grading.seed, problem=str(problem))
    ids = list(target.ids) if target.ids is not None else ids_of(submission)
    if not ids:
        return grading.grade(submission)
    return check(book, grading, ME, submission, ids)


def ids_of(submission: Submission) -> list[str]:
    """The exercises of which the submission defines a name, also in what Python cannot parse."""
    from headwork.checkers import catalogue
    from headwork.grading.outline import outline

    parsed = outline(submission)
    broken = "\n".join(unit.source for unit, _ in parsed.broken)
    defined = {*parsed.bindings, *DEFINED.findall(broken)}
    return [id for id in catalogue.ids() if set(catalogue.exercise(id).names) & defined]


def show(report: Report) -> None:
    """The report on stdout; of what could not be read, one line on stderr."""
    from headwork.grading.render import text

    if report.problem:
        note(f"headwork: {report.problem}")
        return
    sys.stdout.write(text(report, width=stdout().width, colour=wants_colour()))
    sys.stdout.flush()


def as_data(reports: list[Report]) -> dict[str, object]:
    return {"passed": all(each.passed for each in reports), "reports": [each.as_json() for each in reports]}


def code_of(reports: list[Report]) -> int:
    if any(each.faulty for each in reports):
        return FAULT
    if any(each.problem and not each.verdicts for each in reports):
        return UNUSABLE
    return PASSED if all(each.passed for each in reports) else NOT_PASSED


def _nothing_started(json: bool) -> int:
    if json:
        as_json({"passed": False, "reports": []})
        note("nothing is started in this workspace yet: `headwork status` shows what comes first")
    else:
        in_words("Nothing is started here yet. `headwork status` shows what comes first.")
    return NOT_PASSED
