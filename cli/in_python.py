"""`headwork.check("gpt2.layer_norm")`, in a script or a notebook: the same judgement, and the same gradebook."""

import atexit
import builtins
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from headwork.chapters.course import chapters
from headwork.cli.lookup import meant, unknown
from headwork.cli.say import Stop
from headwork.grading.program import Submission, Unit
from headwork.grading.report import Report
from headwork.grading.submission import read, read_text

if TYPE_CHECKING:
    from headwork.gradebook.store import Gradebook
    from headwork.grading.dispatch import Grader

WIDTH = 80


@dataclass(frozen=True, repr=False)
class Said(Report):
    """A report that has been printed: what a notebook shows of it is one line."""

    def __repr__(self) -> str:
        passed = sum(verdict.passed for verdict in self.verdicts)
        return f"<Report: {passed} of {len(self.verdicts)} passed, {self.points:g} of {self.out_of:g} points>"


def check(id: str, source: str | Path | None, caller: FrameType | None) -> Said:
    """Judges, records, prints. Raises LookupError for an unknown id, ValueError when there is no source to be found."""
    ids = ids_of(id)
    submission = submission_of(source, caller)
    from headwork.gradebook import practice
    from headwork.gradebook.store import ME
    from headwork.grading.render import text

    book, grader = kept(ids[0].partition(".")[0])
    report = practice.check(book, grader, ME, submission, ids)
    print(text(report, width=WIDTH), end="", flush=True)
    return Said(**{each.name: getattr(report, each.name) for each in fields(report)})


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


def submission_of(source: str | Path | None, caller: FrameType | None) -> Submission:
    """The given text or file, else the notebook's cells so far, else the script that calls.

    Raises ValueError when there is nothing to read, and Unreadable.
    """
    if isinstance(source, Path) or (source is not None and "\n" not in source and source.endswith((".py", ".ipynb"))):
        return read(Path(source))
    if source is not None:
        return read_text("source.py", source)
    cells = cells_so_far(caller.f_globals if caller else {})
    if cells:
        return Submission("this notebook", tuple(cells))
    file = caller.f_globals.get("__file__") if caller else None
    if file and Path(file).is_file():
        return replace(read(Path(file)), name=Path(file).name)
    raise ValueError("there is no file to check here: give source= a path, or the code as text")


def cells_so_far(namespace: dict[str, Any]) -> list[Unit]:
    """What IPython has run in this session, a unit a cell; nothing elsewhere."""
    get_ipython = namespace.get("get_ipython") or getattr(builtins, "get_ipython", None)
    shell = get_ipython() if callable(get_ipython) else None
    history = getattr(shell, "user_ns", {}).get("In", [])
    return [Unit(f"cell {number}", str(text)) for number, text in enumerate(history) if str(text).strip()]


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
