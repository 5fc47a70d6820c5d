"""A chapter: its text on one side; an exercise, its editor and its report on the other."""

from html import escape

import streamlit as st

from headwork.chapters.course import Chapter, chapter, chapters
from headwork.chapters.directives import Block, ExerciseText, Figure, Predict, Prose, Reading
from headwork.gradebook import practice
from headwork.grading.render.words import number
from headwork.streamlit_app import circuit, editor, figure, frame, frontier, latents, logic, looks, overview
from headwork.streamlit_app.desk import Desk
from headwork.streamlit_app.logic import plain
from headwork.streamlit_app.overview import MARKS

PANELS = {each.ID: each.show for each in (circuit, frontier, latents)}  # below the text of an exercise
TO_THIS_PLACE = """<script>
document.querySelector('.st-key-list [class*="st-key-now-"]')?.scrollIntoView({block: "center"})
</script>"""


def show() -> None:
    desk = frame.desk()
    course = practice.map_of(desk.gradebook, desk.learner)
    passed = {each.id for each in course.exercises if each.passed}
    last = desk.gradebook.last_place(desk.learner)
    id = logic.place(st.query_params.get("exercise") or last, passed)
    if st.query_params.get("exercise") != id:
        st.query_params["exercise"] = id
    here = chapter(id.partition(".")[0])
    if last != id:
        desk.gradebook.keep_place(desk.learner, here.name, id)
    exercise = next((each for each in here.exercises if each.id == id), None)
    title = exercise.title if exercise else here.title
    st.set_page_config(page_title=f"{title} · Headwork")
    if exercise:
        frame.marking().prepare(id)
    _top(course, here, id, desk)
    if exercise:
        with st.container(key="side"):
            side = st.segmented_control(
                "Show", ["Text", "Exercise"], default="Text", key="shown side", label_visibility="collapsed"
            )
        st.html(looks.on_a_phone_hide("reading" if side == "Exercise" else "writing"))
        left, right = st.columns(2, gap="large")
        with right, st.container(key="writing"):
            draws = any(isinstance(block, Figure) for block in logic.part(here, id))
            st.fragment(editor.show)(desk, frame.marking(), exercise, draws)
    else:
        left = st.container()
    with left, st.container(key="reading"):
        _text(desk, here, id)


def _top(course: practice.Map, here: Chapter, id: str, desk: Desk) -> None:
    """Where the learner is, and where else to go."""
    part = overview.part(here, {each.id: each for each in course.exercises}, desk.gradebook.drafts(desk.learner))
    st.html('<a class="hw-skip" href="#your-code">Skip to the editor</a>')
    with st.container(key="top", horizontal=True, vertical_alignment="center"):
        with st.container(key="home", width="content"):
            st.page_link(frame.MAP, label="Headwork")
        label = f"{plain(here.title)} · {part.done} of {len(part.rows)}" if part.rows else plain(here.title)
        with st.container(key="fold", width="content"):
            st.fragment(_contents)(label, here, id, part)
        st.html(f'<p class="hw-score">{number(course.points)} of {number(course.out_of)} points</p>', width="content")
    st.html(overview.strip(part.rows, id))


def _contents(label: str, here: Chapter, id: str, part: overview.Part) -> None:
    """The sections and exercises of the chapter, and the other chapters; drawn when somebody wants to see them."""
    fold = st.popover(label, key="contents", type="tertiary", on_change="rerun")
    if not fold.open:
        return
    rows = {row.id: row for row in part.rows}
    with fold, st.container(key="list"):
        for entry in logic.contents(here):
            _headings(entry.before)
            mark = f"**{MARKS[rows[entry.id].state]}** " if entry.id in rows else ""
            label = f"{mark}{plain(entry.title)}"
            with st.container(key=f"{'now' if entry.id == id else 'entry'} {entry.id}"):
                st.page_link(frame.CHAPTER, label=label, query_params={"exercise": entry.id})
            _headings(entry.after)
        st.html('<p class="hw-section">Other chapters</p>')
        for each in chapters():
            if each.name != here.name:
                st.page_link(frame.CHAPTER, label=plain(each.title), query_params={"exercise": logic.place(each.name)})
        st.html(TO_THIS_PLACE, unsafe_allow_javascript=True)


def _headings(titles: tuple[str, ...]) -> None:
    if titles:
        st.html("".join(f'<p class="hw-section">{escape(each)}</p>' for each in titles))


def _text(desk: Desk, here: Chapter, id: str) -> None:
    """The part of the chapter's text around an exercise."""
    if not here.exercises or here.exercises[0].id == id:
        st.markdown(f"# {plain(here.title)}")
        st.html(f'<p class="hw-lead">{escape(here.summary)}</p>')
    else:
        st.html(f'<h1 class="hw-unseen">{escape(here.title)}</h1>')
    for at, block in enumerate(logic.part(here, id)):
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
            figure.show(desk, frame.marking(), f"{chapter}.{block.name}", block)
        case ExerciseText():
            st.html(f'<p class="hw-here">Exercise: {escape(block.title)} ({escape(logic.about(block))})</p>')
            if panel := PANELS.get(block.id):
                panel(desk)


def _ways_on(id: str) -> None:
    """To the part before and the part after."""
    before, after = logic.neighbours(id)
    with st.container(key="ways", horizontal=True, horizontal_alignment="distribute"):
        if before:
            st.page_link(frame.CHAPTER, label=f"← {plain(logic.title_of(before))}", query_params={"exercise": before})
        if after:
            st.page_link(frame.CHAPTER, label=f"{plain(logic.title_of(after))} →", query_params={"exercise": after})


show()
