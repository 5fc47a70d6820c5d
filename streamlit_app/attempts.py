"""Earlier attempts: when, what was said, what changed from one to the next, and the way back to a text."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from headwork.gradebook.records import Attempt
from headwork.grading.render.clean import one_line
from headwork.grading.render.words import WORDS, headline
from headwork.streamlit_app import diff, figure
from headwork.streamlit_app.components.code_editor import forget
from headwork.streamlit_app.desk import Desk, NotSaved
from headwork.streamlit_app.logic import plain

SHOWN = 50
LONGEST = 60  # letters of the sentence beside an attempt


def show(desk: Desk, id: str, tries: Sequence[Attempt]) -> None:
    before = desk.before(id)
    if not tries and before is None:
        return
    fold = st.expander("Earlier texts", key=f"attempts {id}", on_change="rerun")
    if not fold.open:
        return
    with fold:
        texts = [desk.attempted(id, each.submission) for each in tries]
        labels = [label(each) for each in tries]
        if before is not None:
            texts.append(before)
            labels.append("What was here before you put another text in its place")
        at = st.radio("Earlier texts", range(len(texts)), format_func=labels.__getitem__, label_visibility="collapsed")
        if at + 1 < len(tries):
            st.html('<p class="hw-about">What changed from the attempt before it</p>')
            st.html(diff.html(texts[at + 1], texts[at], "Changes since the attempt before"))
        else:
            st.code(texts[at], language="python")
        st.button("Take this text back", key=f"take back {id}", on_click=take, args=(desk, id, texts[at]))


def take(desk: Desk, id: str, text: str) -> None:
    """Puts a text into the editor; the one that is there is kept."""
    try:
        desk.replace(id, text)
        forget(f"code {id}")
        figure.code_has_changed()
    except NotSaved as problem:
        st.session_state[f"unsaved {id}"] = str(problem)


def label(attempt: Attempt) -> str:
    """'21 Nov, 14:05 ✗ not yet: This variance divides by n - 1…', as Markdown."""
    word = WORDS[attempt.verdict.status]
    said = "" if attempt.verdict.passed else f": {_cut(one_line(headline(attempt.verdict)))}"
    return plain(f"{_when(attempt.finished)} {word.mark} {word.name}{said}")


def _when(moment: datetime) -> str:
    local = moment.astimezone()
    return f"{local.day} {local:%b}, {local:%H:%M}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1].rstrip()}…"
