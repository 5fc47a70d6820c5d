"""What the small models learn from: the properties that their chapters rely on, and no leak into what is held out."""

from itertools import product

import pytest
import torch

from headwork.models.data import addition, attention_only, brackets
from headwork.models.measure import attention_only as measure_attention
from headwork.models.recipes.brackets import right


def generator(seed):
    return torch.Generator().manual_seed(seed)


def signs(texts):
    """Texts of brackets as rows of 1, -1 and 0."""
    tokens = brackets.to_tokens(texts)[:, 1:-1]
    return (tokens == brackets.OPEN).long() - (tokens == brackets.CLOSE).long()


def text(row):
    return "".join({1: "(", -1: ")", 0: ""}[int(sign)] for sign in row)


def is_balanced(text):
    """By cancelling, which is another definition than that of the depth."""
    while "()" in text:
        text = text.replace("()", "")
    return not text


def test_every_pair_of_numbers_is_learned_from_or_held_out_and_never_both():
    learned, held_out = addition.split()
    as_set = [{tuple(row) for row in part.tolist()} for part in (learned, held_out)]
    assert as_set[0] | as_set[1] == {(a, b, 53) for a, b in product(range(53), repeat=2)}
    assert not as_set[0] & as_set[1] and len(learned) + len(held_out) == 53**2
    assert [int(answer) for answer in addition.sums(learned)] == [(a + b) % 53 for a, b, _ in learned.tolist()]
    assert torch.equal(addition.split()[0], learned)


def test_a_period_is_kept_and_every_announced_token_has_an_example_before_it():
    tokens, announced = attention_only.periodic(200, generator(0))
    assert tokens.shape == (200, 64) and (tokens[:, 0] == attention_only.BOS).all() and (tokens[:, 1:] > 0).all()
    periods = set()
    for row, told in zip(tokens.tolist(), announced.tolist(), strict=True):
        period = len(set(row)) - 1  # tokens that are not repeated differ, and BOS is no part of it
        assert row[1 : 64 - period] == row[1 + period :]
        assert told == [place > period + 1 for place in range(64)]
        periods.add(period)
    assert len(periods) > 20 and periods <= set(range(4, 31))


def test_a_pair_of_neighbours_comes_again_at_any_distance_and_its_second_token_is_announced():
    tokens, announced = attention_only.bigrams(500, generator(0))
    distances = set()
    for row, told in zip(tokens.tolist(), announced.tolist(), strict=True):
        [place] = [place for place, each in enumerate(told) if each]
        earlier = [at for at in range(1, place - 2) if row[at : at + 2] == row[place - 1 : place + 1]]
        assert earlier
        distances |= {place - 1 - at for at in earlier}
    assert {2, 10, 30, 50} <= distances


def test_a_segment_that_begins_anywhere_comes_twice_at_least_behind_tokens_that_do_not():
    tokens, announced = attention_only.periodic(300, generator(2), anywhere=True)
    begins = set()
    for row, told in zip(tokens.tolist(), announced.tolist(), strict=True):
        period, begin = next(
            (period, begin)
            for period in range(4, 31)
            for begin in range(1, 65 - 2 * period)
            if row[begin : 64 - period] == row[begin + period :]
        )
        assert len(set(row)) == begin + period  # nothing else comes again
        assert told == [place > begin + period for place in range(64)]
        begins.add(begin)
    assert {1, 5, 20} <= begins and max(begins) > 40


def test_pairs_stand_anywhere_for_the_first_time_each_place_alike():
    tokens, announced = attention_only.bigrams(3000, generator(3), anywhere=True)
    begins = measure_attention.first_places(attention_only.Sequences(tokens, announced))
    again = announced.long().argmax(1) - 1
    rows = torch.arange(3000)
    assert (announced.sum(1) == 1).all() and (again - begins >= 2).all()
    assert (tokens[rows, begins + 1] == tokens[rows, again + 1]).all()
    counts = torch.bincount(begins, minlength=61)
    assert len(counts) == 61 and counts[0] == 0 and (counts[1:] - 50).abs().max() < 6 * 50**0.5
    assert set((again - begins).tolist()) >= {2, 10, 30, 50}


def test_tokens_that_nothing_announces_are_drawn_evenly():
    tokens, _ = attention_only.bigrams(2000, generator(1))
    counts = torch.bincount(tokens[:, 1:].flatten(), minlength=256)[1:].float()
    assert counts.min() > 0 and (counts / counts.mean() - 1).abs().max() < 6 / counts.mean() ** 0.5


@pytest.mark.parametrize("kind", brackets.KINDS)
def test_strings_are_of_their_kind_and_labelled_by_the_definition(kind):
    strings = brackets.near_misses(kind, 400, generator(2))
    texts = [text(row) for row in strings]
    assert brackets.balanced(strings).tolist() == [is_balanced(each) for each in texts]
    assert {is_balanced(each) for each in texts} == {kind == "balanced"}
    assert all(1 <= len(each) <= 40 for each in texts) and torch.equal(signs(texts), strings)
    opened = {each.count("(") - each.count(")") for each in texts}
    assert opened == {0} if kind in ("balanced", "exchanged", "dipped", "backwards", "shuffled") else opened - {0}
    if kind == "dipped":
        assert set(strings.cumsum(1).amin(1).tolist()) == {-1}
    if kind == "flipped":
        assert opened == {-2, 2}
    if kind == "backwards":
        assert all(is_balanced(each[::-1]) for each in texts)


def test_balanced_strings_of_a_length_are_drawn_evenly():
    """Of 8 brackets there are 14; the bound is six standard deviations."""
    strings = brackets._balanced(7000, generator(3), shortest=8, longest=8)
    counts = {}
    for row in strings:
        counts[text(row)] = counts.get(text(row), 0) + 1
    assert len(counts) == 14 and max(abs(count - 500) for count in counts.values()) < 6 * 500**0.5


def test_no_string_that_is_learned_from_is_held_out():
    learned, held_out = brackets.learned_from(3000, generator(4)), brackets.held_out_strings(3000, generator(5))
    assert not brackets.held_out(learned).any() and brackets.held_out(held_out).all()
    assert not {text(row) for row in learned} & {text(row) for row in held_out}
    assert brackets.balanced(learned).float().mean() == brackets.balanced(held_out).float().mean() == 0.5


def test_hard_strings_are_long_and_have_one_fault_or_none_and_are_not_held_out():
    strings = brackets.hard_strings(403, generator(6))
    assert len(strings) == 403 and not brackets.held_out(strings).any()
    assert ((strings != 0).sum(1) >= 24).all() and brackets.balanced(strings).sum() == 201
    assert strings.sum(1).abs().max() == 2


def test_whether_a_string_is_held_out_is_of_the_string_alone_and_one_in_eight_is():
    texts = ["".join(each) for length in range(4, 11) for each in product("()", repeat=length)]
    every = brackets.held_out(signs(texts))
    assert torch.equal(brackets.held_out(signs(texts[::-1])), every.flip(0))
    assert every.float().mean() == pytest.approx(1 / 8, abs=0.02)
    balanced = [each for each in texts if is_balanced(each)]
    assert brackets.held_out(signs(balanced)).float().mean() == pytest.approx(1 / 8, abs=0.08)


def test_a_position_of_a_string_says_whether_the_fault_is_there():
    said = right(signs(["(())", "())(", "(("]))
    assert said.shape == (3, 42)
    assert said[:, :6].tolist() == [[-1, 1, 1, 1, 1, 1], [-1, 1, 1, 0, 1, 1], [-1, 1, 1, 0, -1, -1]]
    assert (said[:, 6:] == -1).all()


def test_a_string_becomes_tokens_between_its_start_and_its_end():
    tokens = brackets.to_tokens(["(())", ")", "()" * 20])
    assert tokens.shape == (3, 42)
    assert tokens[0].tolist() == [3, 1, 1, 2, 2, 4] + [0] * 36
    assert tokens[1].tolist() == [3, 2, 4] + [0] * 39
    assert tokens[2].tolist() == [3, *[1, 2] * 20, 4]
    for wrong in ("(a)", "()" * 21):
        with pytest.raises(ValueError, match="no string of at most 40 round brackets"):
            brackets.to_tokens([wrong])
