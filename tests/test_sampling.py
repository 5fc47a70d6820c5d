"""Draws are judged by their exact law: right ones always pass, wrong laws do not."""

import pytest
import torch

from headwork.grading.sampling import draws_alike, draws_differ

LAW = torch.tensor([[0.5, 0.0, 0.3, 0.2], [0.1, 0.6, 0.25, 0.05]], dtype=torch.float64)


def draw(law, repeats=1500, seed=0):
    return torch.multinomial(law, repeats, replacement=True, generator=torch.Generator().manual_seed(seed)).flatten()


def test_right_draws_pass_with_every_one_of_300_seeds():
    assert not any(draws_differ(draw(LAW, seed=seed), LAW) for seed in range(300))


def test_a_token_that_should_never_be_drawn_fails_at_its_first_draw():
    draws = draw(LAW)
    draws[7] = 1
    assert "in row 0 token 1 was drawn 1 times" in draws_differ(draws, LAW)


@pytest.mark.parametrize(
    "wrong",
    [
        torch.tensor([[0.6, 0.0, 0.25, 0.15], [0.1, 0.6, 0.25, 0.05]]),
        torch.tensor([[0.5, 0.0, 0.3, 0.2], [0.25, 0.45, 0.25, 0.05]]),
        LAW.flip(0),
        (LAW > 0).double() / (LAW > 0).sum(-1, keepdim=True),
    ],
)
def test_draws_from_another_law_fail(wrong):
    assert draws_differ(draw(wrong.double()), LAW)


def test_the_most_likely_token_alone_fails():
    assert draws_differ(LAW.argmax(-1).repeat_interleave(1500), LAW)


@pytest.mark.parametrize(
    "draws", [torch.rand(3000), torch.full((3000,), 9), torch.full((3000,), -1), torch.ones(3001).long()]
)
def test_what_is_no_draw_gets_a_sentence(draws):
    assert "not whole numbers" in draws_differ(draws, LAW)


def test_two_sets_of_draws_from_one_law_are_alike_and_from_two_are_not():
    other = torch.tensor([[0.7, 0.0, 0.1, 0.2], [0.1, 0.6, 0.25, 0.05]], dtype=torch.float64)
    assert all(draws_alike(draw(LAW, seed=seed), draw(LAW, seed=seed + 1000), LAW) for seed in range(100))
    assert not any(draws_alike(draw(LAW, seed=seed), draw(other, seed=seed + 1000), LAW) for seed in range(20))
