"""A page with nothing but a code editor, for `test_editor_component.py`; Streamlit runs this file.

`name` in its address names the files beside it: NAME.py holds the text, NAME.log what has happened. `how` is how the
page behaves.
"""

import json
import time
from pathlib import Path

import streamlit as st

from headwork.streamlit_app import looks
from headwork.streamlit_app.components.code_editor import code_editor

asked = st.query_params
name, how = asked["name"], asked.get("how", "")
file, log = Path(f"{name}.py"), Path(f"{name}.log")


def note(what: str, value: str) -> None:
    with log.open("a") as lines:
        lines.write(json.dumps([what, value]) + "\n")


def keep(text: str) -> bool:
    before, st.session_state.kept, st.session_state.when = st.session_state.get("kept"), text, time.time()
    if how != "saves nothing":
        file.write_text(before if how == "restless" and before else text)
    note("change", text)
    return how != "saves nothing"


def tick() -> None:
    if st.session_state.ticking:
        st.rerun()
    st.session_state.ticking = True
    st.empty()


st.set_page_config(layout="wide")
st.html(looks.style())
left, right = st.columns(2)
st.session_state.ticking = False
if how in ("restless", "redraws"):  # again and again, and slowly
    with left:
        st.fragment(tick, run_every=0.25)()
    time.sleep(0.15)
left.button("Draw anew")
if how == "restless" and time.time() - st.session_state.get("when", time.time()) > 0.5:
    file.write_text(st.session_state.kept)
other = left.toggle("Elsewhere")
with right:
    if not other:
        edited = code_editor(
            file.read_text(),
            key="mine",
            on_change=keep,
            markers=json.loads(asked.get("markers", "[]")),
            first_line=int(asked.get("first", "1")),
            read_only=how == "read only",
        )
        if edited.check:
            note("check", edited.text)
        st.html(f'<p id="drawn">{time.time()}</p>')
note("drawn", "")
