"""A field for Python code: CodeMirror where the browser can have it, a plain text area where it cannot.

    edited = code_editor(text, key="code gpt2.layer_norm", on_change=save, markers=[(12, "NameError: ...")])
    if edited.check: ...

`text` is what the page holds to be true: the learner's file, a draft. What is typed reaches `on_change` after a pause
of 0.6 s, when the field is left, on Ctrl+S and on Ctrl+Enter; there the page keeps it, and gives it as `text` from then
on. A text that is another one (a file changed by another program, a reset) takes the place of what is in the field, and
can be undone there. An `on_change` that could not keep what was typed returns False, and goes on giving the text that
it held. While somebody types, nothing is drawn anew; the page is when the field is left, on Ctrl+S and on Ctrl+Enter,
when something was not kept, and where `on_change` asks for it by `draw_anew(key)`.
"""

import os
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any

import streamlit as st

from headwork.streamlit_app.components import assets
from headwork.streamlit_app.components.memory import Memory

ROW = 22  # pixels of a line of the plain field
SESSION = "editor session"  # in the session: its name, by which editors know that the server was started again
PLAIN = "plain editor"  # in the session: why there are plain fields
PLAIN_STYLE = 'font-family: "Source Code Pro", ui-monospace, Menlo, Consolas, monospace; tab-size: 4; white-space: pre;'
LOST = "The code editor could not be loaded, so this is a plain text field."
HTML = """<div class="hw-code"></div><p class="hw-keys">
<span>Ctrl+Enter checks, Ctrl+S saves; Esc, then Tab, leaves the field.</span><button>Plain text field</button></p>"""

OnChange = Callable[[str], bool | None]


@dataclass(frozen=True)
class Edited:
    """What is in the field, and whether a check of it was asked for there (true for one drawing of the page)."""

    text: str
    check: bool = False


@dataclass(frozen=True)
class _Field:
    """One field, as the page wants it."""

    key: str
    label: str
    lines: tuple[int, int]
    first_line: int
    markers: tuple[tuple[int, str], ...]
    read_only: bool
    on_change: OnChange | None

    @property
    def memory(self) -> Memory:
        return st.session_state[_memory(self.key)]

    def received(self, widget: str) -> None:
        """Takes in what a component has sent."""
        message = st.session_state[widget].get("sent") or {}
        names = ("version", "number", "text", "check")
        self.take(*(message[name] for name in names if name in message))

    def take(self, version: str = "", number: int = 0, text: str = "", check: bool = False) -> None:
        if not self.memory.receive(version, number, text, check) or not self.on_change:
            return
        if self.on_change(self.memory.text) is False:
            self.memory.wants_page = True
        else:
            self.memory.keep()


def code_editor(
    text: str,
    *,
    key: str,
    label: str = "Your code",
    lines: tuple[int, int] = (14, 30),
    first_line: int = 1,
    markers: Iterable[tuple[int, str]] = (),
    read_only: bool = False,
    on_change: OnChange | None = None,
) -> Edited:
    """Draws the field and gives what is in it.

    `lines`: its height grows with its text between these. `first_line`: the number of the text's first line, by which
    `markers`, pairs of a line and a message, count too. `on_change`: called with each text that arrives, before
    anything is drawn.
    """
    plain = is_plain()
    field = _Field(key, label, lines, first_line, tuple((int(n), str(m)) for n, m in markers), read_only, on_change)
    if _memory(key) not in st.session_state:
        st.session_state[_memory(key)] = Memory.of(text)
    elif (key if plain else _widget(key)) not in st.session_state:  # Streamlit forgets what is not shown
        field.memory.show(field.memory.text)
    field.memory.give(text)
    check = field.memory.take_check()
    if plain:
        _plain(field)
    else:
        _editor(field)
        st.fragment(_drafts)(field)
    return Edited(field.memory.text, check)


def forget(key: str) -> None:
    """The next drawing starts with the text that it is given, whatever is in the field."""
    st.session_state.pop(_memory(key), None)
    st.session_state.pop(key, None)


def draw_anew(key: str) -> None:
    """For `on_change`: what it has kept changes something that stands beside the field."""
    st.session_state[_memory(key)].wants_page = True


def is_plain() -> bool:
    """True where text areas stand in for the editor: by wish, or because it could not be loaded."""
    wished = os.environ.get("HEADWORK_PLAIN_EDITOR") == "1"
    return wished or PLAIN in st.session_state or not assets.SCRIPT.is_file()


def _editor(field: _Field) -> None:
    widget, memory = _widget(field.key), field.memory

    def lost() -> None:
        st.session_state[PLAIN] = st.session_state[widget].get("lost")

    data = {
        "key": field.key, "script": assets.address(), "version": memory.version, "text": memory.shown,
        "label": field.label, "lines": field.lines, "first_line": field.first_line, "markers": field.markers,
        "read_only": field.read_only, "session": st.session_state.setdefault(SESSION, secrets.token_hex(6)),
    }  # fmt: skip
    _component()(key=widget, data=data, on_sent_change=lambda: field.received(widget), on_lost_change=lost)


def _drafts(field: _Field) -> None:
    """What is typed comes this way: while it does, this is all of the page that is drawn anew.

    What is sent with a click beside the field goes the other way: Streamlit sends both together, and would otherwise
    draw this alone.
    """
    if field.memory.wants_check or field.memory.wants_page:
        st.rerun()
    widget = f"{field.key} draft"
    _draft_component()(key=widget, data={"key": field.key}, on_sent_change=lambda: field.received(widget))


def _plain(field: _Field) -> None:
    """The same in a text area; what is typed arrives when it is left, or on Ctrl+Enter."""
    memory, key = field.memory, field.key
    if key not in st.session_state or st.session_state.get(f"{key} version") != memory.version:
        st.session_state[key] = memory.shown
    st.session_state[f"{key} version"] = memory.version
    st.html(f'<style>textarea[aria-label="{escape(field.label)}"] {{ {PLAIN_STYLE} }}</style>')
    rows = min(max(memory.shown.count("\n") + 3, field.lines[0]), field.lines[1])
    st.text_area(
        field.label, key=key, height=rows * ROW, disabled=field.read_only, label_visibility="collapsed",
        placeholder="Write Python here",
        on_change=lambda: field.take(memory.version, memory.number + 1, st.session_state[key]),
    )  # fmt: skip
    for number, message in field.markers:
        st.text(f"Line {number}: {message}")
    if PLAIN in st.session_state:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(LOST if st.session_state[PLAIN] != "chosen" else "This is a plain text field.")
            st.button("Code editor", key=f"{key} coloured", type="tertiary", on_click=_no_longer_plain)


def _no_longer_plain() -> None:
    st.session_state.pop(PLAIN, None)


@cache
def _component() -> Callable[..., Any]:
    css, js = _source("editor.css"), _source("loader.js")
    return st.components.v2.component("headwork_editor", html=HTML, css=css, js=js, isolate_styles=False)


@cache
def _draft_component() -> Callable[..., Any]:
    html = '<i class="hw-drafts"></i>'
    return st.components.v2.component("headwork_drafts", html=html, js=_source("draft.js"), isolate_styles=False)


def _source(name: str) -> str:
    return (assets.HERE / name).read_text(encoding="utf-8")


def _memory(key: str) -> str:
    return f"{key} memory"


def _widget(key: str) -> str:
    return f"{key} editor"
