"""A live figure: the learner's code is run in the sandbox, and what it returns is drawn."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headwork.chapters import course
from headwork.checkers import catalogue
from headwork.checkers.probing import Case
from headwork.grading.dispatch import Conversation, Grader
from headwork.grading.extract import extract
from headwork.grading.outline import outline
from headwork.grading.plan import Run
from headwork.grading.program import Program, Submission
from headwork.grading.runner import Fault
from headwork.grading.sandbox import WorkerFault
from headwork.grading.unusable import MissingName, Unusable

if TYPE_CHECKING:
    from headwork.checkers.figure import Figure


@dataclass(frozen=True)
class Drawn:
    """What a figure has to show: `values` by name as the learner's code gave them, or the `problem` that it met.

    A figure `waits` while the learner has not written what it draws.
    """

    id: str
    settings: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    waits: bool = False
    printed: str = ""


def draw(
    grader: Grader,
    submission: Submission,
    id: str,
    given: dict[str, Any] | None = None,
    inputs: dict[str, Any] | None = None,
) -> Drawn:
    """Runs the learner's code for figure `id`, on other `inputs` than its settings make, if any are given.

    Raises UnknownFigure, and ValueError for a setting that cannot be.
    """
    figure = catalogue.figure(id)
    settings = figure.settings(given or {})
    chapter = id.partition(".")[0]
    try:
        program = _program(figure, settings, submission, course.chapter(chapter).packages)
    except MissingName:
        return Drawn(id, settings, problem=_wanted(figure.asked(settings)), waits=True)
    except Unusable as problem:
        return Drawn(id, settings, problem=str(problem))
    inputs = inputs or figure.inputs(**settings)
    with Conversation(grader, chapter) as talk:
        try:
            heard = talk.put(program, f"{id}_figure", [Run(Case("figure", **inputs))], figure.seconds)
        except WorkerFault as ours:
            return Drawn(id, settings, problem=f"The figure could not be drawn, by no fault of yours: {ours}")
    seen = heard.seen[0]
    fault = heard.fault or seen.fault
    if fault and fault.kind == "NotImplementedError":
        return Drawn(id, settings, problem=_wanted(figure.asked(settings)), waits=True)
    said = str(heard.gone) if heard.gone else _said(fault) if fault else ""
    return Drawn(id, settings, inputs, seen.values, said, printed=heard.printed)


def _program(figure: "Figure", settings: dict[str, Any], submission: Submission, packages: tuple[str, ...]) -> Program:
    bound = outline(submission).bindings
    names = [*figure.asked(settings), *(name for name in figure.optional if name in bound)]
    return extract(submission, names, packages)


def _wanted(names: tuple[str, ...]) -> str:
    quoted = [f"`{name}`" for name in names]
    written = " and ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))
    return f"Write {written}: what your code makes of it appears here."


def _said(fault: Fault) -> str:
    if fault.unfit:
        return fault.message
    where = f" ({fault.frames[-1][0]}, line {fault.frames[-1][1]})" if fault.frames else ""
    return f"Your code raises {fault.kind}: {fault.message.partition(chr(10))[0]}{where}"
