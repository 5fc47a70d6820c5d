"""The one page: a chapter's text on one side; an exercise, its editor and its report on the other."""

from collections.abc import Callable
from html import escape
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from headwork.chapters.course import Chapter, ChapterError, chapter, chapters
from headwork.chapters.directives import Block, ExerciseText, Figure, Predict, Prose, Reading
from headwork.gradebook import practice, workspace
from headwork.gradebook.errors import GradebookError
from headwork.gradebook.home import gradebook_file
from headwork.gradebook.store import ME, Gradebook
from headwork.grading.render.words import number
from headwork.streamlit_app import editor, figure, logic, looks
from headwork.streamlit_app.desk import Desk, NotSaved
from headwork.streamlit_app.marking import Marking


@st.cache_resource
def gradebook(file: str) -> Gradebook:
    return Gradebook.open(file)


@st.cache_resource
def marking() -> Marking:
    return Marking()


def show() -> None:
    """Everything, from top to bottom."""
    st.set_page_config(page_title="Headwork", page_icon=looks.ICON, layout="wide", initial_sidebar_state="collapsed")
    st.html(looks.style())
    try:
        desk = Desk(gradebook(str(gradebook_file())), workspace.find(Path.cwd()))
        with st.container(key="page"):
            _page(desk)
    except (ChapterError, GradebookError, NotSaved) as problem:
        st.error(_plain(str(problem)), icon=None)


def _page(desk: Desk) -> None:
    course = practice.map_of(desk.gradebook, ME)
    passed = {each.id for each in course.exercises if each.passed}
    id = logic.place(st.query_params.get("exercise"), passed)
    st.query_params["exercise"] = id
    here = chapter(id.partition(".")[0])
    exercise = next((each for each in here.exercises if each.id == id), None)
    if exercise:
        marking().prepare(id)
    _top(course, here, id, passed)
    if exercise:
        with st.container(key="side"):
            side = st.segmented_control("Show", ["Text", "Exercise"], default="Text", label_visibility="collapsed")
        st.html(looks.on_a_phone_hide("reading" if side == "Exercise" else "writing"))
        left, right = st.columns(2, gap="large")
        with right, st.container(key="writing"):
            editor.show(desk, marking(), exercise)
    else:
        left = st.container()
    with left, st.container(key="reading"):
        _text(desk, here, id)


def _top(course: practice.Map, here: Chapter, id: str, passed: set[str]) -> None:
    """Where the learner is, and where else to go."""
    brand, which, what = st.columns([1, 1.2, 1.2], vertical_alignment="center")
    score = f"{number(course.points)} of {number(course.out_of)} points"
    brand.html(f'<p class="hw-brand">Headwork <small>{score}</small></p>')
    titles = {each.name: each.title for each in chapters()}
    _choice(which, "Chapter", list(titles), here.name, lambda name: titles[name])
    names = {each.id: each.title + (" ✓" if each.id in passed else "") for each in here.exercises}
    if names:
        _choice(what, "Exercise", list(names), id, lambda id: names[id])


def _choice(where: DeltaGenerator, label: str, options: list[str], now: str, say: Callable[[str], str]) -> None:
    """A list to choose from; what is chosen becomes the page's address, which alone says where the learner is."""
    key = f"choice {label}"
    st.session_state[key] = now

    def go() -> None:
        st.query_params["exercise"] = st.session_state[key]

    where.selectbox(label, options, format_func=say, key=key, on_change=go, label_visibility="collapsed")


def _text(desk: Desk, here: Chapter, id: str) -> None:
    """The part of the chapter's text around an exercise."""
    blocks = logic.part(here, id)
    if not here.exercises or here.exercises[0].id == id:
        st.markdown(f"# {here.title}")
        st.html(f'<p class="hw-lead">{escape(here.summary)}</p>')
    for at, block in enumerate(blocks):
        _block(block, at, desk, here.name)
    _ways_on(id)


def _block(block: Block, at: int, desk: Desk, chapter: str) -> None:
    match block:
        case Prose():
            st.markdown(logic.shown(block.markdown))
        case Predict():
            with st.container(key=f"predict {at}"):
                st.html('<p class="hw-about">Predict first</p>')
                st.markdown(logic.shown(block.question))
                with st.expander("Show the answer"):
                    st.markdown(logic.shown(block.answer))
        case Reading():
            with st.expander("Reading"):
                st.markdown(logic.shown(block.markdown))
        case Figure():
            figure.show(desk, marking(), f"{chapter}.{block.name}", block)
        case ExerciseText():
            st.html(f'<p class="hw-here">Exercise: {escape(block.title)} ({escape(logic.about(block))})</p>')


def _ways_on(id: str) -> None:
    """To the part before and the part after."""
    for label, other, column in zip(("← Back", "Read on →"), logic.neighbours(id), st.columns(2), strict=True):
        if other:
            column.button(label, key=f"to {label}", on_click=_go, args=(other,), type="tertiary")


def _go(id: str) -> None:
    st.query_params["exercise"] = id


def _plain(text: str) -> str:
    """Text with nothing in it that Markdown takes for a mark."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]()<>#+-.!$|~:" else letter for letter in text)
