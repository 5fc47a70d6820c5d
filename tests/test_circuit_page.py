"""The circuit on the page: the graph that is clicked together, its score, and the leaderboard."""

import json

import pytest
from streamlit import config
from streamlit.testing.v1 import AppTest

from headwork.gradebook import board
from headwork.gradebook.store import ME, Gradebook
from headwork.grading.render.circuit import graph, toggled
from headwork.streamlit_app import circuit, frame
from headwork.streamlit_app.desk import Desk
from headwork.streamlit_app.serve import MAIN

NODES = frozenset({(4, 0, "END"), (1, 0, "S2")})


def judged(size, score, on_the_board=True, model="house"):
    return {"model": model, "score": score, "on_the_board": on_the_board, "circuit": {"size": size}}


@pytest.fixture
def gradebook(tmp_path):
    with Gradebook.open(tmp_path / "book.sqlite") as opened:
        yield opened


# ---- the leaderboard


def test_the_smallest_circuit_leads_and_of_one_size_the_best(gradebook):
    assert board.enter_circuit(gradebook, "ada", judged(12, 99), {"n": 1})
    assert board.enter_circuit(gradebook, "bo", judged(10, 97), {"n": 2})
    assert board.enter_circuit(gradebook, "cy", judged(10, 98), {"n": 3})
    assert [each.learner for each in board.circuits("house").standings(gradebook)] == ["cy", "bo", "ada"]
    assert board.circuits("gpt2").standings(gradebook) == []


def test_a_learner_stands_once_with_the_smallest(gradebook):
    assert board.enter_circuit(gradebook, "ada", judged(12, 99), {"n": 1})
    assert not board.enter_circuit(gradebook, "ada", judged(13, 100), {"n": 2})
    assert not board.enter_circuit(gradebook, "ada", judged(9, 100, on_the_board=False), {"n": 3})
    assert board.enter_circuit(gradebook, "ada", judged(11, 97), {"n": 4})
    [only] = board.circuits("house").standings(gradebook)
    assert only.figures == {"size": 11, "score": 97, "circuit": {"n": 4}}


# ---- the graph


def test_a_click_puts_a_node_in_and_the_next_takes_it_out():
    row = {"layer": 2, "head": 1, "place": "S2"}
    more = toggled(NODES, [row])
    assert more == NODES | {(2, 1, "S2")} and toggled(more, [row]) == NODES


def test_the_graph_shows_every_node_and_joins_those_that_can_hear():
    spec = graph(NODES, 5, 4).to_dict()
    lines, dots = spec["layer"]
    shown = dots["data"]["values"] if "data" in dots else None
    assert len(shown) == 120 and sum(each["in"] for each in shown) == 2
    assert len(lines["data"]["values"]) == 2  # one line: S2 in layer 1 to END in layer 4
    assert any(each["name"] == "pick" for each in spec["params"])


def test_the_literal_for_the_file_says_the_circuit(tmp_path):
    found = {}
    exec(circuit.written(NODES), found)
    assert found["CIRCUIT"]["model"] == "house"
    assert {tuple(node) for node in found["CIRCUIT"]["nodes"]} == NODES


# ---- the page


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADWORK_HOME", str(tmp_path))
    monkeypatch.setenv("HEADWORK_PLAIN_EDITOR", "1")
    monkeypatch.chdir(tmp_path)
    config.set_option("runner.magicEnabled", False)
    yield tmp_path
    frame.marking().close()
    frame.marking.clear()


def html(app):
    return "\n".join(each.proto.body for each in app.get("html") if "<style>" not in each.proto.body)


def test_the_page_keeps_the_circuit_scores_it_and_shows_the_board(home, monkeypatch):
    from headwork.checkers.ioi.judge import court
    from headwork.checkers.ioi.judge.score import Size

    small = Size(each=1, sets=2, own_sets=2, random=2, resamples=20)
    whole = court.judge
    monkeypatch.setattr(court, "judge", lambda claim, **settings: whole(claim, **settings, size=small))
    book = frame.gradebook(str(home / "gradebook.sqlite"))
    ours = court.references.reference("house").nodes
    circuit.keep(Desk(book), ours)
    book.save_draft("<b>eve</b>", "x", "")
    board.enter_circuit(book, "<b>eve</b>", judged(30, 99), {})

    app = AppTest.from_file(str(MAIN), default_timeout=120)
    app.query_params["exercise"] = "ioi.circuit"
    app.session_state["circuit"] = True
    app.run()
    assert not app.exception and "30 nodes" in html(app) and "<b>eve" not in html(app)
    assert any('[1, 0, "S2"]' in each.value or "CIRCUIT" in each.value for each in app.code)
    app.button(key="score circuit").click().run()
    job = app.session_state["circuit job"]
    if job:
        job.future.result(100)
        app.run()
    assert not app.exception
    assert any("of 100" in each.value and "| faithful |" in each.value for each in app.markdown)
    standing = board.circuits("house").standing(book, ME)
    assert standing is None or standing.figures["size"] == len(ours)


def test_a_damaged_draft_is_an_empty_circuit(home):
    book = frame.gradebook(str(home / "gradebook.sqlite"))
    for text in ("{", json.dumps({"model": "house", "nodes": [[99, 0, "END"]]}), '"x"'):
        book.save_draft(ME, circuit.DRAFT, text)
        assert circuit.kept(Desk(book)) == frozenset()
