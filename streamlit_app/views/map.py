"""The map: every chapter and exercise, how far the learner has come, and the way on."""

from html import escape

import streamlit as st

from headwork.chapters.made import counted
from headwork.gradebook import practice
from headwork.grading.render.words import number
from headwork.streamlit_app import frame, overview
from headwork.streamlit_app.logic import plain

LEAD = "You write the parts of a transformer, and then you find out what a trained one does with them."


def show() -> None:
    asked = st.query_params.get("exercise")
    if asked:
        st.switch_page(frame.CHAPTER, query_params={"exercise": asked})
    desk = frame.desk()
    course = practice.map_of(desk.gradebook, desk.learner)
    parts = overview.parts(course, desk.gradebook.drafts(desk.learner))
    with st.container(key="map"):
        _opening(course, overview.tally(parts), desk.gradebook.last_place(desk.learner))
        for at, part in enumerate(parts, 1):
            st.html(part.head(at))
            with st.container(key=f"rows {part.name}"):
                for row in part.rows:
                    st.page_link(frame.CHAPTER, label=row.label, query_params={"exercise": row.id})
                if not part.rows:
                    st.page_link(frame.CHAPTER, label="Read it", query_params={"exercise": part.name})


def _opening(course: practice.Map, tally: str, last: str | None) -> None:
    on = overview.continued(course, last)
    hours = sum(each.hours for each in course.chapters)
    size = [counted(len(course.chapters), "chapter"), counted(len(course.exercises), "exercise"), f"{hours:g} hours"]
    st.html(
        f'<p class="hw-brand">Headwork</p><h1 class="hw-title">Take a transformer apart</h1>'
        f'<p class="hw-lead">{escape(LEAD)}</p>'
        f'<p class="hw-figures"><span>{", ".join(size)}</span>{tally}'
        f"<span>{number(course.points)} of {number(course.out_of)} points</span></p>"
    )
    if on is None:
        st.html('<p class="hw-lead">You have written all of it.</p>')
        return
    with st.container(key="continue"):
        label = f"{'Continue' if last else 'Begin'}: {plain(on.title)}"
        st.page_link(frame.CHAPTER, label=label, query_params={"exercise": on.id})


show()
