"""What is seen of a wrong tensor, in every number of axes: a sentence or nothing, never an exception."""

import pytest
import torch

from headwork.checkers.probing import Case
from headwork.grading.judge import Known
from headwork.grading.plan import Observation, Run
from headwork.grading.symptoms import LOOKS, symptoms


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)), dtype=torch.float64)


def seen(got: torch.Tensor, want: torch.Tensor) -> str:
    return next(filter(None, (look(got, want) for look in LOOKS)), "")


@pytest.mark.parametrize("shape", [(), (1,), (5,), (0,), (3, 0), (2, 3), (1, 1, 1), (2, 3, 4), (2, 1, 3, 4)])
@pytest.mark.parametrize("wrong", ["other", "nan", "inf", "zeros", "one"])
def test_every_look_copes_with_every_shape(shape, wrong):
    want = numbers(*shape)
    got = {"other": want.square() - 1, "nan": want * torch.nan, "inf": want / 0, "zeros": want * 0, "one": want * 0 + 1}
    for look in LOOKS:
        assert isinstance(look(got[wrong], want), str)


@pytest.mark.parametrize("shape", [(5,), (5, 2), (2, 5, 3)])
def test_slices_in_the_wrong_order_are_seen(shape):
    want = numbers(*shape)
    axis = shape.index(5)
    assert f"along axis {axis} are right but in the wrong order" in seen(
        want.index_select(axis, torch.tensor([2, 0, 3, 1, 4])), want
    )


def test_the_option_that_right_runs_share_is_named_and_a_seed_is_not():
    runs = [Run(Case(str(seed), seed=seed, depth=0.5 if seed == 1 else 0.1 * seed)) for seed in (1, 2, 3)]
    right = [Observation({"value": numbers(4) + run.case.seed}) for run in runs]
    mine = [right[0], *(Observation({"value": each.values["value"].sin()}) for each in right[1:])]
    found = symptoms(Known(runs, right), mine, 1, "value")
    assert found == ["It is right only where depth is 0.5: is that value written into your code?"]
