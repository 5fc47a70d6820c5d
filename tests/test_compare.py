"""What counts as the same value: type, shape, dtype, finiteness, then the numbers."""

import pytest
import torch

from headwork.grading.compare import Comparison
from headwork.grading.wire import Foreign


def difference(got, want, slack=0.0):
    return Comparison(slack).difference(got, want, "`x`")


WANT = torch.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]], dtype=torch.float64)


def test_numbers_within_a_thousand_millionth_are_equal():
    assert difference(WANT + 5e-9, WANT) is None
    assert difference(WANT + 1e-7, WANT).kind == "value"


def test_float32_is_equal_only_where_slack_is_given():
    rough = (WANT / 3).float()
    assert difference(rough, WANT / 3).kind == "value"
    comparison = Comparison(1e-6)
    assert comparison.difference(rough, WANT / 3, "`x`") is None and comparison.lowered


def test_slack_is_not_noted_when_it_was_not_needed():
    comparison = Comparison(1e-6)
    assert comparison.difference(WANT.clone(), WANT, "`x`") is None and not comparison.lowered


def test_the_first_differing_index_is_told_with_both_values():
    wrong = WANT.clone()
    wrong[1, 1] = 7
    found = difference(wrong, WANT)
    assert "[1, 1] is 7, expected 5" in found.detail and "1 of 6" in found.detail


@pytest.mark.parametrize(
    ("got", "kind", "words"),
    [
        (WANT.T, "shape", "shape (3, 2), expected (2, 3)"),
        (WANT.reshape(1, 2, 3), "shape", "(1, 2, 3)"),
        (WANT.long(), "dtype", "int64, expected float64"),
        (WANT.bool(), "dtype", "bool"),
        (None, "type", "None, expected a tensor; is a `return` missing?"),
        ([1.0], "type", "a list"),
        (Foreign("numpy.ndarray"), "type", "numpy.ndarray"),
        ("absent", "absent", "absent"),
        (torch.full((2, 3), float("nan")).double(), "finite", "nan"),
        (torch.full((2, 3), float("inf")).double(), "finite", "inf"),
        (torch.empty(0).double(), "shape", "(0,)"),
    ],
)
def test_each_kind_of_difference_has_its_own_words(got, kind, words):
    found = difference(got, WANT)
    assert found.kind == kind and words in found.message


def test_broadcasting_hides_no_difference():
    assert difference(torch.ones(1, 3).double(), torch.ones(2, 3).double()).kind == "shape"


def test_an_expected_infinity_must_be_the_same_infinity():
    want = torch.tensor([1.0, float("-inf")]).double()
    assert difference(want.clone(), want) is None
    assert difference(torch.tensor([1.0, float("inf")]).double(), want) is not None
    assert difference(torch.tensor([1.0, -1e9]).double(), want) is not None


def test_a_zero_dimensional_tensor_and_a_number_are_the_same():
    assert difference(torch.tensor(0.25).double(), 0.25) is None
    assert difference(0.25, torch.tensor(0.25).double()) is None


def test_true_is_not_one():
    assert difference(True, 1) is not None
    assert difference(1, True) is not None


def test_a_one_dimensional_tensor_may_stand_for_a_list_of_numbers():
    assert difference(torch.tensor([0.5, 0.25]).double(), [0.5, 0.25]) is None
    assert difference([torch.tensor(0.5).double(), 0.25], [0.5, 0.25]) is None
    assert difference([0.5], [0.5, 0.25]).kind == "shape"


def test_a_missing_or_extra_entry_of_a_dict_is_named():
    assert "'w'" in difference({"b": WANT}, {"b": WANT, "w": WANT}).message
    assert "'c'" in difference({"b": WANT, "c": WANT}, {"b": WANT}).message


def test_a_gradient_that_is_zero_but_for_rounding_may_round_otherwise():
    want = {"w": torch.tensor([0.7, 0.2]).double(), "b": torch.tensor([3e-17, -1e-16]).double()}
    got = {"w": want["w"].clone(), "b": torch.tensor([-2e-16, 5e-17]).double()}
    assert difference(got, want) is None
    assert difference({**got, "b": torch.tensor([1e-6, 0]).double()}, want) is not None


def test_integer_dtypes_are_interchangeable_but_not_with_bool():
    want = torch.tensor([1, 0, 2])
    assert difference(want.int(), want) is None
    assert difference(torch.tensor([1, 0, 3]), want).kind == "value"
    assert difference(torch.tensor([1.0, 0, 2]), want).kind == "dtype"
