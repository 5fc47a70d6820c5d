"""Many reports at a glance: a row a submission, a column an exercise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from headwork.grading.render.clean import one_line
from headwork.grading.render.words import WORDS, number
from headwork.grading.report import Report, Verdict


def exercises(reports: Sequence[Report]) -> list[str]:
    """The exercises of all reports, in the order in which they are first met."""
    return list(dict.fromkeys(verdict.exercise for report in reports for verdict in report.verdicts))


def table(reports: Sequence[Report]) -> "Overview":
    """For `grade`: what a rich console prints as the table, then a line a submission that could not be read."""
    return Overview(tuple(reports))


@dataclass(frozen=True)
class Overview:
    """Columns carry the exercises' names where the console has room, else numbers that are explained below."""

    reports: tuple[Report, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        names = _short(exercises(self.reports))
        label = min(max((len(one_line(report.submission)) for report in self.reports), default=0), 30)
        numbered = max(label, 10) + sum(max(len(name), 4) + 2 for name in names) + 12 > options.max_width
        yield _grid(self.reports, [str(place) for place in range(1, len(names) + 1)] if numbered else names)
        below = list(_below(self.reports))
        if numbered:
            below.insert(0, Text("  ".join(f"{place} {name}" for place, name in enumerate(names, 1)), "dim"))
        if below:
            yield Text("")
        yield from below


def _grid(reports: Sequence[Report], headers: Sequence[str]) -> Table:
    grid = Table(box=None, padding=(0, 1), pad_edge=False, header_style="bold")
    grid.add_column("submission", overflow="fold", min_width=10, max_width=30)
    for header in headers:
        grid.add_column(Text(header), justify="right", no_wrap=True)
    grid.add_column("points", justify="right", no_wrap=True)
    for report in reports:
        got = {verdict.exercise: verdict for verdict in report.verdicts}
        cells = [_cell(got.get(exercise)) for exercise in exercises(reports)]
        grid.add_row(Text(one_line(report.submission)), *cells, _total(report))
    return grid


def _below(reports: Sequence[Report]) -> Iterator[Text]:
    for report in reports:
        if report.problem:
            words = f"{one_line(report.submission)}: {one_line(report.problem)}"
            yield Text(words, "yellow", no_wrap=True, overflow="ellipsis")
    faulty = sum(report.faulty for report in reports)
    if faulty:
        yield Text(f"Queued, to be graded again: {faulty}. There the grader failed (!), not the learner.", "magenta")


def _short(asked: list[str]) -> list[str]:
    """Names without their chapter, when there is only one."""
    cleaned = [one_line(each) for each in asked]
    if len({each.partition(".")[0] for each in cleaned}) == 1:
        return [each.partition(".")[2] or each for each in cleaned]
    return cleaned


def _cell(verdict: Verdict | None) -> Text:
    if verdict is None:
        return Text("")
    word = WORDS[verdict.status]
    partial = verdict.points if not verdict.passed and verdict.status != "grader_fault" else 0
    return Text(f"{word.mark} {number(partial)}" if partial else word.mark, word.colour)


def _total(report: Report) -> Text:
    if report.faulty:
        return Text("queued", "magenta")
    if report.problem:
        return Text("unread", "yellow")
    return Text(f"{number(report.points)}/{number(report.out_of)}", "bold" if report.passed else "")
