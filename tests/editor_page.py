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
    kept = st.session_state.setdefault("kept", [])
    kept.append(text)
    if how == "restless":
        text = kept[max(len(kept) - 3, 0)]
    if how != "saves nothing":
        file.write_text(text)
    note("change", kept[-1])
    return how == "restless"


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
