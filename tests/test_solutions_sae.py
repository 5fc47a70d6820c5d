"""The autoencoders of chapter `sae` against PyTorch's own layers, finite differences, brute force, and the text."""

import math
import re
from importlib.resources import files

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from headwork.solutions.sae.autoencoders import SAE
from headwork.solutions.sae.keeping import DeadLatents, resample_dead, shrinkage, threshold_or_bias
from headwork.solutions.sae.losses import match_features, normalise_decoder, project_gradient, sae_loss, train_on_toy
from headwork.solutions.sae.reading import l0_and_density, loss_recovered
from headwork.solutions.sae.variants import BatchTopK, Gated, TopK, aux_k, jumprelu

TEXT = (files("headwork") / "chapters/sae/chapter.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(11)


def said(*figures):
    """The text gives these figures."""
    for figure in figures:
        assert re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d]|\.\d)", TEXT), figure


def random(module):
    """The module in float64, none of its parameters trivial."""
    module = module.double()
    for parameter in module.parameters():
        parameter.data = torch.randn_like(parameter)
    return module


def test_an_autoencoder_is_two_linear_layers_around_a_relu():
    sae, x = random(SAE(4, 9)), torch.randn(6, 4, dtype=torch.float64)
    code = F.relu(F.linear(x - sae.b_dec, sae.W_enc.T, sae.b_enc))
    made, latents = sae(x)
    torch.testing.assert_close(latents, code)
    torch.testing.assert_close(made, F.linear(code, sae.W_dec.T, sae.b_dec))


def test_the_loss_is_pytorchs_squared_error_and_a_norm():
    x, made = torch.randn(2, 5, 3, dtype=torch.float64)
    code = torch.rand(5, 7, dtype=torch.float64)
    expected = F.mse_loss(made, x) * 3 + 0.4 * code.norm(p=1) / 5
    torch.testing.assert_close(sae_loss(x, made, code, 0.4), expected)
    roots = F.mse_loss(made, x) * 3 + 0.4 * (code + 1e-6).norm(p=0.5, dim=-1).sqrt().mean()
    torch.testing.assert_close(sae_loss(x, made, code, 0.4, "sqrt"), roots)


def test_a_root_has_a_finite_slope_where_a_latent_is_zero():
    pre = torch.tensor([[-1.0, 0.0, 2.0]], requires_grad=True)
    sae_loss(torch.zeros(1, 2), torch.zeros(1, 2), pre.relu(), 1.0, "sqrt").backward()
    assert pre.grad[0, :2].tolist() == [0, 0] and float(pre.grad[0, 2]) == pytest.approx(0.5 / math.sqrt(2))


def test_a_projected_step_keeps_the_length_to_first_order():
    rows = nn.Parameter(F.normalize(torch.randn(5, 4, dtype=torch.float64), dim=-1))
    rows.grad = torch.randn_like(rows)
    project_gradient(rows)
    for step in (1e-3, 1e-4):
        change = (rows - step * rows.grad).norm(dim=-1) - 1
        assert float(change.detach().abs().max()) < 10 * step**2
    long = nn.Parameter(torch.randn(5, 4))
    normalise_decoder(long)
    torch.testing.assert_close(long.norm(dim=-1), torch.ones(5))


def test_topk_leaves_the_sorted_largest():
    sae, x = random(TopK(4, 9, 3)), torch.randn(6, 4, dtype=torch.float64)
    pre = (x - sae.b_dec) @ sae.W_enc + sae.b_enc
    for row, found in zip(pre, sae.encode(x), strict=True):
        largest = sorted(row.tolist(), reverse=True)[:3]
        assert found.tolist() == [value if value in largest and value > 0 else 0 for value in row.tolist()]


def test_batch_topk_shares_a_budget_and_later_needs_no_company():
    sae, x = random(BatchTopK(4, 9, 2, rate=0.5)), torch.randn(6, 4, dtype=torch.float64)
    kept = sae.encode(x)
    dense = F.relu((x - sae.b_dec) @ sae.W_enc + sae.b_enc)
    cut = dense.flatten().sort(descending=True).values[11]
    torch.testing.assert_close(kept, torch.where(dense >= cut, dense, 0))
    assert float(sae.threshold) == pytest.approx(float(cut))
    sae.eval()
    together = sae.encode(x)
    torch.testing.assert_close(together, torch.cat([sae.encode(row[None]) for row in x]))


def test_dead_latents_explain_what_the_living_have_left():
    x, made = torch.randn(2, 4, 3, dtype=torch.float64)
    pre, rows = torch.randn(4, 6, dtype=torch.float64), torch.randn(6, 3, dtype=torch.float64)
    dead = torch.tensor([True, False, True, False, False, True])
    total = 0.0
    for index in range(4):
        order = sorted((0, 2, 5), key=lambda latent, index=index: -float(pre[index, latent]))[:2]
        guess = sum(max(float(pre[index, latent]), 0) * rows[latent] for latent in order)
        total += float(((x - made)[index] - guess).square().sum()) / 4
    assert float(aux_k(x, made, pre, dead, rows, 2)) == pytest.approx(total)
    assert float(aux_k(x, made, pre, torch.zeros(6, dtype=torch.bool), rows, 2)) == 0


def test_the_gates_teach_no_decoder():
    """Of the loss, only the reconstruction's error reaches W_dec: its gradient is that of this error alone."""
    sae, x = random(Gated(4, 7)), torch.randn(5, 4, dtype=torch.float64)
    whole = torch.autograd.grad(sae.loss(x, 0.3), sae.W_dec)[0]
    error = (x - (sae.encode(x) @ sae.W_dec + sae.b_dec)).square().sum(-1).mean()
    torch.testing.assert_close(whole, torch.autograd.grad(error, sae.W_dec)[0])


def test_gradients_of_the_gated_loss_are_those_of_finite_differences_with_a_frozen_copy():
    """For the gates, the decoder of the third part is a constant: differences are taken with it held still."""
    sae, x = random(Gated(3, 5)), torch.randn(4, 3, dtype=torch.float64)
    frozen = sae.W_dec.detach().clone(), sae.b_dec.detach().clone()

    def loss(W_gate, b_gate, b_dec):
        gates = F.relu((x - b_dec) @ W_gate + b_gate)
        magnitude = F.relu((x - b_dec) @ W_gate * sae.r_mag.exp() + sae.b_mag)
        made = ((gates > 0) * magnitude) @ sae.W_dec + b_dec
        return ((x - made).square() + (x - gates @ frozen[0] - frozen[1]).square()).sum(-1).mean() + 0.3 * gates.sum(
            -1
        ).mean()

    weights = sae.W_gate, sae.b_gate, sae.b_dec
    assert torch.autograd.gradcheck(loss, weights)
    mine = torch.autograd.grad(sae.loss(x, 0.3), weights)
    for one, other in zip(mine, torch.autograd.grad(loss(*weights), weights), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("output", [0, 1])
def test_the_thresholds_slope_is_that_of_the_mean_over_the_kernel(output):
    """A fixed cotangent at the hard output, and the exact mean of what noise on z would let through."""
    eps, theta = 0.6, torch.tensor([0.8, 1.3, 2.0], dtype=torch.float64)
    pre = (theta + torch.randn(200, 3, dtype=torch.float64)).relu()
    away = ((pre - theta).abs() - eps / 2).abs() > 1e-3  # no input lies on the window's edge
    pre = torch.where(away, pre, pre + 0.01)
    t = theta.log().requires_grad_()
    made = jumprelu(pre, t, eps)[output]
    along = torch.randn_like(made)
    [slope] = torch.autograd.grad(made, t, along)

    def mean(theta):
        """E over u in +-1/2 of (z + eps u) 1[z + eps u > theta], or of the count, integrated by hand."""
        low = ((theta - pre) / eps).clamp(-0.5, 0.5)  # the noise from which the latent is open
        if output:
            return (0.5 - low).sum(-1)
        return pre * (0.5 - low) + eps * (0.25 - low**2) / 2

    step = 1e-5
    for latent in range(3):
        move = torch.zeros(3, dtype=torch.float64)
        move[latent] = step
        difference = ((mean(theta + move) - mean(theta - move)) * along).sum() / (2 * step)
        assert float(slope[latent]) == pytest.approx(float(difference * theta[latent]), rel=1e-4, abs=1e-6)


def test_jumprelu_computes_the_hard_step():
    pre, t = torch.rand(50, 4, dtype=torch.float64) * 3, torch.randn(4, dtype=torch.float64) / 3
    latents, count = jumprelu(pre, t, 0.7)
    assert torch.equal(latents, F.threshold(pre - t.exp(), 0, 0).sign() * pre)
    assert torch.equal(count, (pre > t.exp()).double().sum(-1))


def test_a_bias_takes_what_a_threshold_leaves():
    pre, theta = torch.randn(9, 4), torch.rand(4)
    shifted, kept = threshold_or_bias(pre, theta)
    assert torch.equal(shifted > 0, kept > 0)
    torch.testing.assert_close(kept - shifted, (kept > 0) * theta)


def test_the_factor_is_the_stretch_that_makes_the_error_smallest():
    x, made = torch.randn(2, 8, 3, dtype=torch.float64)
    centre = torch.randn(3, dtype=torch.float64)
    made = made + 0.8 * x
    factor = float(shrinkage(x, made, centre))
    stretches = torch.linspace(0.2, 3, 20001, dtype=torch.float64)[:, None, None]
    errors = (x - centre - (made - centre) * stretches).square().sum((1, 2))
    assert 1 / factor == pytest.approx(float(stretches[errors.argmin(), 0, 0]), abs=2e-4)


def test_the_three_numbers_of_one_autoencoder_are_those_of_the_text():
    losses = {"x": 2.0, "sae": 2.3, "zero": 8.0, "mean": 3.5}
    x, mean = torch.full((2, 3, 4), 5.0), torch.full((4,), 7.0)
    names = {5.0: "x", 9.0: "sae", 0.0: "zero", 7.0: "mean"}

    def run(change):
        value = change(x)
        assert value.shape == x.shape
        return torch.full((2, 2), losses[names[float(value.unique())]], dtype=torch.float64)

    found = loss_recovered(run, lambda flat: (flat + 4, flat), mean)
    assert [round(float(each), 6) for each in found.values()] == [0.3, 0.95, 0.8]
    said("0.3", "0.95", "0.8")


def test_l0_is_a_norm_and_the_densities_sum_to_it():
    code = (torch.rand(9, 5, dtype=torch.float64) - 0.6).relu()
    found, density = l0_and_density(code.split([4, 2, 3]))
    assert float(found) == pytest.approx(float(code.norm(p=0, dim=-1).mean()))
    torch.testing.assert_close(density, (code > 0).double().mean(0))
    worked = l0_and_density([torch.tensor([[0.5, 0], [0, 0], [0.1, 2]]), torch.tensor([[0.3, 0]])])
    assert float(worked[0]) == 1 and worked[1].tolist() == [0.75, 0.25]


def test_resampling_over_rounds_leaves_the_living_alone():
    sae, x = random(SAE(4, 6)), torch.randn(5, 4, dtype=torch.float64)
    optimiser = torch.optim.Adam(sae.parameters(), lr=0.01)
    source = torch.Generator().manual_seed(0)
    for who in ([1, 4], [], [0, 2, 3, 4, 5]):
        sae_loss(x, *sae(x), 0.1).backward()
        optimiser.step()
        dead = torch.zeros(6, dtype=torch.bool)
        dead[who] = True
        before = {name: value.detach().clone() for name, value in sae.named_parameters()}
        resample_dead(sae, optimiser, dead, x, torch.rand(5, dtype=torch.float64, generator=source), source)
        assert torch.equal(sae.W_dec[~dead], before["W_dec"][~dead])
        assert torch.equal(sae.W_enc[:, ~dead], before["W_enc"][:, ~dead])
        assert torch.equal(sae.b_dec, before["b_dec"])
        if who:
            lengths = before["W_enc"][:, ~dead].norm(dim=0)
            torch.testing.assert_close(sae.W_enc[:, dead].norm(dim=0), (0.2 * lengths.mean()).expand(len(who)))
            for row in sae.W_dec[dead]:
                assert float(F.cosine_similarity(row[None], x - sae.b_dec).max()) == pytest.approx(1)
        moments = optimiser.state[sae.W_enc]["exp_avg_sq"]
        assert bool((moments[:, dead] == 0).all())


def test_the_figures_worked_by_hand_are_those_of_the_text():
    sae = SAE(1, 2)
    for name, value in [("W_enc", [[1.0, -1]]), ("W_dec", [[1.0], [-1]]), ("b_enc", [-0.1, -0.1]), ("b_dec", [2.0])]:
        getattr(sae, name).data = torch.tensor(value)
    made, latents = sae(torch.tensor([[2.5], [1.95]]))
    torch.testing.assert_close(latents, torch.tensor([[0.4, 0], [0, 0]]))
    torch.testing.assert_close(made, torch.tensor([[2.4], [2.0]]))
    x, code = torch.tensor([[1.0, 2]]), torch.tensor([[0.25, 0, 1]])
    assert float(sae_loss(x, torch.ones(1, 2), code, 0.4)) == pytest.approx(1.5)
    assert float(sae_loss(x, torch.ones(1, 2), code, 0.4, "sqrt", 0.0)) == pytest.approx(1.6)
    row = nn.Parameter(torch.tensor([[3.0, 4]]))
    row.grad = torch.tensor([[1.0, 2]])
    project_gradient(row)
    torch.testing.assert_close(row.grad, torch.tensor([[-0.32, 0.24]]))
    factor = shrinkage(torch.tensor([[0.8], [0.4]]), torch.tensor([[0.65], [0.25]]), torch.zeros(1))
    assert f"{float(factor):.2f}" == "0.78"
    counter = DeadLatents(1, 8)
    for batch, dead in [([0.0, 1, 0, 0], False), ([0.0] * 4, False), ([0.0] * 4, True), ([0.0, 2, 0, 0], False)]:
        counter.update(torch.tensor(batch)[:, None])
        assert counter.dead().tolist() == [dead]
    t = torch.zeros(1, requires_grad=True)
    z = torch.tensor([[0.9], [1.1], [2.0]])
    latents, count = jumprelu(z, t, 0.5)
    assert latents.flatten().tolist() == pytest.approx([0, 1.1, 2]) and count.tolist() == [0, 1, 1]
    assert float(torch.autograd.grad(count.sum(), t, retain_graph=True)[0]) == pytest.approx(-4)
    slopes = [float(torch.autograd.grad(each.sum(), t, retain_graph=True)[0]) for each in latents]
    assert slopes == pytest.approx([-2, -2, 0])
    said("2.4", "1.6", "1.41", "0.24", "0.2425", "0.78", "0.65", "0.15")


def test_sixteen_latents_find_twelve_features_that_nobody_told_them():
    """The last column of the text's table, one run of it: the directions are those of the checker's long run."""
    from headwork.checkers.catalogue import exercise

    [case] = exercise("sae.sae_on_toy").draw_cases(0, slow=True)
    sae, source = SAE(6, 16), torch.Generator().manual_seed(3)

    def make_batch(step):
        active = torch.rand(256, 12, generator=source) < 0.05
        return (torch.rand(256, 12, generator=source) * active) @ case.directions + 0.5

    train_on_toy(sae, make_batch, 3000, 0.005, 0.3)
    cosines, rows = match_features(sae.W_dec.detach(), case.directions)
    assert float(cosines.min()) > 0.98 and len(set(rows.tolist())) == 12
    x = make_batch(0)
    assert float(shrinkage(x, sae(x)[0], sae.b_dec)) < 0.9
