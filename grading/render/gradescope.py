"""Gradescope's `results.json`: https://gradescope-autograders.readthedocs.io/en/latest/specs/."""

import json
from typing import Any, Literal

from headwork.grading.render.clean import clean, one_line
from headwork.grading.render.words import OURS, WORDS, headline, mistake
from headwork.grading.report import Report, Verdict

Visibility = Literal["visible", "hidden", "after_due_date", "after_published"]


def gradescope(report: Report, visibility: Visibility = "visible", stdout_visibility: Visibility = "hidden") -> str:
    """One test an exercise. A report with a grader's fault has no score at all, so Gradescope keeps none."""
    results: dict[str, Any] = {"visibility": visibility, "stdout_visibility": stdout_visibility}
    if report.faulty:
        results |= {"output": OURS, "output_format": "text", "tests": []}
    elif report.problem:
        results |= {"score": 0, "output": one_line(report.problem), "output_format": "text", "tests": []}
    else:
        results["tests"] = [_test(verdict, visibility) for verdict in report.verdicts]
    return json.dumps(results, indent=2, allow_nan=False) + "\n"


def _test(verdict: Verdict, visibility: Visibility) -> dict[str, Any]:
    return {
        "name": one_line(verdict.exercise),
        "score": verdict.points,
        "max_score": verdict.out_of,
        "status": "passed" if verdict.passed else "failed",
        "output": plain(verdict),
        "output_format": "text",
        "visibility": visibility,
    }


def plain(verdict: Verdict) -> str:
    """All that is said of an exercise, as paragraphs without colour."""
    if verdict.passed:
        return "\n".join([WORDS["passed"].sentence, *(f"note: {one_line(note)}" for note in verdict.notes)])
    said = [headline(verdict), mistake(verdict)]
    if verdict.status not in ("blocked", "grader_fault"):
        said += [_check(check.title, check.case, check.message) for check in verdict.checks if check.passed is False]
    if verdict.file and verdict.line:
        said.append(f"{one_line(verdict.file)}, line {verdict.line}")
    said += [clean(verdict.detail).strip("\n"), *(f"note: {one_line(note)}" for note in verdict.notes)]
    if verdict.printed.strip():
        said.append("Your code printed:\n" + clean(verdict.printed).strip("\n"))
    return "\n".join(each for each in said if each)


def _check(title: str, case: str, message: str) -> str:
    where = f" (case: {one_line(case)})" if case else ""
    return f"- {one_line(title)}{where}" + (f": {one_line(message)}" if message else "")
