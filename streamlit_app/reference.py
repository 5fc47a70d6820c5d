"""The reference of an exercise, once there was an attempt, and beside it what is different in the learner's text."""

from functools import lru_cache

import streamlit as st

from headwork.chapters.course import chapter
from headwork.gradebook import practice
from headwork.streamlit_app import diff
from headwork.streamlit_app.desk import Desk
from headwork.streamlit_app.stubs import without_imports


def show(desk: Desk, id: str, mine: str) -> None:
    shown = f"reference {id}"
    if shown not in st.session_state:
        if practice.has_attempted(desk.gradebook, desk.learner, id):
            st.button("Show the reference", key=f"see {id}", type="tertiary", on_click=_look, args=(desk, id))
        return
    text = reference(id)
    with st.expander("The reference", expanded=True):
        whole, beside = st.tabs(["As it stands", "From mine to it"])
        whole.code(text, language="python")
        beside.html(diff.html(without_imports(mine, mine), text, "From your text to the reference"))
        st.button("Hide it", key=f"hide {id}", type="tertiary", on_click=st.session_state.pop, args=(shown,))


def _look(desk: Desk, id: str) -> None:
    if practice.may_see(desk.gradebook, desk.learner, id):
        st.session_state[f"reference {id}"] = True


@lru_cache
def reference(id: str) -> str:
    """What the reference defines for one exercise."""
    from headwork.authoring.exercises import chapter_code  # imports torch, for the names that are asked

    return chapter_code(chapter(id.partition(".")[0]), filled=True).exercises[id].strip("\n") + "\n"
