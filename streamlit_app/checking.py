"""A check on the page: begun, watched, stopped, and its report."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from headwork.chapters.directives import ExerciseText
from headwork.gradebook.records import Attempt
from headwork.grading.report import Verdict
from headwork.grading.submission import Unreadable
from headwork.streamlit_app import frame, logic, verdict
from headwork.streamlit_app.components.said import say
from headwork.streamlit_app.desk import Desk
from headwork.streamlit_app.marking import Check, Marking

POLL = 0.3  # seconds between looks at a check that is under way
QUICK = 0.5  # seconds in which most checks are done, and the page waits for them


def begin(desk: Desk, marking: Marking, id: str, text: str) -> None:
    """Starts a check, unless one is under way, and draws the page anew."""
    last = marking.last(id)
    if not last or not last.running:
        try:
            marking.check(desk.gradebook, desk.learner, desk.submission(id, text), id).wait(QUICK)
        except Unreadable as problem:
            marking.refuse(id, str(problem))
    st.rerun()


def show(check: Check | None, runs: bool, exercise: ExerciseText, tries: Sequence[Attempt], is_fresh: bool) -> None:
    """The check that is under way, or what came of the last one, wherever it was made.

    runs: whether the check was running before the attempts were read: what ends later is among them in the next
    drawing only. is_fresh: the text is that of the last attempt.
    """
    newest = tries[0] if tries else None
    say(_aloud(check, runs, newest), key=f"said {exercise.id}")
    if check and runs:
        st.fragment(_watch, run_every=POLL)(check)
        return
    if check and not (newest and newest.finished > check.began) and (said := _no_attempt(check)):
        st.html(said)
    elif newest:
        _report(newest.verdict)
        if not is_fresh:
            st.html('<p class="hw-about">Your code has changed since this check.</p>')
        if newest.verdict.passed:
            _next(exercise.id)


def _aloud(check: Check | None, runs: bool, newest: Attempt | None) -> str:
    """What has become of the check, for who cannot see it."""
    if not check:
        return verdict.aloud(newest.verdict) if newest else ""
    if runs:
        return "Your code is being checked."
    if check.report is None:
        return "The check was stopped."
    return check.report.problem or verdict.aloud(check.report.verdicts[0])


def _watch(check: Check) -> None:
    if not check.running:
        st.rerun()
    st.html(running(check))
    st.button("Stop", key=f"stop {check.id}", on_click=check.stop)


def running(check: Check) -> str:
    """How far a check has come, as HTML."""
    at = check.control.progress
    where = f"Case {at.number} of {at.of}: {escape(at.case)}" if at.number else "Getting ready"
    return f'<p class="hw-running"><b>{where}</b><span>{check.seconds:.1f} s</span></p>'


def _no_attempt(check: Check) -> str:
    """What is said of a check that was not recorded; nothing of one that was."""
    report = check.report
    if report is None:
        return verdict.stopped(check.seconds)
    if report.problem:
        return verdict.problem(report.problem)
    return "".join(verdict.html(each) for each in report.verdicts) if report.faulty else ""


def _report(last: Verdict) -> None:
    st.html(verdict.html(last))
    detail = verdict.detail(last)
    if detail and not last.passed:
        st.html(verdict.lines(detail))
    if last.printed.strip():
        with st.expander("What your code printed"):
            st.html(verdict.lines(verdict.printed(last)))


def _next(id: str) -> None:
    _, after = logic.neighbours(id)
    if after:
        with st.container(key="continue"):
            label = f"Next: {logic.plain(logic.title_of(after))}"
            st.page_link(frame.CHAPTER, label=label, query_params={"exercise": after})
