"""Live figures: every one in the text can be drawn, from the learner's own code, whatever that returns."""

from dataclasses import replace
from importlib import import_module

import pytest

from headwork.authoring.stub import stub
from headwork.checkers import catalogue
from headwork.checkers.catalogue import UnknownFigure
from headwork.checkers.figure import Choice
from headwork.grading.dispatch import Grader
from headwork.grading.figure import Drawn, draw
from headwork.grading.render.charts import CHARTS, NotDrawable, chart, credits
from headwork.grading.runner import find_probe
from headwork.grading.solutions import solution_source
from headwork.grading.submission import read_text


@pytest.fixture(scope="module")
def grader():
    with Grader() as grader:
        yield grader


def reference(id: str) -> str:
    return solution_source(id.partition(".")[0])


def drawn(grader: Grader, id: str, source: str, **settings: object) -> Drawn:
    return draw(grader, read_text("exercises.py", source), id, settings)


def test_every_figure_of_the_text_is_declared_and_no_other():
    ids = catalogue.figure_ids()
    assert set(CHARTS) == set(ids)
    for id in ids:
        chapter, name = id.split(".")
        assert name in import_module(f"headwork.checkers.{chapter}.figures").FIGURES
        assert callable(find_probe(chapter, f"{name}_figure"))


@pytest.mark.parametrize("id", catalogue.figure_ids())
def test_a_figure_is_drawn_from_right_code_with_every_choice(id, grader):
    choices = [control for control in catalogue.figure(id).controls if isinstance(control, Choice)]
    others = [{each.name: option} for each in choices for option in each.options if option != each.start]
    for settings in [{}, *others]:
        got = drawn(grader, id, reference(id), **settings)
        assert not got.problem, got.problem
        picture = chart(got)
        assert picture if isinstance(picture, str) else picture.to_dict()


@pytest.mark.parametrize("id", catalogue.figure_ids())
def test_a_figure_waits_for_what_is_not_written_yet(id, grader):
    for source in (stub(reference(id)), "x = 1\n"):
        got = drawn(grader, id, source)
        assert got.waits and got.problem.startswith("Write `")


def test_code_that_raises_is_told_where(grader):
    got = drawn(grader, "gpt2.one_head", "def attention_pattern(q, k):\n    return q @ k\n")
    assert "Your code raises RuntimeError" in got.problem and "exercises.py, line 2" in got.problem


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("None", "is a NoneType"),
        ("'<script>'", "is a str"),
        ("q", "has shape"),
        ("torch.full((1, 1, q.shape[1], q.shape[1]), float('nan'))", "NaN"),
        ("torch.ones(1, 1, 2000, 2000)", "has shape (1, 1, 2000, 2000)"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_a_sentence(grader, returned, said):
    got = drawn(grader, "gpt2.one_head", f"import torch\n\ndef attention_pattern(q, k):\n    return {returned}\n")
    assert not got.problem
    with pytest.raises(NotDrawable, match=said.replace("(", r"\(").replace(")", r"\)")):
        chart(got)


def test_code_that_never_ends_is_stopped(grader, monkeypatch):
    hasty = replace(catalogue.figure("gpt2.one_head"), seconds=1)
    monkeypatch.setattr(catalogue, "figure", lambda id: hasty)
    got = drawn(grader, "gpt2.one_head", "def attention_pattern(q, k):\n    while True: pass\n")
    assert "still running after 1 s" in got.problem


def test_settings_that_cannot_be_are_refused(grader):
    with pytest.raises(ValueError, match="no setting 'size'"):
        drawn(grader, "gpt2.one_head", "", size=3)
    with pytest.raises(ValueError, match="it is one of"):
        drawn(grader, "gpt2.one_head", "", head="layer 9")
    with pytest.raises(UnknownFigure, match=r"did you mean `gpt2\.one_head`"):
        drawn(grader, "gpt2.one_heads", "")


def test_the_picture_shows_the_learners_own_numbers(grader):
    uniform = (
        "import torch\n\ndef attention_pattern(q, k):\n    n = q.shape[1]\n    return torch.full((1, 1, n, n), 0.25)\n"
    )
    cells = chart(drawn(grader, "gpt2.one_head", uniform)).to_dict()["data"]["values"]
    assert {cell["weight"] for cell in cells} == {0.25}


def test_the_learners_file_writes_a_story_and_the_cache_changes_no_word(grader):
    got = drawn(grader, "gpt2.story", reference("gpt2.story"), prompt="There was a little girl named", seed=3)
    assert chart(got).startswith("There was a little girl named")
    assert got.values["same"] is True
    assert all(f"`{name}`" in credits(got) for name in ("GPT2", "bpe_encode", "forward_with_cache", "bpe_decode"))


def test_the_same_seed_tells_the_same_story_and_another_seed_another(grader):
    one, same, other = (chart(drawn(grader, "gpt2.story", reference("gpt2.story"), seed=seed)) for seed in (1, 1, 2))
    assert one == same != other


def test_a_story_does_without_the_tokenizer_and_the_cache(grader):
    whole = chart(drawn(grader, "gpt2.story", reference("gpt2.story")))
    without = (
        reference("gpt2.story").replace("def bpe_", "def other_").replace("def forward_with", "def forward_without")
    )
    got = drawn(grader, "gpt2.story", without)
    assert chart(got) == whole and "bpe_encode" not in credits(got) and "same" not in got.values


def test_a_cache_that_changes_the_story_is_said(grader):
    wrong = reference("gpt2.story").replace("model.embed(tokens, start=past)", "model.embed(tokens)")
    assert wrong != reference("gpt2.story")
    assert "not the same words" in credits(drawn(grader, "gpt2.story", wrong))


def test_what_is_no_story_is_told_in_a_sentence(grader):
    wrong = reference("gpt2.story").replace("def bpe_decode", "def bpe_other")
    got = replace(drawn(grader, "gpt2.story", wrong), values={"tokens": "<script>"})
    with pytest.raises(NotDrawable, match="no whole numbers"):
        chart(got)
