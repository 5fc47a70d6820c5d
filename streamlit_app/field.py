"""The field that a learner writes in."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

FEWEST, MOST = 14, 30  # rows
ROW = 22  # pixels


@dataclass(frozen=True)
class Edited:
    """What is in the field, and whether a check of it was asked for there."""

    text: str
    check: bool = False


def code_field(text: str, *, key: str, on_change: Callable[[str], None]) -> Edited:
    """Shows `text`, which the page holds to be true; what is typed goes to `on_change` when the field is left."""
    given = f"{key} given"
    if key not in st.session_state or text != st.session_state[given]:  # new here, or changed by somebody else
        if text.strip("\n") != str(st.session_state.get(key, "\n")).strip("\n") or key not in st.session_state:
            st.session_state[key] = text
        st.session_state[given] = text
    rows = min(max(text.count("\n") + 3, FEWEST), MOST)
    typed: str = st.text_area(
        "Your code", key=key, height=rows * ROW, placeholder="Write Python here", label_visibility="collapsed",
        on_change=lambda: on_change(st.session_state[key]),
    )  # fmt: skip
    return Edited(typed)


def forget(key: str) -> None:
    """The next drawing starts with the text that it is given, whatever is in the field."""
    st.session_state.pop(key, None)
