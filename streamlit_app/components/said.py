"""What is to be read aloud to who cannot see the page: a place that stays, in which the words change."""

from collections.abc import Callable
from functools import cache
from typing import Any

import streamlit as st

HTML = '<p class="hw-said" role="status"></p>'
SCRIPT = """export default function ({data: {text}, parentElement}) {
  const place = parentElement.querySelector(".hw-said")
  if (place.textContent !== text) place.textContent = text
}"""


def say(text: str, key: str) -> None:
    """Text, and nothing else, for those who use a screen reader; it is read when it changes."""
    _component()(key=key, data={"text": text})


@cache
def _component() -> Callable[..., Any]:
    return st.components.v2.component("headwork_said", html=HTML, js=SCRIPT, isolate_styles=False)
