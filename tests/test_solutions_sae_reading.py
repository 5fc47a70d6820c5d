"""What chapter `sae` says of reading latents, against brute force, differences and the text's own figures."""

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest
import torch

from headwork.models import GPT2, Config
from headwork.solutions.sae.autoencoders import SAE
from headwork.solutions.sae.contexts import latent_logits, top_contexts
from headwork.solutions.sae.effects import ablate_and_steer, draw_latents, label_and_predict
from headwork.solutions.sae.noise import KINDS, error_against_noise, same_size_noise

TEXT = (files("headwork") / "chapters/sae/chapter.md").read_text(encoding="utf-8")
TIED = Config(d_vocab=13, n_ctx=7, d_model=12, n_heads=3, d_mlp=5, n_layers=1)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(3)


def said(*figures):
    """The text gives these figures."""
    for figure in figures:
        assert re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d]|\.\d)", TEXT), figure


def test_contexts_come_from_all_over_the_range():
    activity = torch.tensor([[9.0, 0, 4, 1], [0, 7, 2, 0.5]])
    found = top_contexts(activity, torch.arange(8).reshape(2, 4), [0, 0.5, 1], 2, 1)
    assert found["activity"][..., 1].tolist() == [[9, 7], [4, 2], [1, 0.5]]
    assert found["tokens"][0].tolist() == [[-1, 0, 1], [4, 5, 6]] and found["tokens"][2, 1].tolist() == [6, 7, -1]
    assert found["places"][1].tolist() == [[0, 2], [1, 2]]
    assert f"{0.86**20:.2f}" == "0.05"
    said("0.86", "0.05")
    assert top_contexts(torch.zeros(2, 4), torch.ones(2, 4).long(), [0, 1], 3, 1)["tokens"].shape == (2, 0, 3)


def test_logits_of_a_latent_are_the_slope_of_the_logits_at_a_frozen_scale():
    model = GPT2(TIED).double().requires_grad_(False)
    for parameter in model.parameters():
        parameter.copy_(torch.randn_like(parameter))
    residual, rows = torch.randn(3, 4, 12, dtype=torch.float64), torch.randn(5, 12, dtype=torch.float64)

    scale = (residual.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()

    def frozen(stream):
        return (
            (stream - stream.mean(-1, keepdim=True)) / scale * model.ln_final.w + model.ln_final.b
        ) @ model.unembed.W_U

    for row, found in zip(rows, latent_logits(model, rows, residual), strict=True):
        moved = (frozen(residual + row) - frozen(residual)).mean((0, 1))
        torch.testing.assert_close(found, moved - moved.mean())
    torch.testing.assert_close(frozen(residual), model.unembed(model.ln_final(residual)))


def test_the_direct_effect_worked_by_hand_is_that_of_the_text():
    model = GPT2(Config(d_vocab=3, n_ctx=2, d_model=2, n_heads=1, d_mlp=1, n_layers=1, tied=False)).requires_grad_(
        False
    )
    model.unembed.W_U.copy_(torch.tensor([[2.0, 0, 1], [0, 2, 1]]))
    model.ln_final.eps = 0.0
    residual = torch.tensor([[[1.0, -1], [4, -4]]])  # of the scales 1 and 4
    found = latent_logits(model, torch.tensor([[3.0, 1]]), residual)
    torch.testing.assert_close(found, torch.tensor([[1.25, -1.25, 0]]))
    said("0.625", "1.25", "0.4")


def test_effects_are_pytorchs_divergence_of_each_position_and_a_direction_is_its_own_control():
    sae = SAE(4, 6).double().requires_grad_(False)
    x, W_U = torch.randn(3, 5, 4, dtype=torch.float64), torch.randn(4, 7, dtype=torch.float64)
    row, latents = 3 * sae.W_dec[2], sae(x.flatten(0, 1))[1].reshape(3, 5, 6)
    sae.W_dec[2] = row
    found = ablate_and_steer(lambda change: change(x) @ W_U, sae, 2, 0.7, torch.stack([row / 5, -row]))
    fires, clean = latents[..., 2] > 0, (x @ W_U).log_softmax(-1)
    assert bool(fires.any()) and not bool(fires.all())

    def expected(changed, where):
        far = torch.nn.functional.kl_div((changed @ W_U).log_softmax(-1), clean, log_target=True, reduction="none")
        return far.sum(-1)[where].mean()

    out, put = x - latents[..., 2:3] * row, x + 0.7 * row
    torch.testing.assert_close(found["ablated"], expected(out, fires))
    torch.testing.assert_close(found["steered"], expected(put, fires | ~fires))
    torch.testing.assert_close(found["ablated at random"][0], found["ablated"])
    torch.testing.assert_close(found["steered at random"][1], expected(x - 0.7 * row, fires | ~fires))


def test_the_area_is_the_one_under_the_curve():
    """Trapezes under the share of active places found, over the share of silent ones called active."""
    activity = (torch.rand(6, 9) - 0.6).relu()
    tokens, scores = torch.randint(12, (6, 9)), torch.randint(5, (12,)).double()
    source = torch.Generator().manual_seed(0)
    found = label_and_predict(lambda context: float(scores[context[-1]]), activity, tokens, 99, source)
    given, active = scores[tokens].flatten(), activity.flatten() > 0
    border = torch.arange(5, -1, -1)[:, None]
    called = given >= border  # (border, place)
    right, wrong = called[:, active].double().mean(1), called[:, ~active].double().mean(1)
    assert found == pytest.approx(float(torch.trapezoid(right, wrong)))
    places = torch.tensor([[0.9, 0.4, 0.4, 0.1, 0.0]])
    area = label_and_predict(
        lambda context: float(places[0, len(context) - 1]),
        torch.tensor([[1.0, 1, 0, 0, 0]]),
        torch.ones(1, 5),
        9,
        source,
    )
    assert f"{area:.3f}" == "0.917"
    said("0.917", "0.985")


def test_dead_latents_are_never_drawn_and_no_latent_is_drawn_twice():
    density, source = torch.tensor([0.0, 0.2, 1e-6, 0, 0.9]), torch.Generator().manual_seed(0)
    drawn = [tuple(sorted(draw_latents(density, 2, source).tolist())) for _ in range(60)]
    assert set(drawn) == {(1, 2), (1, 4), (2, 4)}


def test_noise_has_the_errors_size_and_in_its_own_way_their_directions():
    source = torch.Generator().manual_seed(1)
    x = torch.randn(20_000, 5, dtype=torch.float64) + 1
    error = torch.randn(20_000, 5, dtype=torch.float64) @ torch.randn(5, 5, dtype=torch.float64) * 0.2 - 0.1 * x
    made = {kind: same_size_noise(x, x + error, kind, source) for kind in KINDS}
    for each in made.values():
        torch.testing.assert_close((each - x).norm(dim=-1), error.norm(dim=-1))
    torch.testing.assert_close(made["norm"].norm(dim=-1), (x + error).norm(dim=-1))

    def directions(noise):
        rows = noise / noise.norm(dim=-1, keepdim=True)
        return rows.T @ rows / len(rows)

    torch.testing.assert_close(directions(made["isotropic"] - x), torch.eye(5).double() / 5, atol=0.01, rtol=0)
    gaussian = torch.distributions.MultivariateNormal(torch.zeros(5).double(), error.T @ error / len(error))
    expected = directions(gaussian.sample((20_000,)))
    torch.testing.assert_close(directions(made["covariance"] - x), expected, atol=0.02, rtol=0)
    worked = same_size_noise(torch.tensor([[3.0, 0, 0]]), torch.tensor([[2.0, 2, 0]]), "norm", source)[0]
    assert float(worked[0]) == pytest.approx(2) and f"{float(worked.norm()):.3f}" == "2.828"
    said("2.236", "2.828")


def test_losses_of_noise_are_those_of_a_quadratic_by_hand():
    """Where the loss is the squared distance, noise of the same size costs what the error costs."""
    sae = SAE(3, 5).double()
    x = torch.randn(2, 4, 3, dtype=torch.float64)
    found = error_against_noise(lambda change: (change(x) - x).square().sum(-1)[:, 1:], sae, torch.Generator())
    expected = (sae(x.flatten(0, 1))[0].reshape(x.shape) - x).square().sum(-1)[:, 1:].mean()
    for cost in found.values():
        torch.testing.assert_close(cost, expected)


def test_the_figures_of_the_circuits_latents_are_those_of_the_record():
    record = json.loads((Path(__file__).parents[1] / "benchmarks/records/latents.json").read_text(encoding="utf-8"))
    mentions = record["second mentions"]
    assert f"On {mentions['places']:,} tokens, {mentions['second mentions']} of them" in TEXT
    for each in mentions["best"]:
        said(f"{each['auc among names']:.3f}")
    for each in mentions["best"][:2]:
        said(str(each["latent"]), f"{each['mean strength at second mentions']:.2f}")
        said(f"{each['mean strength elsewhere where active']:.2f}")
        assert f"{100 * each['second mentions among its places']:.0f} %" in TEXT
    inside = record["inside prompts"]
    assert f"| nothing | {inside['clean']['difference']:.2f} | 100 % | |" in TEXT
    for name in ("971", "506", "both"):
        row = inside[name]
        low, high = row["random"]
        share = f"{100 * row['receiver first']:.0f} %"
        assert f"| {name} | {row['difference']:.2f} | {share} | {low:.2f} to {high:.2f} |" in TEXT
    said(*(f"{cost:.4f}" for cost in record["noise"].values()))
    each = {row["latent"]: row for row in record["used"]["each"]}
    assert each[506]["beyond 95 %"] and not each[971]["beyond 95 %"]
    said(f"{each[506]['U']:.1f}", f"{each[971]['U']:.1f}")
    assert (record["used"]["drawn"], record["used"]["beyond 95 %"]) == (6, 1)
