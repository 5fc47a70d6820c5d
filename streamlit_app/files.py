"""A learner's texts as files: away, back in, and the stub again."""

from collections.abc import Callable
from html import escape
from pathlib import Path

import streamlit as st

from headwork.chapters.course import COURSE, chapter
from headwork.chapters.directives import ExerciseText
from headwork.chapters.made import made_files
from headwork.grading.attached import KINDS
from headwork.grading.attached import LARGEST as LARGEST_WEIGHTS
from headwork.grading.program import Attachment
from headwork.streamlit_app import figure, takeaway
from headwork.streamlit_app.attempts import take
from headwork.streamlit_app.components.code_editor import forget
from headwork.streamlit_app.desk import Desk, NotSaved
from headwork.streamlit_app.logic import title_of
from headwork.streamlit_app.takeaway import Taken

TAKEN = "taken in"  # in the session: what became of the last file
NOT_LAID = "not laid beside"  # why the last file of weights was not taken
LARGEST = 20  # MB


def start_again(desk: Desk, id: str) -> None:
    """The way back to the stub, with a question before it."""
    stub = desk.handed_out(id)
    if not stub:
        return
    with st.popover("Start again", type="tertiary"):
        st.html('<p class="hw-about">The stub takes the place of your text, which stays under "Earlier texts".</p>')
        st.button("Yes, start again", key=f"reset {id}", on_click=take, args=(desk, id, stub))


def files(desk: Desk, name: str) -> None:
    """The chapter as files, to take away and to bring in."""
    python, notebook = made_files(chapter(name, desk.course))
    fold = st.popover("Files", type="tertiary", key="files", on_change="rerun")
    if not fold.open and TAKEN not in st.session_state:
        return
    with fold:
        st.html('<p class="hw-about">This chapter with all you have written in it.</p>')
        with st.container(horizontal=True):
            _download(python, "text/x-python", lambda: takeaway.as_python(desk, name))
            _download(notebook, "application/x-ipynb+json", lambda: takeaway.as_notebook(desk, name))
        key = f"upload {st.session_state.get('uploads', 0)}"
        st.file_uploader("Bring in a .py file or a notebook", type=["py", "ipynb"], key=key, max_upload_size=LARGEST,
                         on_change=_bring_in, args=(desk, key))  # fmt: skip
        if TAKEN in st.session_state:
            st.html(told(st.session_state[TAKEN], desk.course))


def beside(desk: Desk, exercise: ExerciseText) -> None:
    """Of an exercise whose answer names a file: the way to lay one beside the text, and what lies there."""
    if not exercise.file:
        return
    name, key = exercise.id.partition(".")[0], f"beside {st.session_state.get('uploads', 0)}"
    kinds, most = [kind.removeprefix(".") for kind in KINDS], LARGEST_WEIGHTS // 1_000_000
    st.file_uploader(
        "The file that your answer names", type=kinds, key=key, max_upload_size=most,
        on_change=_lay_beside, args=(desk, name, key),
    )  # fmt: skip
    sizes = desk.sizes_beside(name)
    there = ", ".join(f"<code>{escape(each)}</code> ({size / 1e6:.1f} MB)" for each, size in sizes.items())
    said = st.session_state.pop(NOT_LAID, "") or (f"Beside your text: {there}" if there else "No file is there yet.")
    st.html(f'<p class="hw-about" role="status">{said}</p>')


def _lay_beside(desk: Desk, name: str, key: str) -> None:
    file = st.session_state[key]
    if file is None:
        return
    try:
        desk.lay_beside(name, Attachment(Path(file.name).name, file.getvalue()))
    except NotSaved as problem:
        st.session_state[NOT_LAID] = escape(str(problem))
    st.session_state["uploads"] = st.session_state.get("uploads", 0) + 1


def _download(name: str, kind: str, make: Callable[[], str]) -> None:
    st.download_button(name, make, file_name=name, mime=kind, on_click="ignore", key=f"download {name}")


def _bring_in(desk: Desk, key: str) -> None:
    file = st.session_state[key]
    if file is not None:
        figure.code_has_changed()
        taken = st.session_state[TAKEN] = takeaway.bring_in(desk, file.name, file.getvalue())
        for id in taken.new:
            forget(f"code {id}")
        st.session_state["uploads"] = st.session_state.get("uploads", 0) + 1


def told(taken: Taken, course: Path = COURSE) -> str:
    """What became of a file, as HTML."""
    if taken.problem:
        return f'<p class="hw-about" role="status">{escape(taken.name)}: {escape(taken.problem)}</p>'
    lines = [
        ("Taken", taken.new, "What was there before stays under Earlier texts."),
        ("The same as here", taken.same, ""),
        ("Still the stub, not taken", taken.stubs, ""),
    ]
    named = [(head, ", ".join(title_of(id, course) for id in ids), more) for head, ids, more in lines if ids]
    said = [f"<b>{head}</b>: {escape(titles)}. {more}" for head, titles, more in named]
    said += [f"<b>Not taken</b>: {escape(each)}" for each in taken.left]
    body = "".join(f"<li>{each}</li>" for each in said)
    return f'<div class="hw-about" role="status">{escape(taken.name)}<ul>{body}</ul></div>'
