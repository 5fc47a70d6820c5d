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
    from headwork.checkers.figure import Control, Figure, Knob
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
        polls = bool(st.session_state.get(f"waiting {id}"))
        st.fragment(_live, run_every=POLL if polls else None)(desk, marking, id, block.alt, polls)
        st.html(f'<p class="hw-caption">{words(block.caption)}</p>')


def _live(desk: Desk, marking: Marking, id: str, alt: str, polls: bool) -> None:
    """`polls`: this runs again and again by itself."""
    from headwork.checkers import catalogue

    try:
        work = desk.work(id.partition(".")[0])
    except Unreadable as problem:
        st.html(f'<p class="hw-about">{escape(str(problem))}</p>')
        return
    figure = catalogue.figure(id)
    settings = _settings(figure, id)
    drawn = _drawn(marking, work, id, settings, polls)
    last = st.session_state[f"drawn {id}"] = drawn or st.session_state.get(f"drawn {id}")
    if last and last.problem:
        st.html(f'<p class="hw-about">{words(last.problem)}</p>')
    elif last:
        _picture(last, figure, settings, alt)
    if drawn is None:
        st.html('<p class="hw-about" role="status">Your code is being run…</p>')


def _drawn(marking: Marking, work: Submission, id: str, settings: dict[str, Any], polls: bool) -> "Drawn | None":
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
            _poll(id, True, polls)
            return None
    _poll(id, False, polls)
    return future.result()


def _poll(id: str, wanted: bool, polls: bool) -> None:
    """Whether the figure is to be looked at again and again; the page is made anew when that changes.

    A click may take the place of that new page, so it is asked for until it has come.
    """
    if wanted != polls:
        st.session_state[f"waiting {id}"] = wanted
        st.rerun()


def _settings(figure: "Figure", id: str) -> dict[str, Any]:
    """What the controls say; a click on the picture may have set them."""
    from headwork.checkers.figure import Choice, Words

    chosen: dict[str, Any] = {}
    if not figure.controls:
        return chosen
    place = st.container(horizontal=True, vertical_alignment="bottom")
    for control in figure.controls:
        key = _key(id, control)
        if isinstance(control, Choice):
            chosen[control.name] = place.selectbox(control.label, control.options, key=key)
        elif isinstance(control, Words):
            chosen[control.name] = place.text_input(control.label, control.start, control.longest, key=key)
        elif not control.only_with or control.only_with in chosen.values():
            chosen[control.name] = _slider(place, control, key)
    return figure.settings(chosen)


def _key(id: str, control: "Control") -> str:
    return f"{id} {control.name}"


def _slider(place: Any, knob: "Knob", key: str) -> float:
    kind = int if knob.whole else float
    st.session_state.setdefault(key, kind(knob.start))
    value: float = place.slider(knob.label, kind(knob.low), kind(knob.high), step=kind(knob.step), key=key)
    return value


def _picture(drawn: "Drawn", figure: "Figure", settings: dict[str, Any], alt: str) -> None:
    from headwork.grading.render.charts import NotDrawable, can_be_picked, chart, credits

    try:
        picture = chart(drawn)
    except NotDrawable as problem:
        st.html(f'<p class="hw-about">{words(str(problem))}</p>')
        return
    if isinstance(picture, str):
        st.html(f'<p class="hw-story">{escape(picture)}</p><p class="hw-about">{words(credits(drawn))}</p>')
    elif can_be_picked(picture):
        _picked(picture, figure, drawn.id, settings, alt)
    else:
        st.altair_chart(picture, theme="streamlit", alt=alt or None)


def _picked(picture: Any, figure: "Figure", id: str, settings: dict[str, Any], alt: str) -> None:
    """A picture on which a click turns the knobs.

    It is another one for the browser when they were turned by hand, so that what was clicked before can be again.
    """
    from headwork.grading.render.charts import PICK

    last, number = st.session_state.setdefault(f"picked {id}", ({}, 0))
    if not last.items() <= settings.items():
        number += 1
        st.session_state[f"picked {id}"] = {}, number
    key = f"picture {number} {id}"

    def turn() -> None:
        for row in st.session_state[key].selection[PICK]:
            turned = {each.name: row[each.name] for each in figure.controls if each.name in row}
            try:
                figure.settings(turned)
            except ValueError:
                continue
            st.session_state[f"picked {id}"] = turned, number
            for each in figure.controls:
                if each.name in turned:
                    st.session_state[_key(id, each)] = turned[each.name]

    st.altair_chart(picture, theme="streamlit", alt=alt or None, key=key, on_select=turn, selection_mode=PICK)
