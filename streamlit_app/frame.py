"""What all pages have in common: the style, the gradebook, the grader, and the line that says what is wrong."""

from pathlib import Path

import streamlit as st

from headwork.gradebook import workspace
from headwork.gradebook.home import gradebook_file
from headwork.gradebook.store import Gradebook
from headwork.streamlit_app import looks, trouble
from headwork.streamlit_app.desk import Desk
from headwork.streamlit_app.marking import Marking

MAP = "views/map.py"
CHAPTER = "views/chapter.py"  # not in pages/, which Streamlit would run without the frame


@st.cache_resource
def gradebook(file: str) -> Gradebook:
    return Gradebook.open(file)


@st.cache_resource
def marking() -> Marking:
    return Marking()


def desk() -> Desk:
    """Of the learner at this machine. Raises GradebookError."""
    return Desk(gradebook(str(gradebook_file())), workspace.find(Path.cwd()))


def show() -> None:
    """The page that was asked for."""
    st.set_page_config(page_title="Headwork", page_icon=looks.ICON, layout="wide", initial_sidebar_state="collapsed")
    st.html(looks.style())
    pages = [st.Page(MAP, title="Headwork", default=True), st.Page(CHAPTER, title="Headwork")]
    with st.container(key="page"), trouble.told():
        st.navigation(pages, position="hidden").run()
