"""A report as a learner reads it: what passed in a line each, and of the rest what to hear first."""

import io
import re

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from headwork.grading.render.clean import clean, one_line
from headwork.grading.render.words import WORDS, headline, mistake, next_step, number, points
from headwork.grading.report import CheckResult, Report, Verdict

PRINTED = 20  # lines of the learner's prints that are shown
BODY = 4  # columns that what belongs to an exercise is moved in


def text(report: Report, width: int = 80, colour: bool = False) -> str:
    """The report for a terminal of this width. Nothing a learner wrote is taken for markup or for an escape."""
    lines: list[RenderableType] = [Text(one_line(report.submission), "bold"), ""]
    if report.problem:
        lines += [_indented(one_line(report.problem), 2, "bold yellow"), ""]
    for verdict in report.verdicts:
        lines += [_line(verdict), *_body(verdict)]
    if report.verdicts and report.verdicts[-1].passed:
        lines.append("")
    lines.append(_foot(report))
    return rendered(lines, width, colour)


def rendered(lines: list[RenderableType], width: int, colour: bool) -> str:
    """What rich makes of these, without spaces at the ends of lines."""
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        force_jupyter=False,  # in a notebook rich would also show the text as HTML
        no_color=not colour,
        color_system="standard" if colour else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )
    with console.capture() as capture:
        for line in lines:
            console.print(line)
    return re.sub(r"[ ]+((?:\x1b\[0m)?)$", r"\1", capture.get(), flags=re.MULTILINE)


def _line(verdict: Verdict) -> RenderableType:
    word = WORDS[verdict.status]
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(width=3)
    row.add_column(ratio=1, overflow="fold")
    row.add_column(justify="right", no_wrap=True)
    row.add_column(justify="right", no_wrap=True, min_width=5)
    name = "" if verdict.passed else word.name
    row.add_row(
        Text(f"  {word.mark}", word.colour),
        Text(one_line(verdict.exercise), "" if verdict.passed else "bold"),
        Text(name, word.colour),
        Text(points(verdict), "dim"),
    )
    return row


def _body(verdict: Verdict) -> list[RenderableType]:
    """What is said below the exercise's line, in the order in which it helps."""
    said: list[RenderableType] = []
    if not verdict.passed:
        named = mistake(verdict)
        said.append(_indented(headline(verdict), BODY, "bold" if verdict.mistake and not named else ""))
        if named:
            said.append(_indented(named, BODY, "bold yellow", mark="→ "))
        if verdict.status == "grader_fault":
            said += [_indented(words, BODY, "dim") for words in [clean(verdict.message).strip()] if words]
        elif verdict.status != "blocked":
            for check in verdict.checks:
                said += _check(check, headline(verdict))
        if verdict.detail.strip():
            said += ["", _indented(_where(verdict) + clean(verdict.detail).strip("\n"), BODY + 2, "dim")]
    said += [_indented(one_line(note), BODY, "dim", mark="note: ") for note in verdict.notes]
    if not verdict.passed and verdict.printed.strip():
        said += _printed(verdict.printed)
    return said if verdict.passed else [*said, ""]


def _check(check: CheckResult, already: str) -> list[RenderableType]:
    if check.passed is not False:
        return []
    case = f" (case: {one_line(check.case)})" if check.case else ""
    said: list[RenderableType] = [_indented(one_line(check.title) + case, BODY, mark="- ")]
    message = clean(check.message).strip()
    if message and message != already:
        said.append(_indented(message, BODY + 2, "dim"))
    return said


def _where(verdict: Verdict) -> str:
    if not verdict.file:
        return ""
    return f"{one_line(verdict.file)}, line {verdict.line}\n" if verdict.line else f"{one_line(verdict.file)}\n"


def _printed(printed: str) -> list[RenderableType]:
    lines = clean(printed).strip("\n").split("\n")
    shown: list[RenderableType] = ["", _indented("Your code printed:", BODY, "dim")]
    shown += [_indented(line, BODY, mark="| ") for line in lines[:PRINTED]]
    if len(lines) > PRINTED:
        shown.append(_indented(f"({len(lines) - PRINTED} more lines)", BODY, "dim"))
    return shown


def _foot(report: Report) -> RenderableType:
    said = ""
    if report.verdicts:
        passed = sum(verdict.passed for verdict in report.verdicts)
        said = f"{passed} of {len(report.verdicts)} passed, "
        said += f"{number(report.points)} of {number(report.out_of)} points. "
    words = Text(said + next_step(report))
    words.highlight_regex("`[^`]+`", "cyan")
    return words


def _indented(words: str, by: int, style: str = "", mark: str = "") -> RenderableType:
    """Text moved in; what wraps stays to the right of the mark."""
    row = Table.grid()
    row.add_column(width=len(mark))
    row.add_column(overflow="fold")
    body = Text(words.expandtabs(4), style)
    row.add_row(*((Text(mark, style), body) if mark else ("", body)))
    return Padding(row if mark else body, (0, 0, 0, by), expand=False)
