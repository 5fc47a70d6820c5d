"""The patching map of chapter `ioi`, drawn by the references' code and by wrong ones."""

import pytest
import torch

from headwork.checkers import catalogue
from headwork.checkers.ioi.figures import TWINS
from headwork.grading.figure import draw
from headwork.grading.render.charts import chart
from headwork.grading.solutions import solution_source
from headwork.grading.submission import read_text

FIRST = next(iter(TWINS))


@pytest.mark.parametrize(("part", "twin"), [(part, FIRST) for part in ("what it writes (z)", "its queries")])
def test_each_heads_patch_is_drawn_and_opens_its_pattern(grader, part, twin):
    drawn = draw(grader, read_text("mine.py", solution_source("ioi")), "ioi.patch_map", {"part": part, "twin": twin})
    assert not drawn.problem
    scores = drawn.values["scores"]
    assert scores.shape == (5, 4) and scores.max() > 0.1 and torch.isfinite(scores).all()
    grid, pattern = chart(drawn).to_dict()["hconcat"]
    heads = {(each["layer"], each["head"]) for each in grid["data"]["values"]}
    assert heads == {divmod(number, 4) for number in range(20)}
    assert chart(drawn).to_dict()["params"]
    assert any("filter" in each for each in pattern["transform"])  # the pattern of the head that is clicked


def test_a_sweep_of_another_shape_is_told():
    ask = catalogue.figure("ioi.patch_map")
    assert ask.asked(ask.settings({})) == ("patch_heads",)


def test_what_is_not_written_is_asked_for(grader):
    drawn = draw(grader, read_text("mine.py", "x = 1\n"), "ioi.patch_map", {})
    assert drawn.waits and "patch_heads" in drawn.problem
