"""A page with nothing but a figure of sixteen heads, for `test_page_figure.py`; Streamlit runs this file.

A click on a head of its map turns the two knobs, and the text below says which head is drawn.
"""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace

import streamlit as st
import torch

from headwork.chapters.directives import Figure as FigureText
from headwork.checkers import catalogue
from headwork.checkers.figure import Figure, Knob
from headwork.grading.figure import Drawn
from headwork.grading.program import Submission
from headwork.grading.render import charts
from headwork.streamlit_app import figure, looks

ID = "gpt2.one_head"  # any that a chapter has


@st.cache_resource
def threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


def drawn(settings: dict) -> Drawn:
    time.sleep(0.5)  # longer than the page waits before it looks again
    return Drawn(ID, settings, values={"scores": torch.arange(16).view(4, 4) / 15})


def draw(work: Submission, id: str, settings: dict) -> "Future[Drawn]":
    return threads().submit(drawn, settings)


catalogue.figure = lambda id: Figure(
    ("f",), dict, (Knob("layer", "layer", 0, 3, 1, 0), Knob("head", "head", 0, 3, 1, 0))
)
charts.CHARTS[ID] = lambda drawn: charts.heads(drawn.values["scores"], **drawn.settings)
st.html(looks.style())
with st.container(key="page"):
    desk = SimpleNamespace(work=lambda name: Submission("draft", ()))
    figure.show(desk, SimpleNamespace(draw=draw), ID, FigureText("one_head", "A map of heads.", "Sixteen squares."))
