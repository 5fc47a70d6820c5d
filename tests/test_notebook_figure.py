"""`headwork.figure`: a live figure in a notebook, drawn by the cells that have run, as a chart and in letters."""

import json
import sys
from types import ModuleType

import pytest
import torch

import headwork
from headwork.cli import in_python
from headwork.cli.picture import SCHEMA, VEGA_LITE, Picture
from headwork.grading.figure import Drawn
from headwork.grading.render.charts import chart
from headwork.grading.render.letters import in_letters
from headwork.grading.solutions import solution_source
from headwork.tests.ipython import Session

UNIFORM = """\
import torch
def attention_pattern(q, k):
    n = q.shape[1]
    return torch.full((1, 1, n, n), 0.25)
"""


@pytest.fixture(scope="module", autouse=True)
def closed_afterwards():
    yield
    if in_python._opened.cache_info().currsize:
        for each in in_python._opened():
            each.close()
        in_python._opened.cache_clear()


def figure(*cells: str, call: str = 'headwork.figure("gpt2.one_head")') -> Picture:
    session = Session(headwork=headwork)
    for cell in cells:
        session.run(cell)
    return session.run(call)


def shown(picture: Picture) -> dict:
    return picture._repr_mimebundle_(include=None, exclude=None)[0]


def test_a_figure_is_a_chart_of_the_learners_own_numbers_and_the_same_in_letters():
    bundle = shown(figure(UNIFORM))
    assert bundle.keys() == {"text/plain", VEGA_LITE}
    assert {cell["weight"] for cell in bundle[VEGA_LITE]["data"]["values"]} == {0.25}
    assert "(start) |" + "░" * 32 + "|" in bundle["text/plain"]


def test_a_chart_needs_no_network_and_no_newer_renderer_than_jupyterlab_has():
    spec = shown(figure(UNIFORM))[VEGA_LITE]
    assert spec["$schema"] == SCHEMA
    assert "http" not in json.dumps({key: value for key, value in spec.items() if key != "$schema"})
    assert spec["width"] == 480
    assert figure(UNIFORM)._repr_mimebundle_()[1][VEGA_LITE]["embed_options"]["actions"]["editor"] is False
    assert spec["description"].startswith("A square of shades")


def test_the_code_is_that_of_the_cells_as_they_ran_last():
    assert figure("def attention_pattern(q, k): return None", UNIFORM).rich
    assert "is a NoneType" in figure(UNIFORM, "def attention_pattern(q, k): return None").text


def test_knobs_are_keyword_arguments():
    call = 'headwork.figure("gpt2.visible_keys", queries=2, keys=3)'
    mask = "import torch\ndef causal_mask(n, m, device=None): return torch.ones(n, m).tril(m - n)"
    assert figure(mask, call=call).text == "down: query; across: key (0, 1, 2)\n1 |████  |\n2 |██████|"


def test_what_is_not_written_yet_is_asked_for():
    assert figure("x = 1").text == "Write `attention_pattern`: what your code makes of it appears here."
    assert shown(figure("x = 1")).keys() == {"text/plain"}


def test_what_goes_wrong_is_told_with_its_cell():
    picture = figure("x = 1", "def attention_pattern(q, k):\n    return q @ k")
    assert "raises RuntimeError" in picture.text
    assert "cell In[2], line 2" in " ".join(picture.text.split())
    assert max(map(len, picture.text.split("\n"))) <= 80


def test_what_the_learners_code_prints_is_shown_without_its_escapes(capsys):
    figure(UNIFORM.replace("    n =", "    print('\\x1b[31mshape', q.shape[1])\n    n ="))
    assert capsys.readouterr().out == "shape 16\n"


def test_a_story_is_text():
    picture = figure(solution_source("gpt2"), call='headwork.figure("gpt2.story", prompt="There was a", seed=3)')
    assert picture.text.startswith("There was a") and "Written by your `GPT2`" in picture.text
    assert picture.rich == {}


def test_bars_and_squares_side_by_side_have_letters():
    picture = figure(solution_source("tensors"), call='headwork.figure("tensors.diagonals", period=3)')
    assert picture.rich[VEGA_LITE]["hconcat"]
    for line in ("previous token", "|██          |", "offset", "induction"):
        assert line in picture.text
    drawn = figure(solution_source("gpt2"), call='headwork.figure("gpt2.sampling_distribution", way="top_k", k=2)')
    likeliest, _, third = drawn.text.split("\n")[1:4]
    assert "█" * 25 in likeliest and "0.000" in third and "█" not in third


def test_in_colab_a_chart_is_a_page_too(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    page = shown(figure(UNIFORM))["text/html"]
    assert '"width": 480' in page and "<html" not in page
    diagonals = figure(solution_source("tensors"), call='headwork.figure("tensors.diagonals")')
    assert "hconcat" in diagonals.rich["text/html"]


def test_outside_a_notebook_the_source_is_given_and_print_shows_it(capsys):
    print(headwork.figure("gpt2.one_head", source=UNIFORM))
    assert "░░" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ('headwork.figure("gpt2.one_heads")', LookupError, r"did you mean `gpt2\.one_head`"),
        ('headwork.figure("gpt2.one_head", heads=3)', ValueError, "no setting 'heads': there are sentence, head"),
        ('headwork.figure("gpt2.visible_keys", keys=99)', ValueError, "between 1 and 12"),
    ],
)
def test_a_call_that_cannot_be_says_why(call, error, words):
    with pytest.raises(error, match=words):
        figure("x = 1", call=call)


def test_letters_show_names_in_one_line_and_numbers_beyond_the_scale():
    rows = [
        {"query": "00 a\n\x1b[31mb", "key": "00 x" * 9, "weight": 7},
        {"query": "01 c", "key": "00 x" * 9, "weight": -1},
    ]
    axis = {"axis": {"labelExpr": "slice(datum.label, 3)"}}
    encoding = {"x": {"field": "key", **axis}, "y": {"field": "query", **axis}, "color": {"field": "weight"}}
    drawn = in_letters({"data": {"values": rows}, "mark": "rect", "encoding": encoding, "title": "Title"})
    assert drawn == "Title\ndown: query; across: key (x00 x00 x00 x00 )\na b |██|\n  c |  |"
    assert in_letters({"data": {"values": []}, "mark": "rect", "encoding": encoding}) == ""


def test_a_curve_is_a_row_for_each_point_with_the_curves_name():
    losses = torch.tensor([2.0, 4.0, 1.0, 0.5])
    drawn = Drawn("induction.loss_per_position", {}, {"uniform": 7.5, "period": 2}, {"losses": losses})
    lines = in_letters(chart(drawn).to_dict()).splitlines()
    assert len(lines) == 5 and lines[0].split() == ["position", "loss"]
    assert lines[2].split() == ["2", "first", "█" * 30, "4.000"] and lines[4].split()[:2] == ["4", "second"]
