"""What goes wrong and is the learner's to know: one line on the page in place of what could not be drawn."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from headwork.chapters.course import ChapterError
from headwork.gradebook.errors import GradebookError
from headwork.streamlit_app import verdict
from headwork.streamlit_app.desk import NotSaved


@contextmanager
def told() -> Iterator[None]:
    try:
        yield
    except (ChapterError, GradebookError, NotSaved) as problem:
        st.html(verdict.problem(str(problem)))
