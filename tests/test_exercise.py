"""What authors declare: cases by seed, batches of one, edits that must fit."""

import pytest
import torch

from headwork.checkers.catalogue import UnknownExercise, exercise, ids
from headwork.checkers.checks import equal, stable
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import PROBES_OWN, Case
from headwork.grading.plan import runs_of


def small(**options) -> Exercise:
    ask = Exercise("f", **options)

    @ask.cases
    def _(rng):
        yield Case("one", x=rng.normal((1, 2)), scale=2)
        yield Case("many", x=rng.normal((3, 4)), scale=5)

    ask.checks(equal("value", title="is right"))
    return ask


def test_the_same_seed_gives_the_same_cases_and_another_seed_others():
    one, again, other = (small().draw_cases(seed)[0].x for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_a_batch_of_one_is_cut_from_the_first_case_that_has_several():
    cases = small(batch=["x"]).draw_cases(0)
    assert [case.name for case in cases] == ["one", "many", "many, batch of one"]
    assert torch.equal(cases[2].x, cases[1].x[:1]) and cases[2].scale == 5


def test_the_first_case_is_put_in_float32_too():
    lowered = [run for run in runs_of(small(), 0) if run.lowered]
    assert [run.case.name for run in lowered] == ["one"] and lowered[0].case.x.dtype == torch.float32


def test_a_stable_check_on_an_unknown_case_is_the_authors_error():
    ask = small()
    ask.checks(stable("value", on=["nowhere"], title="is exact"))
    with pytest.raises(ValueError, match="nowhere"):
        runs_of(ask, 0)


@pytest.mark.parametrize("source", ["a b c", "a old old"])
def test_an_edit_whose_old_text_is_not_found_exactly_once_is_refused(source):
    with pytest.raises(ValueError, match="not once"):
        edit("old", "new", "why").apply(source)


def test_an_unknown_id_is_answered_with_the_closest():
    with pytest.raises(UnknownExercise, match=r"gpt2\.layer_norm"):
        exercise("gpt2.layernorm")


@pytest.mark.parametrize("id", ids())
def test_the_inputs_of_every_exercise_are_worth_asking(id):
    """No tensor of numbers is all zero, two values of each option; a mask may say nobody, and a context be empty."""
    cases = exercise(id).draw_cases(0)
    options: dict[str, set] = {}
    said = {name for case in cases for name, value in case.inputs.items() if torch.is_tensor(value) and value.any()}
    for case in cases:
        assert {name for name, value in case.inputs.items() if torch.is_tensor(value)} <= said, case.name
        for name, value in case.inputs.items():
            if isinstance(value, torch.Tensor):
                assert value.dtype is torch.bool or not value.numel() or (value != 0).any(), (case.name, name)
            elif isinstance(value, (int, float)) and name not in PROBES_OWN:
                options.setdefault(name, set()).add(value)
    assert all(len(values) > 1 for values in options.values()), options


def test_normal_numbers_have_the_centre_and_spread_asked_for():
    x = Rng("a").normal((20000,), centre=3, spread=2)
    assert abs(x.mean() - 3) < 0.1 and abs(x.std() - 2) < 0.1 and x.dtype == torch.float64
