"""The circuit on the page: a graph to click together, its score, and the leaderboard.

The judge is that of `headwork circuit score`: the same circuit and seed give the same numbers.
"""

import json
import secrets
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any

import streamlit as st

from headwork.gradebook import board
from headwork.gradebook.home import home
from headwork.streamlit_app import judgement, leaderboard
from headwork.streamlit_app.desk import Desk

if TYPE_CHECKING:  # importing these imports torch
    from headwork.checkers.ioi.judge.circuit import Node

ID, MODEL = "ioi.circuit", "house"
DRAFT = f"{ID} (graph)"
KIND = "circuit"
PARTS = {"F": "faithful", "I": "complete", "Mn": "minimal", "lift": "above chance"}


@lru_cache
def _shape() -> tuple[int, int]:
    from headwork.models import zoo

    config = zoo.load(MODEL).config
    return config.n_layers, config.n_heads


def show(desk: Desk) -> None:
    """The graph below the exercise's text, folded until somebody wants it."""
    fold = st.expander("Your circuit as a graph, and the leaderboard", key="circuit", on_change="rerun")
    if fold.open:
        with fold:
            st.fragment(_live, run_every=judgement.POLL if judgement.running(KIND) else None)(desk)


def _live(desk: Desk) -> None:
    from headwork.grading.render.charts import PICK
    from headwork.grading.render.circuit import graph, toggled

    nodes = kept(desk)
    picture = graph(nodes, *_shape())
    key = f"circuit picture {st.session_state.setdefault('circuit pictures', 0)}"

    def turn() -> None:
        picked = st.session_state[key].selection[PICK]
        if picked:
            keep(desk, toggled(nodes, picked))
            st.session_state["circuit pictures"] += 1  # another picture, on which nothing is picked

    st.html('<p class="hw-about">Click a dot to put a node into the circuit, or to take it out.</p>')
    st.altair_chart(picture, theme="streamlit", key=key, on_select=turn, selection_mode=PICK)
    idle = bool(nodes) and judgement.running(KIND) is None
    with st.container(horizontal=True):
        st.button("Score it", key="score circuit", disabled=not idle, on_click=start, args=(nodes,))
        st.button("Take all out", key="empty circuit", disabled=not nodes, on_click=keep, args=(desk, frozenset()))
    _judged(desk)
    if nodes:
        st.html('<p class="hw-about">For your file:</p>')
        st.code(written(nodes), language="python")
    _board(desk)


def kept(desk: Desk) -> "frozenset[Node]":
    """The circuit that was clicked together; none where nothing sound is kept."""
    from headwork.checkers.ioi.judge.circuit import NoCircuit, fit, parsed

    draft = desk.gradebook.draft(desk.learner, DRAFT)
    try:
        circuit = parsed(json.loads(draft.text)) if draft else None
        if circuit:
            fit(circuit, *_shape())
    except (ValueError, NoCircuit):
        circuit = None
    return circuit.nodes if circuit else frozenset()


def keep(desk: Desk, nodes: "frozenset[Node]") -> None:
    from headwork.checkers.ioi.judge.circuit import Circuit

    desk.gradebook.save_draft(desk.learner, DRAFT, json.dumps(Circuit(MODEL, nodes).as_json()))


def written(nodes: "frozenset[Node]") -> str:
    """The literal that the finding asks for."""
    from headwork.checkers.ioi.judge.circuit import in_order

    rows = "".join(f'        [{layer}, {head}, "{place}"],\n' for layer, head, place in in_order(nodes))
    return f'CIRCUIT = {{\n    "model": "{MODEL}",\n    "nodes": [\n{rows}    ],\n}}'


def start(nodes: "frozenset[Node]") -> None:
    """Has the circuit judged, on fresh prompts, while the page goes on."""
    from headwork.checkers.ioi.judge import court
    from headwork.checkers.ioi.judge.circuit import Circuit

    circuit, seed, store = Circuit(MODEL, nodes), secrets.randbelow(1 << 31), home() / "circuits"

    def judge(told: judgement.Told) -> dict[str, Any]:
        return court.judge(circuit, seed=seed, told=told, store=store / "answers", more=[store]).as_json()

    judgement.start(KIND, judge, circuit)


def _judged(desk: Desk) -> None:
    """How far the judgement is; what it said last."""
    last = judgement.come_in(
        KIND, lambda found, circuit: board.enter_circuit(desk.gradebook, desk.learner, found, circuit.as_json())
    )
    if job := judgement.running(KIND):
        st.html(f'<p class="hw-about" role="status">It is being judged: {job.done} sets of nodes so far…</p>')
    elif "problem" in last:
        st.html(f'<p class="hw-about">{escape(last["problem"])}</p>')
    elif last:
        st.markdown(told(last))


def told(found: dict[str, Any]) -> str:
    """A score as a table in Markdown, from its JSON."""
    mine, other = found["circuit"], found["reference"]
    low, high = found["interval"]
    lines = [
        f"**{found['score']:.0f} of 100** (95 %: {low:.0f} to {high:.0f}), seed {found['seed']}",
        "",
        "| | yours | 95 % | reference |",
        "| --- | ---: | --- | ---: |",
        f"| nodes | {mine['size']} | | {other['size']} |",
    ]
    for part, name in PARTS.items():
        ends = "" if part == "Mn" else " to ".join(f"{end:.2f}" for end in mine[part]["interval"])
        beside = f"{other[part]['value']:.2f}" if part in other else "1.00"
        lines.append(f"| {name} | {mine[part]['value']:.2f} | {ends} | {beside} |")
    lines += [
        "",
        f"Random circuits of its size have F = {mine['random_F']:.2f}; the whole model has 1, and a lift of 0.",
    ]
    idle = [each["node"] for each in mine["members"] if not each["earned"]]
    if idle:
        shown = ", ".join(f"{layer}.{head} at {place}" for layer, head, place in idle[:6])
        lines += ["", f"Nothing was found that these add: {shown}{' and more' if len(idle) > 6 else ''}."]
    return "\n".join(lines)


def _board(desk: Desk) -> None:
    about = "The smallest circuits with F and I near the reference's, of which every node adds something:"
    columns = {
        "size": lambda figures: f"{figures['size']} nodes",
        "score": lambda figures: f"{figures['score']:.0f}",
    }
    leaderboard.show(desk, board.circuits(MODEL), about, columns)
