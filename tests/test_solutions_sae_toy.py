"""The toy models of chapter `sae` against one network at a time, brute force, and the figures of the text."""

import json
import math
import re
from importlib.resources import files
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from headwork.checkers.sae.train_toy import ARM, CROSS, OTHER, PENTAGON, form_of
from headwork.solutions.sae.toy import ToyModel, feature_batch, feature_dimensionality, toy_loss, train_toy

TEXT = (files("headwork") / "chapters/sae/chapter.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(5)


def said(*figures):
    """The text gives these figures."""
    for figure in figures:
        assert re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d]|\.\d)", TEXT), figure


def model_of(W, b=None):
    model = ToyModel(*W.shape).to(W.dtype)
    model.W.data = W
    model.b.data = torch.zeros(W.shape[:2], dtype=W.dtype) if b is None else b
    return model


def test_networks_side_by_side_are_two_linear_layers_each():
    model = model_of(torch.randn(3, 6, 2, dtype=torch.float64), torch.randn(3, 6, dtype=torch.float64))
    x = torch.rand(3, 5, 6, dtype=torch.float64)
    for index in range(3):
        W, b = model.W[index], model.b[index]
        one = F.relu(F.linear(F.linear(x[index], W.T), W, b))
        torch.testing.assert_close(model(x)[index], one, rtol=1e-12, atol=1e-12)


def test_gradients_of_the_toy_model_are_those_of_finite_differences():
    x = torch.rand(2, 3, 4, dtype=torch.float64, requires_grad=True)
    model = model_of(torch.randn(2, 4, 2, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64))
    assert torch.autograd.gradcheck(
        lambda x, W, b: torch.func.functional_call(model, {"W": W, "b": b}, x), (x, model.W, model.b)
    )


def test_a_loss_with_equal_importance_is_the_mean_squared_error_of_each_network():
    made, x = torch.rand(2, 3, 7, 5, dtype=torch.float64)
    found = toy_loss(made, x, torch.ones(3, 5, dtype=torch.float64))
    torch.testing.assert_close(found, torch.stack([F.mse_loss(a, b) for a, b in zip(made, x, strict=True)]))


@pytest.mark.parametrize(("relation", "both"), [("independent", 0.04), ("correlated", 0.2), ("anti-correlated", 0.0)])
def test_partners_meet_as_often_as_the_text_says(relation, both):
    x = feature_batch(200_000, 4, 0.2, relation, torch.Generator().manual_seed(0))
    active = x > 0
    assert active.double().mean(0).sub(0.2).abs().max() < 0.006
    assert abs(float((active[:, 0] & active[:, 1]).double().mean()) - both) < 0.006
    assert abs(float((active[:, 1] & active[:, 2]).double().mean()) - 0.04) < 0.004
    assert abs(float(x[active].mean()) - 0.5) < 0.005


def test_dimensionality_is_the_definition_term_by_term():
    W = torch.randn(2, 5, 3, dtype=torch.float64)
    for found, rows in zip(feature_dimensionality(W), W, strict=True):
        for index, row in enumerate(rows):
            shared = sum(float(row / row.norm() @ other) ** 2 for other in rows)
            assert math.isclose(float(found[index]), float(row @ row) / shared, rel_tol=1e-12)


def test_the_figures_worked_by_hand_are_those_of_the_text():
    pair = model_of(torch.tensor([[[1.0], [-1.0]]]))
    answers = pair(torch.tensor([[[1.0, 0], [0, 1], [0.8, 0.3], [0.5, 0.5]]]))[0]
    torch.testing.assert_close(answers, torch.tensor([[1.0, 0], [0, 1], [0.5, 0], [0, 0]]))
    loss = toy_loss(torch.tensor([[[0.6, 0.2]]]), torch.tensor([[[1.0, 0]]]), torch.tensor([[1.0, 0.5]]))
    assert float(loss) == pytest.approx(0.09)
    corners = torch.arange(5) * 2 * math.pi / 5
    pentagon = torch.stack([corners.cos(), corners.sin()], -1)[None]
    torch.testing.assert_close(feature_dimensionality(pentagon), torch.full((1, 5), 0.4))
    cosines = (pentagon[0] @ pentagon[0, 0]).square()
    assert [f"{float(each):.4f}" for each in cosines[1:3]] == ["0.0955", "0.6545"]
    same_way = feature_dimensionality(torch.tensor([[[1.0, 0], [3, 0]]]))
    torch.testing.assert_close(same_way, torch.tensor([[0.1, 0.9]]))
    said("0.09", "0.0955", "0.6545", "0.64", "0.0025")


def test_dense_features_lie_on_two_axes_and_sparse_ones_form_a_pentagon_with_a_negative_bias():
    """A short run of the text's experiment. Who ends in which shape depends on rounding: so bands, no values."""
    many = 8
    sparsities = torch.tensor([0.4, 0.05]).repeat_interleave(many)[:, None, None]
    source = torch.Generator().manual_seed(2)
    model = ToyModel(2 * many, 5, 2)
    size = (2 * many, 256, 5)

    def make_batch(step):
        return torch.rand(size, generator=source) * (torch.rand(size, generator=source) < sparsities)

    losses = train_toy(model, make_batch, torch.ones(2 * many, 5), 600, 0.02)
    assert losses.shape == (600, 2 * many) and bool((losses[-50:].mean(0) < losses[:50].mean(0)).all())
    forms = [form_of(W) for W in model.W.detach()]
    assert sum(form in (CROSS, ARM) for form in forms[:many]) >= many - 2
    assert forms[many:].count(PENTAGON) >= many - 2
    lengths = model.W.detach().norm(dim=-1)
    assert 1.05 < float(lengths[many:].median()) < 1.2 and 0.9 < float(lengths[:many].median()) < 1.1
    assert float(model.b.detach()[many:].mean()) < -0.1
    said("1.13", "1.00")


def test_the_table_of_shapes_is_the_record_and_sums_to_its_networks():
    record = json.loads((Path(__file__).parents[1] / "benchmarks/records/polygons.json").read_text(encoding="utf-8"))
    for probability, row in record["rows"].items():
        assert f"| {probability} | " + " | ".join(str(count) for count in row.values()) + " |" in TEXT
        assert sum(row.values()) == record["networks"] == 32
    assert record["rows"]["0.5"][ARM] in range(13, 20), "the text says: nearly half"


def test_each_shape_is_told_from_the_others_however_it_lies():
    corners = torch.arange(5) * 2 * math.pi / 5
    pentagon = 1.1 * torch.stack([corners.cos(), corners.sin()], -1)
    cross = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1], [0.02, 0.01]])
    arm = torch.tensor([[1.0, 0], [-1, 0], [0, 0.95], [0, 0.33], [0, 0.35]])
    others = [cross[[0, 1, 2, 4, 4]], torch.zeros(5, 2), torch.randn(5, 2).abs() + 0.3]
    for angle in torch.linspace(0, 3, 11):
        turn = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
        for rows, form in ((pentagon, PENTAGON), (cross, CROSS), (arm, ARM), *((each, OTHER) for each in others)):
            assert form_of((rows @ turn)[torch.randperm(5)]) == form


def test_training_side_by_side_is_training_alone():
    batches = torch.rand(6, 3, 8, 5, dtype=torch.float64)
    start = torch.randn(3, 5, 2, dtype=torch.float64)
    importance = torch.rand(3, 5, dtype=torch.float64)
    together = model_of(start.clone())
    train_toy(together, lambda step: batches[step], importance, 6, 0.03)
    for index in range(3):
        alone = model_of(start[index : index + 1].clone())
        train_toy(
            alone, lambda step, index=index: batches[step, index : index + 1], importance[index : index + 1], 6, 0.03
        )
        torch.testing.assert_close(alone.W[0], together.W[index], rtol=1e-12, atol=1e-12)
