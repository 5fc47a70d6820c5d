"""What each status is called, in words that help. A blocked exercise is nobody's fault; a grader's fault is ours."""

from typing import NamedTuple

from headwork.grading.render.clean import clean
from headwork.grading.report import Report, Status, Verdict


class Word(NamedTuple):
    mark: str
    colour: str
    name: str
    sentence: str  # said when the verdict has no message of its own


WORDS: dict[Status, Word] = {
    "passed": Word("✓", "green", "passed", "All checks pass."),
    "failed": Word("✗", "red", "not yet", "Some checks do not pass yet."),
    "not_started": Word("·", "dim", "not started", "This is still as it was given to you."),
    "missing": Word("·", "yellow", "not found", "What was handed in does not define it."),
    "error": Word("✗", "red", "stopped", "Your code raised an exception."),
    "timed_out": Word("✗", "red", "took too long", "Your code did not finish in the time it has."),
    "out_of_memory": Word("✗", "red", "too much memory", "Your code needs more memory than it has."),
    "forbidden": Word("✗", "red", "shortcut", "Your code calls what this exercise asks you to write."),
    "blocked": Word("○", "cyan", "waiting", "This waits until another exercise passes."),
    "grader_fault": Word("!", "magenta", "our fault", "The grader failed here."),
}
OURS = "This is the grader's fault, not yours. Your work stays queued and will be graded again."


def headline(verdict: Verdict) -> str:
    """The sentence to read first."""
    if verdict.status == "grader_fault":
        return OURS
    return clean(verdict.message or verdict.mistake).strip() or WORDS[verdict.status].sentence


def mistake(verdict: Verdict) -> str:
    """The sentence of the mistake that was recognised, where the headline does not already say it."""
    said = clean(verdict.mistake).strip()
    return "" if said in headline(verdict) else said


def number(value: float) -> str:
    """Points as people write them: 2, 0.5, 3.33."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def points(verdict: Verdict) -> str:
    return f"{number(verdict.points)}/{number(verdict.out_of)}"


def next_step(report: Report) -> str:
    """What to do now, one sentence."""
    if report.problem:
        return "Mend that, then hand it in again."
    to_mend = [each for each in report.verdicts if each.status not in ("passed", "blocked", "grader_fault")]
    if not to_mend:
        if report.faulty:
            return "Nothing to do now: it will be graded again."
        waits = any(each.status == "blocked" for each in report.verdicts)
        return "`headwork status` shows what comes next." if report.verdicts and not waits else "Try `headwork status`."
    started = [each for each in to_mend if each.status not in ("not_started", "missing")]
    name = clean((started or to_mend)[0].exercise)
    if not started:
        return f"Next is {name}; `headwork hint {name}` gives a first idea."
    return f"Next: `headwork hint {name}`, or `headwork debug {name}` for the failing case."
