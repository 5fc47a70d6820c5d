"""A verdict as a piece of HTML: the sentence to hear first, then the checks. All text is escaped."""

import re
from html import escape

from headwork.grading.render.clean import clean, one_line
from headwork.grading.render.words import WORDS, headline, mistake, number
from headwork.grading.report import CheckResult, Verdict
from headwork.streamlit_app.desk import Sheet

PRINTED = 200  # lines of the learner's prints that are shown
WIDEST = 2000  # letters of such a line
MARKS = {True: ("✓", "passed"), False: ("✗", "failed"), None: ("·", "open")}


def html(verdict: Verdict) -> str:
    """The verdict, without detail and prints, which are shown as code."""
    word = WORDS[verdict.status]
    said = [_line("hw-sentence", word.sentence if verdict.passed else headline(verdict))]
    if mistake(verdict) and not verdict.passed:
        said.append(_line("hw-sentence", mistake(verdict)))
    checks = "".join(_check(each, headline(verdict)) for each in verdict.checks)
    if difference := first_difference(verdict):
        said.append(difference)
    notes = "".join(_line("hw-note", note) for note in verdict.notes)
    score = f"{number(verdict.points)} of {number(verdict.out_of)} points"
    return (
        f'<section class="hw-verdict hw-{_kind(verdict)}">'
        f'<p class="hw-head"><span>{word.mark} {word.name}</span><span>{score}</span></p>'
        f"{''.join(said)}{f'<ul>{checks}</ul>' if checks else ''}{notes}</section>"
    )


def aloud(verdict: Verdict) -> str:
    """The verdict in one breath, as plain text."""
    word = WORDS[verdict.status]
    said = word.sentence if verdict.passed else headline(verdict)
    return f"{word.name}: {said} {number(verdict.points)} of {number(verdict.out_of)} points."


_DIFFERENCE = re.compile(r"(?P<place>\S.*?) is (?P<got>\S+), expected (?P<want>\S+)\Z")


def first_difference(verdict: Verdict) -> str:
    """Where the first wrong number stands, what it is and what it should be, in which case."""
    found = _DIFFERENCE.match(_lines(verdict)[0]) if not verdict.passed else None
    if not found:
        return ""
    case = next((check.case for check in verdict.checks if check.passed is False), "")
    rows = [("first difference", found["place"]), ("yours", found["got"]), ("expected", found["want"])]
    cells = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    share = next((line for line in _lines(verdict)[1:2] if line.endswith("entries differ")), "")
    about = ", ".join(filter(None, [f"case {_quoted(case)}" if case else "", share]))
    return f'<dl class="hw-first">{cells}</dl>{_line("hw-note", about) if about else ""}'


def _quoted(case: str) -> str:
    return f"“{one_line(case)}”"


def _lines(verdict: Verdict) -> list[str]:
    return clean(verdict.detail).strip("\n").split("\n")


def stopped(seconds: float) -> str:
    """What is said when the learner stopped a check."""
    said = _line("hw-sentence", f"Stopped after {seconds:.1f} s.")
    about = _line("hw-note", "Your code was ended, and this does not count as an attempt.")
    return f'<section class="hw-verdict hw-waiting">{said}{about}</section>'


def problem(message: str) -> str:
    """What is wrong with the text as a whole."""
    return f'<section class="hw-verdict hw-failed">{_line("hw-sentence", message)}</section>'


def detail(verdict: Verdict) -> str:
    """Where, and what was seen, as plain text, without the first difference."""
    place = one_line(verdict.file) + (f", line {verdict.line}" if verdict.line else "") if verdict.file else ""
    lines = _lines(verdict)
    if first_difference(verdict):
        lines = lines[2:] if len(lines) > 1 and lines[1].endswith("entries differ") else lines[1:]
    elif place and lines[0].startswith(f"{place}, in "):  # a traceback begins with it
        place = ""
    return "\n".join(filter(None, [place, "\n".join(lines)]))


def marker(verdict: Verdict, sheet: Sheet) -> tuple[int, str] | None:
    """The line of the learner's text at which something went wrong, and what; none where no such line is known."""
    within = range(sheet.line, sheet.line + sheet.text.count("\n") + 1)
    if verdict.passed or verdict.status == "not_started" or verdict.file != sheet.label or verdict.line not in within:
        return None
    return verdict.line, headline(verdict)


def lines(text: str) -> str:
    """Lines of code or of what it printed, as HTML; `st.code` would fetch a highlighter of 1.5 MB for it."""
    return f'<pre class="hw-lines" tabindex="0">{escape(text)}</pre>'


def printed(verdict: Verdict) -> str:
    """What the learner's code printed, as plain text."""
    lines = clean(verdict.printed).strip("\n").split("\n")
    shown = [line[:WIDEST] for line in lines[:PRINTED]]
    return "\n".join([*shown, f"({len(lines) - PRINTED} more lines)"] if len(lines) > PRINTED else shown)


def _kind(verdict: Verdict) -> str:
    if verdict.status in ("passed", "grader_fault"):
        return verdict.status
    return "waiting" if verdict.status in ("blocked", "not_started", "missing") else "failed"


def _check(check: CheckResult, already: str) -> str:
    mark, kind = MARKS[check.passed]
    said = f"<span>{words(one_line(check.title))}</span>"
    message = clean(check.message).strip()
    if check.passed is not True and message and message != already:
        case = f" (case: {one_line(check.case)})" if check.case else ""
        said += f"<small>{words(message + case)}</small>"
    return f'<li class="hw-{kind}"><b aria-label="{kind}">{mark}</b><div>{said}</div></li>'


def _line(kind: str, text: str) -> str:
    return f'<p class="{kind}">{words(clean(text))}</p>'


def words(text: str) -> str:
    """Escaped, with what stands between backticks as code."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", escape(text))
