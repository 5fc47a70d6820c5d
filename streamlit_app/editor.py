"""The side on which a learner writes: the task, the editor, Check, and what was said of the work."""

from html import escape

import streamlit as st

from headwork.chapters.directives import ExerciseText
from headwork.gradebook import practice
from headwork.grading.report import Verdict
from headwork.streamlit_app import attempts, checking, figure, files, logic, reference, trouble, verdict
from headwork.streamlit_app.components.code_editor import Edited, code_editor, draw_anew, forget, is_plain
from headwork.streamlit_app.desk import Desk, NotSaved, Sheet
from headwork.streamlit_app.marking import Marking


def show(desk: Desk, marking: Marking, exercise: ExerciseText, draws: bool) -> None:
    """`draws`: there is a figure on the page that shows what the learner's code does."""
    with trouble.told():
        _side(desk, marking, exercise, draws)


def _side(desk: Desk, marking: Marking, exercise: ExerciseText, draws: bool) -> None:
    """Raises NotSaved when the learner's file cannot be read."""
    id = exercise.id
    check = marking.last(id)
    runs = bool(check and check.running)
    tries = desk.gradebook.attempts(desk.learner, id, limit=attempts.SHOWN)
    checked = desk.attempted(id, tries[0].submission) if tries else ""
    st.markdown(f"## {logic.plain(exercise.title)}")
    st.html(f'<p class="hw-about">{escape(logic.about(exercise))}</p>')
    with st.expander("What to write", expanded=not tries), st.container(key="task"):
        st.markdown(logic.shown(exercise.markdown))
    edited = _editor(desk, id, tries[0].verdict if tries else None, checked)
    files.beside(desk, exercise)
    with st.container(horizontal=True):
        keys = "Ctrl+Enter" if is_plain() else None  # the code editor has its own
        asked = st.button("Check", type="primary", key=f"check {id}", shortcut=keys)
        hints = practice.hints_had(desk.gradebook, desk.learner, id)
        if len(hints) < len(exercise.hints):
            label = f"Hint {len(hints) + 1} of {len(exercise.hints)}"
            st.button(label, key=f"hint {id}", on_click=_take_hint, args=(desk, id))
        files.start_again(desk, id)
        files.files(desk, id.partition(".")[0])
    changed = figure.is_stale()
    if (asked or edited.check) and f"unsaved {id}" not in st.session_state:
        checking.begin(desk, marking, id, edited.text)
    if changed and draws:
        st.rerun()
    checking.show(check, runs, exercise, tries, is_fresh=edited.text.strip() in checked)
    for each in hints:
        with st.container(key=f"hint-{each.number}"):
            st.html(f'<p class="hw-about">Hint {each.number} of {each.of}</p>')
            st.markdown(logic.shown(each.text))
    attempts.show(desk, id, tries)
    reference.show(desk, id, edited.text)


def _take_hint(desk: Desk, id: str) -> None:
    practice.next_hint(desk.gradebook, desk.learner, id)


def _editor(desk: Desk, id: str, last: Verdict | None, checked: str) -> Edited:
    """The code editor; what is typed in it is kept as it comes. `last`: what was said of `checked`, if anything was."""
    sheet, base, key = desk.sheet(id), f"base {id}", f"code {id}"
    unsaved = st.session_state.get(f"unsaved {id}")
    if not unsaved or base not in st.session_state:
        st.session_state[base] = sheet.text

    def keep(text: str) -> bool:
        was_fresh = st.session_state[base].strip() in checked
        _keep(desk, id, text, st.session_state[base])
        if (text.strip() in checked) != was_fresh:
            draw_anew(key)  # the report says whether it is about this text
        return f"unsaved {id}" not in st.session_state

    st.html('<div id="your-code" tabindex="-1"></div>')
    marked = verdict.marker(last, sheet) if last and sheet.text.strip() in checked else None
    markers = [marked] if marked else []
    edited = code_editor(st.session_state[base], key=key, first_line=sheet.line, markers=markers, on_change=keep)
    _where(sheet)
    if unsaved:
        _quarrel(desk, sheet, id, str(unsaved), edited.text)
    return edited


def _keep(desk: Desk, id: str, text: str, base: str) -> None:
    try:
        desk.save(id, text, base)
    except NotSaved as problem:
        st.session_state[f"unsaved {id}"] = str(problem)
    else:
        st.session_state[f"base {id}"] = desk.sheet(id).text
        st.session_state.pop(f"unsaved {id}", None)
        figure.code_has_changed()


def _quarrel(desk: Desk, sheet: Sheet, id: str, why: str, text: str) -> None:
    """What the page holds and what the file holds differ: the learner says which it is to be."""
    st.html(verdict.problem(why))
    ways = st.container(horizontal=True)
    ways.button("Take what is in the file", key=f"theirs {id}", on_click=_take_theirs, args=(id,))
    ways.button("Keep what is here", key=f"ours {id}", on_click=_keep, args=(desk, id, text, sheet.text))


def _take_theirs(id: str) -> None:
    st.session_state.pop(f"unsaved {id}", None)
    forget(f"code {id}")


def _where(sheet: Sheet) -> None:
    if sheet.path:
        file = f"{sheet.path.parent.name}/{sheet.path.name}"
        said = f"This is your <code>{escape(file)}</code>, from line {sheet.line}; leaving the field saves it."
    elif sheet.source == "nothing":
        said = "This chapter has no stub yet (<code>headwork build</code> makes it): write the whole definition."
    else:
        said = "Kept as a draft as you type." + (" Ctrl+Enter checks it." if is_plain() else "")
    st.html(f'<p class="hw-about">{said}</p>')
