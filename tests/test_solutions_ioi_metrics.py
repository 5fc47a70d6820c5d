"""The metrics of chapter `ioi` against probabilities, plain arithmetic, and the figures that its text gives."""

import math
import re
from importlib.resources import files

import pytest
import torch

from headwork.solutions.ioi.metrics import logit_difference, name_retrieval, normalise_metric
from headwork.solutions.ioi.paths import path_patch_by_hand

TEXT = (files("headwork") / "chapters/ioi/chapter.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(3)


def said(figure):
    """The text gives this figure."""
    assert re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d]|\.\d)", TEXT), figure


def test_the_logit_difference_is_the_log_odds_of_two_names():
    logits = torch.randn(5, 4, 9, dtype=torch.float64) * 3
    correct, wrong, end = torch.tensor([1, 2, 3, 4, 5]), torch.tensor([8, 7, 6, 5, 4]), torch.tensor([3, 1, 0, 2, 3])
    found = logit_difference(logits, correct, wrong, end)
    for prompt, value in enumerate(found):
        p = logits[prompt, end[prompt]].softmax(-1)
        assert math.isclose(value, math.log(p[correct[prompt]] / p[wrong[prompt]]), rel_tol=1e-10)


def test_name_retrieval_is_the_log_odds_against_the_geometric_mean_of_the_absent():
    logits = torch.randn(3, 4, 11, dtype=torch.float64)
    correct, end = torch.tensor([1, 2, 3]), torch.tensor([3, 1, 0])
    absent = torch.tensor([[4, 5, 6], [7, 8, 9], [10, 0, 5]])
    found = name_retrieval(logits, correct, absent, end)
    for prompt, value in enumerate(found):
        p = logits[prompt, end[prompt]].softmax(-1)
        others = math.prod(float(p[name]) for name in absent[prompt]) ** (1 / 3)
        assert math.isclose(value, math.log(p[correct[prompt]] / others), rel_tol=1e-10)


@pytest.mark.parametrize("noising", [False, True])
def test_the_ends_of_the_scale_are_the_unpatched_runs(noising):
    clean, corrupted = torch.randn(2, 6, dtype=torch.float64)
    ends = normalise_metric(torch.stack([clean, corrupted]), clean, corrupted, noising)
    torch.testing.assert_close(ends.tolist(), [0.0, -1.0] if noising else [1.0, 0.0])


def test_the_figures_of_the_metrics_are_those_of_the_text():
    logits = torch.tensor([[[15.2, 11.7, 14.0]]])
    difference = logit_difference(logits, *torch.tensor([[0], [1], [0]]))
    assert f"{float(difference):.1f}" == "3.5" and f"{math.exp(3.5):.0f}" == "33"
    tables = torch.tensor([[[15.0, 12, 8, 8]], [[9.0, 6, 10, 10]]])
    zero, one, absent = torch.tensor([0, 0]), torch.tensor([1, 1]), torch.tensor([[2, 3], [2, 3]])
    assert logit_difference(tables, zero, one, zero).tolist() == [3, 3]
    assert name_retrieval(tables, zero, absent, zero).tolist() == [7, -1]
    share = normalise_metric(torch.tensor([2.0, 0.3]), torch.tensor([4.0, 0.1]), torch.zeros(2), False)
    assert f"{float(share):.2f}" == "0.56"
    assert pytest.approx(1.75) == (2 / 4 + 0.3 / 0.1) / 2
    for figure in ("3.5", "33", "0.56", "1.75"):
        said(figure)


def test_the_figures_of_the_patched_head_are_those_of_the_text():
    """One head of width 1 that looks at two positions, by the softmax of its scores."""
    values = torch.tensor([1.0, 5.0], dtype=torch.float64)
    for query, keys, pattern, z in [
        (0.0, [2.0, 0.0], "0.500", "3.00"),
        (2.0, [2.0, 0.0], "0.982", "1.07"),
        (2.0, [1.0, 0.0], "0.881", "1.48"),
    ]:
        found = (query * torch.tensor(keys, dtype=torch.float64)).softmax(-1)
        assert (f"{float(found[0]):.3f}", f"{float(found @ values):.2f}") == (pattern, z)
    for figure in ("0.982", "1.07", "0.881", "1.48"):
        said(figure)


def test_the_figures_of_the_frozen_scale_are_those_of_the_text():
    first, last = torch.tensor([1.0, 0, -1, 0]), torch.tensor([3.0, 0, -1, -2])
    own, final = float(first.std(correction=0)), float(last.std(correction=0))
    figures = [own, final, 1 / own, 3 / final, 1 / final, 2 / final]
    assert [f"{each:.2f}" for each in figures] == ["0.71", "1.87", "1.41", "1.60", "0.53", "1.07"]
    assert f"{3 / final - 1 / own:.2f}" == "0.19"
    head = torch.tensor([3.0, 1, -1, 1])
    head = head - head.mean()
    direction = torch.tensor([0.5, 0.2, -1, 0])
    assert float(head / 2 @ direction) == pytest.approx(1.5)
    assert f"{float(head / head.std(correction=0) @ direction):.2f}" == "2.12"
    for figure in ("0.707", "1.871", "1.41", "1.60", "0.53", "1.07", "0.19", "2.12"):
        said(figure)


def test_the_figures_of_the_three_nodes_are_those_of_the_text():
    nodes = (lambda x: 2 * x, lambda x, a: x * a)
    inputs = torch.tensor(3.0), torch.tensor(5.0)
    total, direct, through = path_patch_by_hand(*nodes, lambda x, a, b: x + 10 * a + 100 * b, *inputs)
    assert [float(each) - 1863 for each in (total, direct, through)] == [1240, 40, 1200]
    product = path_patch_by_hand(*nodes, lambda x, a, b: a * b, *inputs)
    assert [float(each) - 108 for each in product] == [192, 72, 72]
    for figure in ("1863", "3103", "1903", "3063", "1240", "1200", "192", "72", "48"):
        said(figure)


def test_the_figures_of_the_flat_softmax_are_those_of_the_text():
    p = 1 / (1 + math.exp(-8))
    assert f"{p:.4f}" == "0.9997" and f"{1 - p:.4f}" == "0.0003"
    assert f"{p * (1 - p):.6f}" == "0.000335"
    assert f"{-16 * p * (1 - p):.3f}" == "-0.005"
    change = 1 - 2 * p
    assert f"{change:.3f}" == "-0.999" and f"{-change - 0 + 5 * change:.2f}" == "-4.00"
    for figure in ("0.9997", "0.0003", "0.000335", "0.005", "0.999", "4.00"):
        said(figure)
