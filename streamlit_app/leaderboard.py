"""A leaderboard on the page: who stands where, and what was measured of their claim."""

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import streamlit as st

from headwork.gradebook.board import Board
from headwork.streamlit_app.desk import Desk

Columns = Mapping[str, Callable[[dict[str, Any]], str]]  # by heading, from a claim's figures to what is shown


def show(desk: Desk, board: Board, about: str, columns: Columns) -> None:
    """about: a sentence that says what is best."""
    standings = board.standings(desk.gradebook)
    st.html(f'<p class="hw-about">{escape(about)}</p>')
    if not standings:
        st.html('<p class="hw-about">Nobody\'s yet.</p>')
        return
    rows = [
        [str(at), each.learner, *(shown(each.figures) for shown in columns.values())]
        for at, each in enumerate(standings, start=1)
    ]
    head, *body = (_row(kind, cells) for kind, cells in [("th", ["", "who", *columns]), *(("td", row) for row in rows)])
    st.html(f"<table><thead>{head}</thead><tbody>{''.join(body)}</tbody></table>")


def _row(kind: str, cells: list[str]) -> str:
    return f"<tr>{''.join(f'<{kind}>{escape(cell)}</{kind}>' for cell in cells)}</tr>"
