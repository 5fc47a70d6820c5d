"""The second half of chapter `tensors` against the outside world: PyTorch's own calls, brute force, exact laws."""

import math

import pytest
import torch
import torch.nn.functional as F

from headwork.solutions.tensors.drawing import sample_categorical, straight_through, topk_mask
from headwork.solutions.tensors.probabilities import batched_logsumexp, cross_entropy, log_softmax, softmax
from headwork.solutions.tensors.windows import diagonals, toeplitz, windows

DOUBLE = torch.float64
EXACTLY = {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(1)


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize("centre", [0, 10_000, -10_000])
def test_the_logsumexp_is_pytorchs(centre, dtype):
    x = (centre + 3 * torch.randn(2, 4, 6)).to(dtype)
    x[0, 1], x[1, 2, 3:] = -math.inf, -math.inf
    torch.testing.assert_close(batched_logsumexp(x), x.logsumexp(-1))


def test_a_row_of_nothing_spoils_no_other_rows_gradient():
    x = torch.randn(2, 3, 4, dtype=DOUBLE)
    x[1, 1] = -math.inf
    ours, theirs = x.clone().requires_grad_(), x[0].clone().requires_grad_()
    batched_logsumexp(ours)[0].sum().backward()
    theirs.logsumexp(-1).sum().backward()
    torch.testing.assert_close(ours.grad[0], theirs.grad, **EXACTLY)


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1, -2, -3, -4])
def test_both_softmaxes_are_pytorchs_along_every_axis(axis):
    x = 500 * torch.randn(2, 3, 4, 5, dtype=DOUBLE)
    torch.testing.assert_close(softmax(x, axis), x.softmax(axis), **EXACTLY)
    torch.testing.assert_close(log_softmax(x, axis), x.log_softmax(axis), **EXACTLY)


def test_gradients_are_finite_differences():
    x = torch.randn(2, 3, 4, dtype=DOUBLE, requires_grad=True)
    targets = torch.tensor([[0, 3, -1], [2, -1, 1]])
    values = torch.randn(2, 5, dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradcheck(batched_logsumexp, (x,))
    assert torch.autograd.gradcheck(lambda x: softmax(x, 1), (x,))
    assert torch.autograd.gradcheck(lambda x: log_softmax(x, 0), (x,))
    assert torch.autograd.gradcheck(lambda x: cross_entropy(x, targets, -1), (x,))
    assert torch.autograd.gradcheck(lambda x: windows(x, 3, 2), (x[0].detach().requires_grad_(),))
    assert torch.autograd.gradcheck(toeplitz, (values,))
    assert torch.autograd.gradcheck(diagonals, (x[:, :, :3].detach().requires_grad_(),))
    assert torch.autograd.gradcheck(lambda x: topk_mask(x, 2), (x[0].detach().requires_grad_(),))


@pytest.mark.parametrize("ignore", [-100, -1, 0, 4])
def test_the_cross_entropy_is_pytorchs(ignore):
    logits = 20 * torch.randn(3, 6, 5, dtype=DOUBLE)
    targets = torch.randint(5, (3, 6))
    targets[0, 2:], targets[2, 4] = ignore, ignore
    theirs = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=ignore)
    torch.testing.assert_close(cross_entropy(logits, targets, ignore), theirs, **EXACTLY)


@pytest.mark.parametrize(("width", "step"), [(1, 1), (3, 1), (3, 2), (2, 5), (9, 3)])
@pytest.mark.parametrize("layout", ["rows", "columns", "slice"])
def test_windows_are_those_of_unfold_and_share_memory(width, step, layout):
    x = {
        "rows": torch.randn(2, 9),
        "columns": torch.randn(9, 2).T,
        "slice": torch.randn(5, 30)[1:5:2, 2:29:3],
    }[layout]
    found = windows(x, width, step)
    torch.testing.assert_close(found, x.unfold(1, width, step), rtol=0, atol=0)
    assert found.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()


def test_diagonals_are_the_definition_in_plain_loops():
    pattern = torch.rand(3, 5, 5, dtype=DOUBLE)  # not causal
    found = diagonals(pattern)
    for batch in range(3):
        for offset in range(5):
            entries = [float(pattern[batch, query, query - offset]) for query in range(offset, 5)]
            assert len(entries) == 5 - offset
            assert float(found[batch, offset]) == pytest.approx(sum(entries) / len(entries), abs=1e-12)


def test_the_means_times_their_counts_sum_to_the_queries():
    pattern = torch.randn(2, 6, 6, dtype=DOUBLE).masked_fill(torch.ones(6, 6).triu(1).bool(), -math.inf).softmax(-1)
    assert (diagonals(pattern) * torch.arange(6, 0, -1)).sum(-1).tolist() == pytest.approx([6, 6])


def test_diagonals_read_off_what_toeplitz_wrote():
    values = torch.randn(2, 9, dtype=DOUBLE)
    matrices = toeplitz(values)
    for row in range(5):
        for column in range(5):
            assert torch.equal(matrices[:, row, column], values[:, row - column + 4])
    torch.testing.assert_close(diagonals(matrices), values[:, 4:], **EXACTLY)


@pytest.mark.parametrize("period", [3, 20])
def test_three_planted_heads_are_told_apart_by_their_offset(period):
    length = 2 * period
    offsets = {"previous": 1, "duplicate": period, "induction": period - 1}
    for name, offset in offsets.items():
        pattern = torch.zeros(length, length, dtype=DOUBLE)
        for query in range(length):
            looks_back = query >= 1 if name == "previous" else query >= period
            pattern[query, query - offset if looks_back else query] = 1  # elsewhere it rests on itself
        means = diagonals(pattern.unsqueeze(0))[0]
        due = period / (period + 1) if name == "induction" else 1
        assert float(means[offset]) == pytest.approx(due)
        assert int(means[1:].argmax()) + 1 == offset


def test_the_k_largest_are_those_of_sorting_each_row():
    x = torch.randn(4, 7, dtype=DOUBLE)
    for k in range(1, 8):
        for row, kept in zip(x.tolist(), topk_mask(x, k).tolist(), strict=True):
            bar = sorted(row)[-k]
            assert kept == [number if number >= bar else 0 for number in row]


def test_draws_follow_their_law_and_each_other_not_at_all():
    law = torch.tensor([[0.2, 0, 0.5, 0.3], [0, 0.25, 0.75, 0]], dtype=DOUBLE)
    drawn = sample_categorical(law, 40_000, generator=torch.Generator().manual_seed(2))
    counts = torch.stack([torch.bincount(row, minlength=4) for row in drawn]) / 40_000
    assert ((law == 0) == (counts == 0)).all()
    assert (counts - law).abs().max() < 5 * math.sqrt(0.25 / 40_000)
    pairs = torch.bincount(4 * drawn[0] + drawn[1], minlength=16).reshape(4, 4) / 40_000
    assert (pairs - law[0].unsqueeze(1) * law[1]).abs().max() < 5 * math.sqrt(0.25 / 40_000)
    neighbours = torch.bincount(4 * drawn[0, ::2] + drawn[0, 1::2], minlength=16).reshape(4, 4) / 20_000
    assert (neighbours - law[0].unsqueeze(1) * law[0]).abs().max() < 5 * math.sqrt(0.25 / 20_000)


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize("point", ["least", "most"])
def test_the_least_and_the_largest_uniform_number_hit_a_token_that_can_come(point, dtype, monkeypatch):
    one = torch.ones((), dtype=dtype)
    number = torch.zeros((), dtype=dtype) if point == "least" else torch.nextafter(one, 0 * one)
    law = torch.rand(200, 30, dtype=dtype)
    law[:, [0, 1, 28, 29]] = 0
    law /= law.sum(-1, keepdim=True)
    monkeypatch.setattr(torch, "rand", lambda size, **options: number.expand(size).contiguous())
    drawn = sample_categorical(law, 1)
    assert (law.gather(-1, drawn) > 0).all()
    assert (drawn == (2 if point == "least" else 27)).all()


def test_a_straight_through_step_is_exact_where_the_usual_way_of_writing_it_is_not():
    x = torch.tensor([1e8, -1e8, 0.5, 0.75], requires_grad=True)
    step = straight_through(x, 0.5)
    assert step.tolist() == [1, 0, 0, 1]
    (slope,) = torch.autograd.grad(step, x, torch.tensor([4.0, -1.0, 2.0, 0.5]))
    assert slope.tolist() == [4, -1, 2, 0.5]
    usual = x + ((x > 0.5).float() - x).detach()
    assert usual.tolist()[0] == 0
