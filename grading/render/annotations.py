"""GitHub's workflow commands, which mark lines of a pull request."""

from pathlib import PurePosixPath

from headwork.grading.render.clean import clean, one_line
from headwork.grading.render.words import headline, mistake
from headwork.grading.report import Report, Status, Verdict

LEVELS: dict[Status, str] = {
    "not_started": "notice",
    "missing": "notice",
    "blocked": "notice",
    "grader_fault": "warning",
}


def annotations(report: Report) -> str:
    """A line an exercise that did not pass: an error, or a notice where there is nothing to mend in the code."""
    lines = []
    if report.problem:
        lines.append(_command("error", {"file": one_line(report.submission)}, one_line(report.problem)))
    for verdict in report.verdicts:
        if not verdict.passed:
            said = "\n".join(each for each in (headline(verdict), mistake(verdict)) if each)
            about = {**_place(report, verdict), "title": one_line(verdict.exercise)}
            lines.append(_command(LEVELS.get(verdict.status, "error"), about, clean(said)))
    return "".join(line + "\n" for line in lines)


def _place(report: Report, verdict: Verdict) -> dict[str, str]:
    """The file as the repository knows it, and the line where lines of that file are meant."""
    handed_in, named = one_line(report.submission), one_line(verdict.file)
    if PurePosixPath(handed_in).suffix in (".ipynb", ".zip"):  # lines are a cell's, or are inside the archive
        return {"file": handed_in}
    whole = not named or PurePosixPath(handed_in).suffix == ".py"
    file = handed_in if whole else f"{handed_in.rstrip('/')}/{named}"
    return {"file": file, "line": str(verdict.line)} if named.endswith(".py") and verdict.line else {"file": file}


def _command(level: str, about: dict[str, str], message: str) -> str:
    properties = ",".join(f"{name}={_property(value)}" for name, value in about.items() if value)
    return f"::{level} {properties}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
