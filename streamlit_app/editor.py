"""The side on which a learner writes: the task, the editor, Check, the report and the hints."""

from html import escape

import streamlit as st

from headwork.chapters.directives import ExerciseText
from headwork.gradebook import practice
from headwork.grading.report import Report
from headwork.grading.submission import Unreadable
from headwork.streamlit_app import logic, verdict
from headwork.streamlit_app.components.code_editor import Edited, code_editor, forget
from headwork.streamlit_app.desk import Desk, NotSaved, Sheet
from headwork.streamlit_app.marking import Marking


def show(desk: Desk, marking: Marking, exercise: ExerciseText) -> None:
    """Raises NotSaved when the learner's file cannot be read."""
    id = exercise.id
    report = _last_report(desk, id)
    st.markdown(f"## {exercise.title}")
    st.html(f'<p class="hw-about">{escape(logic.about(exercise))}</p>')
    with st.expander("What to write", expanded=report is None), st.container(key="task"):
        st.markdown(logic.shown(exercise.markdown))
    edited = _editor(desk, id)
    buttons = st.container(horizontal=True)
    asked = buttons.button("Check", type="primary", key=f"check {id}") or edited.check
    hints = practice.hints_had(desk.gradebook, desk.learner, id)
    if len(hints) < len(exercise.hints):
        label = f"Hint {len(hints) + 1} of {len(exercise.hints)}"
        buttons.button(label, key=f"hint {id}", on_click=_take_hint, args=(desk, id))
    if asked and not st.session_state.get(f"unsaved {id}"):
        with st.spinner("Your code is being checked…", show_time=True):
            _remember(id, _check(desk, marking, id, edited.text))
        st.rerun()
    if report:
        _report(report)
        if _has_moved_on(desk, id, edited.text):
            st.html('<p class="hw-about">Your code has changed since this check.</p>')
    for each in hints:
        with st.container(key=f"hint-{each.number}"):
            st.html(f'<p class="hw-about">Hint {each.number} of {each.of}</p>')
            st.markdown(logic.shown(each.text))


def _take_hint(desk: Desk, id: str) -> None:
    practice.next_hint(desk.gradebook, desk.learner, id)


def _editor(desk: Desk, id: str) -> Edited:
    """The code editor; what is typed in it is kept as it comes."""
    sheet, base, unsaved = desk.sheet(id), f"base {id}", st.session_state.get(f"unsaved {id}")
    if base not in st.session_state or (sheet.path and not unsaved):
        st.session_state[base] = sheet.text

    def keep(text: str) -> bool:
        _keep(desk, id, text, st.session_state[base])
        return f"unsaved {id}" not in st.session_state

    text = st.session_state[base] if unsaved else sheet.text
    edited = code_editor(text, key=f"code {id}", first_line=sheet.line, on_change=keep)
    _where(sheet)
    if unsaved:
        _quarrel(desk, sheet, id, edited.text, str(unsaved))
    return edited


def _keep(desk: Desk, id: str, text: str, base: str) -> None:
    try:
        desk.save(id, text, base)
    except NotSaved as problem:
        st.session_state[f"unsaved {id}"] = str(problem)
    else:
        st.session_state[f"base {id}"] = desk.sheet(id).text
        st.session_state.pop(f"unsaved {id}", None)


def _quarrel(desk: Desk, sheet: Sheet, id: str, text: str, why: str) -> None:
    """What the page holds and what the file holds differ: the learner says which it is to be."""
    st.html(verdict.problem(why))
    ways = st.container(horizontal=True)
    ways.button("Take what is in the file", key=f"theirs {id}", on_click=_forget, args=(id,))
    ways.button("Keep what is here", key=f"ours {id}", on_click=_keep, args=(desk, id, text, sheet.text))


def _forget(id: str) -> None:
    forget(f"code {id}")
    for each in ("base", "unsaved"):
        st.session_state.pop(f"{each} {id}", None)


def _where(sheet: Sheet) -> None:
    if sheet.path:
        file = f"{sheet.path.parent.name}/{sheet.path.name}"
        said = f"This is your <code>{escape(file)}</code>, from line {sheet.line}; saved as you type."
    elif sheet.source == "nothing":
        said = "This chapter has no stub yet (<code>headwork build</code> makes it): write the whole definition."
    else:
        said = "Kept as a draft as you type."
    st.html(f'<p class="hw-about">{said}</p>')


def _check(desk: Desk, marking: Marking, id: str, text: str) -> Report:
    try:
        return marking.check(desk.gradebook, desk.learner, desk.submission(id, text), id).result()
    except Unreadable as problem:
        return Report("draft", (), problem=str(problem))


def _remember(id: str, report: Report) -> None:
    """Keeps what the gradebook does not: a report that is no attempt."""
    st.session_state[f"report {id}"] = report if report.faulty or report.problem else None


def _last_report(desk: Desk, id: str) -> Report | None:
    """The report of the last attempt, wherever it was made; or why the last check was none."""
    said: Report | None = st.session_state.get(f"report {id}")
    if said:
        return said
    attempts = desk.gradebook.attempts(desk.learner, id, limit=1)
    return Report(attempts[0].submission.name, (attempts[0].verdict,)) if attempts else None


def _has_moved_on(desk: Desk, id: str, text: str) -> bool:
    """True when the last attempt was made with another text."""
    attempts = desk.gradebook.attempts(desk.learner, id, limit=1)
    return bool(attempts) and not any(text.strip() in unit.source for unit in attempts[0].submission.units)


def _report(report: Report) -> None:
    if report.problem:
        st.html(verdict.problem(report.problem))
    for each in report.verdicts:
        st.html(verdict.html(each))
        if verdict.detail(each) and not each.passed:
            st.code(verdict.detail(each), language=None, wrap_lines=True)
        if each.printed.strip():
            with st.expander("What your code printed"):
                st.code(verdict.printed(each), language=None, wrap_lines=True)
