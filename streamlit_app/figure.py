"""A live figure on the page: its controls, and what the learner's own code makes of them."""

from concurrent.futures import Future
from hashlib import blake2b
from html import escape
from typing import TYPE_CHECKING, Any

import streamlit as st

from headwork.chapters.directives import Figure as FigureText
from headwork.grading.program import Submission
from headwork.grading.submission import Unreadable
from headwork.streamlit_app.desk import Desk
from headwork.streamlit_app.marking import Marking
from headwork.streamlit_app.verdict import words

if TYPE_CHECKING:  # importing these imports torch
    from headwork.checkers.figure import Figure, Knob
    from headwork.grading.figure import Drawn

STALE = "figures are stale"  # in the session
POLL = 0.3  # seconds between looks at a drawing that is being made


def code_has_changed() -> None:
    """What is drawn is not what the learner's code does any more."""
    st.session_state[STALE] = True


def is_stale() -> bool:
    """True once after a change."""
    return bool(st.session_state.pop(STALE, False))


def show(desk: Desk, marking: Marking, id: str, block: FigureText) -> None:
    """The figure `id`, drawn as soon as the learner's code can be run; the rest of the page does not wait for it."""
    with st.container(key=f"figure {id}"):
        waiting = f"waiting {id}" in st.session_state
        st.fragment(_live, run_every=POLL if waiting else None)(desk, marking, id, block.alt)
        st.html(f'<p class="hw-caption">{words(block.caption)}</p>')


def _live(desk: Desk, marking: Marking, id: str, alt: str) -> None:
    from headwork.checkers import catalogue

    try:
        work = desk.work(id.partition(".")[0])
    except Unreadable as problem:
        st.html(f'<p class="hw-about">{escape(str(problem))}</p>')
        return
    settings = _settings(catalogue.figure(id), id)
    drawn = _drawn(marking, work, id, settings)
    if drawn is None:
        st.html('<p class="hw-about">Your code is being run…</p>')
    elif drawn.problem:
        st.html(f'<p class="hw-about">{words(drawn.problem)}</p>')
    else:
        _picture(drawn, alt)


def _drawn(marking: Marking, work: Submission, id: str, settings: dict[str, Any]) -> "Drawn | None":
    """What was drawn of this very code and these settings; None while it is being drawn."""
    text = "\n".join(unit.source for unit in work.units)
    key = blake2b(f"{sorted(settings.items())} {text}".encode(), digest_size=16).hexdigest()
    kept: dict[str, Future[Drawn]] = st.session_state.setdefault(f"drawings {id}", {})
    future = kept.get(key)
    if future is None:
        kept.clear()
        future = kept[key] = marking.draw(work, id, settings)
    if not future.done():
        try:
            return future.result(POLL)
        except TimeoutError:
            _poll(id, True)
            return None
    _poll(id, False)
    return future.result()


def _poll(id: str, wanted: bool) -> None:
    """Whether the figure is to be looked at again and again; the page is made anew when that changes."""
    key = f"waiting {id}"
    if wanted != (key in st.session_state):
        if wanted:
            st.session_state[key] = True
        else:
            del st.session_state[key]
        st.rerun()


def _settings(figure: "Figure", id: str) -> dict[str, Any]:
    from headwork.checkers.figure import Choice, Words

    chosen: dict[str, Any] = {}
    if not figure.controls:
        return chosen
    place = st.container(horizontal=True, vertical_alignment="bottom")
    for control in figure.controls:
        key = f"{id} {control.name}"
        if isinstance(control, Choice):
            chosen[control.name] = place.selectbox(control.label, control.options, key=key)
        elif isinstance(control, Words):
            chosen[control.name] = place.text_input(control.label, control.start, control.longest, key=key)
        elif not control.only_with or control.only_with in chosen.values():
            chosen[control.name] = _slider(place, control, key)
    return figure.settings(chosen)


def _slider(place: Any, knob: "Knob", key: str) -> float:
    whole = all(float(each).is_integer() for each in (knob.low, knob.high, knob.step, knob.start))
    kind = int if whole else float
    numbers = [kind(each) for each in (knob.low, knob.high, knob.start, knob.step)]
    value: float = place.slider(knob.label, *numbers, key=key)
    return value


def _picture(drawn: "Drawn", alt: str) -> None:
    from headwork.grading.render.charts import NotDrawable, chart, credits

    try:
        picture = chart(drawn)
        if isinstance(picture, str):
            st.html(f'<p class="hw-story">{escape(picture)}</p><p class="hw-about">{words(credits(drawn))}</p>')
        else:
            st.altair_chart(picture, theme="streamlit", alt=alt or None)
    except NotDrawable as problem:
        st.html(f'<p class="hw-about">{words(str(problem))}</p>')
