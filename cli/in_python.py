"""`headwork.check("gpt2.layer_norm")`, in a script or a notebook: the same judgement, and the same gradebook.

In a notebook the cells that this session has run are judged, as they were when they ran, not the file: it may not be
saved yet. What ran last counts, so a definition that was mended and run again replaces the one before.
"""

import atexit
import builtins
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from headwork.chapters.course import chapters
from headwork.cli.lookup import meant, unknown
from headwork.cli.say import Stop
from headwork.grading.notebook import without_magics
from headwork.grading.program import Submission, Unit
from headwork.grading.report import Report, Verdict
from headwork.grading.submission import LARGEST_CODE, Unreadable, read_beside, read_text, with_files

if TYPE_CHECKING:
    from headwork.gradebook.store import Gradebook
    from headwork.grading.dispatch import Grader

WIDTH = 80
NOTEBOOK = "this notebook"  # what messages call the cells that have run
NOT_RUN = "Cells count once they have run: run the one with your answer, then check again."


@dataclass(frozen=True, repr=False)
class Said(Report):
    """A report that has been printed: what a notebook shows of it is one line."""

    def __repr__(self) -> str:
        passed = sum(verdict.passed for verdict in self.verdicts)
        return f"<Report: {passed} of {len(self.verdicts)} passed, {self.points:g} of {self.out_of:g} points>"


def check(id: str | None, source: str | Path | None, caller: FrameType | None) -> Said:
    """Judges, records, prints; without an id, the chapters of which something is defined.

    Raises LookupError for an unknown id, ValueError when there is nothing to judge, and Unreadable.
    """
    ids = ids_of(id) if id is not None else None
    submission = submission_of(source, caller)
    if ids is None:
        ids = ids_within(submission)
    from headwork.gradebook import practice
    from headwork.gradebook.store import ME
    from headwork.grading.render import text

    book, grader = kept(ids[0].partition(".")[0])
    report = practice.check(book, grader, ME, submission, ids)
    print(text(report, width=WIDTH), end="", flush=True)
    if submission.name == NOTEBOOK and any(_is_not_run(verdict) for verdict in report.verdicts):
        print(f"\n  {NOT_RUN}", flush=True)
    return Said(**{each.name: getattr(report, each.name) for each in fields(report)})


def _is_not_run(verdict: Verdict) -> bool:
    """Whether a name is missing: what an answer of files lacks may be its file."""
    from headwork.checkers.catalogue import exercise

    return verdict.status == "missing" and not exercise(verdict.exercise).attached


def ids_of(word: str) -> Sequence[str]:
    """The exercises that a word names, as on the command line. Raises LookupError."""
    known = {chapter.name: [each.id for each in chapter.exercises] for chapter in chapters()}
    try:
        ids = meant(word, known)
    except Stop as problem:
        raise LookupError(str(problem)) from None
    if not ids:
        raise LookupError(unknown(word, known))
    return ids


def ids_within(submission: Submission) -> Sequence[str]:
    """The exercises of every chapter of which the submission defines something. Raises ValueError when it is none."""
    from headwork.grading.dispatch import ids_in  # imports torch

    ids = ids_in(submission)
    if not ids:
        mend = f" {NOT_RUN}" if submission.name == NOTEBOOK else ""
        raise ValueError(f"{submission.name} defines nothing yet that an exercise asks for.{mend}")
    return ids


def submission_of(source: str | Path | None, caller: FrameType | None) -> Submission:
    """The given text or file, else the notebook's cells so far, else the script that calls.

    Raises ValueError when there is nothing to read, and Unreadable.
    """
    if isinstance(source, Path) or (source is not None and "\n" not in source and source.endswith((".py", ".ipynb"))):
        return read_beside(Path(source))
    if source is not None:
        return with_files(read_text("source.py", source), Path.cwd())
    cells = cells_so_far(caller.f_globals if caller else {})
    if cells:
        return with_files(Submission(NOTEBOOK, tuple(cells)), Path.cwd())
    file = caller.f_globals.get("__file__") if caller else None
    if file and Path(file).is_file():
        return replace(read_beside(Path(file)), name=Path(file).name)
    raise ValueError("there is no file to check here: give source= a path, or the code as text")


def cells_so_far(namespace: dict[str, Any]) -> list[Unit]:
    """What IPython has run in this session, a unit a cell, called as its tracebacks call it; nothing elsewhere.

    Of a cell that ran unchanged more than once the last run counts. Only so much of the newest is taken as a file may
    hold.
    """
    get_ipython = namespace.get("get_ipython") or getattr(builtins, "get_ipython", None)
    shell = get_ipython() if callable(get_ipython) else None
    # as typed: in `In` IPython's own translation of magics stands, in which the body of a %%time cell is a string
    typed = getattr(getattr(shell, "history_manager", None), "input_hist_raw", None)
    history = typed or getattr(shell, "user_ns", {}).get("In", [])
    cells: dict[str, Unit] = {}
    room = LARGEST_CODE
    for number, text in reversed(list(enumerate(map(str, history)))):
        if not text.strip() or text in cells:
            continue
        room -= len(text)
        if room < 0:
            break
        with suppress(Unreadable):  # what Python could not run either
            source = read_text("", without_magics(text)).units[0].source
            if source.strip():
                cells[text] = Unit(f"cell In[{number}]", source)
    return list(reversed(cells.values()))


@lru_cache(maxsize=1)
def _opened() -> tuple["Gradebook", "Grader"]:
    from headwork.cli.grader import grader
    from headwork.gradebook.store import Gradebook

    grading = grader([])
    atexit.register(grading.close)
    book = Gradebook.open()
    atexit.register(book.close)
    return book, grading


def kept(chapter: str) -> tuple["Gradebook", "Grader"]:
    """The gradebook and the grader of this process, which stay open, with a worker for the chapter on its way."""
    book, grading = _opened()
    grading.warm([chapter])
    return book, grading
