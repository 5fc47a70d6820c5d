"""Spreadsheets: every verdict as a row, and what Canvas' gradebook imports."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from headwork.grading.render.bulk import exercises
from headwork.grading.render.clean import one_line
from headwork.grading.render.words import headline, number
from headwork.grading.report import Report, Verdict

COLUMNS = ["submission", "exercise", "status", "points", "out_of", "message", "mistake", "file", "line", "seed"]


class Student(NamedTuple):
    """Whom Canvas knows: `id` is its own number for them, `login` their SIS login."""

    name: str
    id: str = ""
    login: str = ""
    section: str = ""


def as_csv(reports: Sequence[Report]) -> str:
    """One row a verdict; a submission that could not be read is a row without an exercise."""
    rows: list[list[str]] = [COLUMNS]
    for report in reports:
        label, seed = safe(report.submission), str(report.seed)
        if report.problem:
            rows.append([label, "", "unreadable", "", "", safe(report.problem), "", "", "", seed])
        rows += [[label, *_columns(verdict), seed] for verdict in report.verdicts]
    return _sheet(rows)


def canvas(reports: Sequence[Report], students: Mapping[str, Student] | None = None) -> str:
    """One row a student, one column an exercise; `students` says whose a submission's label is.

    A cell is empty where there is nothing to tell Canvas: not asked, not read, or to be graded again.
    """
    asked = exercises(reports)
    worth = {verdict.exercise: verdict.out_of for report in reports for verdict in report.verdicts}
    rows = [
        ["Student", "ID", "SIS Login ID", "Section", *(safe(exercise) for exercise in asked)],
        ["    Points Possible", "", "", "", *(number(worth[exercise]) for exercise in asked)],
    ]
    for report in reports:
        got = {verdict.exercise: verdict for verdict in report.verdicts}
        student = (students or {}).get(report.submission) or Student(report.submission)
        rows.append([*(safe(each) for each in student), *(_points(got.get(exercise)) for exercise in asked)])
    return _sheet(rows)


def safe(text: str) -> str:
    """One line that no spreadsheet takes for a formula."""
    line = one_line(text)
    return "'" + line if line.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")) else line


def _columns(verdict: Verdict) -> list[str]:
    message = "" if verdict.passed else headline(verdict)
    got = _points(verdict)
    line = str(verdict.line) if verdict.line else ""
    words = [safe(verdict.exercise), verdict.status, got, number(verdict.out_of)]
    return [*words, safe(message), safe(verdict.mistake), safe(verdict.file), line]


def _points(verdict: Verdict | None) -> str:
    """Nothing, rather than a zero, where the grader failed."""
    return "" if verdict is None or verdict.status == "grader_fault" else number(verdict.points)


def _sheet(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
