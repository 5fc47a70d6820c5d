"""The finding of chapter `gpt2`: its suspects can be seen through, and guessing does not pay."""

from itertools import combinations
from math import comb

import pytest
import torch

from headwork.chapters.course import exercise_text
from headwork.checkers import catalogue
from headwork.checkers.gpt2.hidden_bug import COUNT, ENOUGH, ask, separates
from headwork.checkers.probing import Case
from headwork.models.suspects import BUGS, CASES, SIZES, bug_of, forward, suspects, weights


def flaw(check: int, case: object, answers: object) -> str:
    return ask.list_of_checks[check].flaw({"case": case, "answers": answers}, Case("your case"))


def shown(bug: str) -> list[int]:
    """Tokens on which any bug of this name shows."""
    return [] if bug == "none" else [0, *range(1, SIZES["n_ctx"])]


def truth(case: int) -> list[tuple[str, list[int]]]:
    return [(bug_of(case, place), shown(bug_of(case, place))) for place in range(COUNT)]


def test_without_a_bug_a_suspect_is_transformers_gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(**{name: size for name, size in SIZES.items() if name != "n_ctx"}, n_positions=SIZES["n_ctx"])
    theirs = GPT2LMHeadModel(config).double().eval()
    state = weights(5, 2)
    missing, left_over = theirs.load_state_dict(state, strict=False)
    assert not left_over and set(missing) <= {"lm_head.weight"}
    theirs.tie_weights()
    tokens = torch.arange(SIZES["n_ctx"] * 2).remainder(SIZES["vocab_size"]).reshape(2, -1)
    torch.testing.assert_close(forward(state, tokens), theirs(tokens).logits, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("place", range(3))
def test_every_two_bugs_differ_on_some_input(place):
    state, tokens = weights(3, place), torch.tensor([shown("any")])
    seen = {bug: forward(state, tokens, bug) for bug in BUGS}
    scale = seen["none"].abs().max()
    for one, other in combinations(BUGS, 2):
        assert (seen[one] - seen[other]).abs().max() > 1e-5 * scale, f"{one} looks like {other}"


@pytest.mark.parametrize("case", [0, 17, 500, 999])
def test_a_detective_who_rebuilds_every_bug_sees_through_all_suspects(case):
    tokens = torch.tensor([shown("any")])
    answers = []
    for suspect in suspects(case):
        logits = suspect(tokens)
        (name,) = [bug for bug in BUGS if torch.allclose(forward(suspect.state, tokens, bug), logits, atol=1e-9)]
        answers.append((name, shown(name)))
    assert answers == truth(case)
    assert not flaw(0, case, answers) and not flaw(1, case, answers)


def test_some_bugs_sleep_on_most_inputs():
    state = weights(1, 1)
    for bug, tokens in [("late_positions", list(range(1, 13))), ("blank_token_zero", [5, 6, 7])]:
        row = torch.tensor([tokens])
        assert torch.equal(forward(state, row, bug), forward(state, row))


def test_a_guesser_gets_next_to_nothing():
    """Whatever is guessed, each of the eight is right with a chance of 1 in 13."""
    chance = 1 / len(BUGS)
    enough = sum(
        comb(COUNT, right) * chance**right * (1 - chance) ** (COUNT - right) for right in range(ENOUGH, COUNT + 1)
    )
    assert enough < 6e-6
    text = exercise_text("gpt2.hidden_bug")
    assert enough * text.points < 4e-5


def test_no_constant_answer_holds_in_any_case():
    """Every suspect called by one name, with an input that would show it: in no case is that enough."""
    lucky = sum(
        sum(bug_of(case, place) == name for place in range(COUNT)) >= ENOUGH for case in range(CASES) for name in BUGS
    )
    assert lucky == 0


def test_the_bugs_are_drawn_evenly():
    counts = dict.fromkeys(BUGS, 0)
    for case in range(CASES):
        for place in range(COUNT):
            counts[bug_of(case, place)] += 1
    expected = CASES * COUNT / len(BUGS)
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 40  # 12 degrees of freedom


def test_what_is_said_does_not_tell_how_many_names_are_right():
    right = truth(0)
    assert all(name != "none" for name, _ in right)
    wrong = [("parallel_mlp" if name == "swapped_heads" else "swapped_heads", shown("any")) for name, _ in right]
    said = {flaw(0, 0, right[:kept] + wrong[kept:]) for kept in range(ENOUGH)}
    assert len(said) == 1 and "Fewer than 6 of the 8 hold" in said.pop()
    assert flaw(0, 0, right[:6] + wrong[6:]) == "" and "Fewer than 8" in flaw(1, 0, right[:6] + wrong[6:])


def test_an_input_that_shows_nothing_is_pointed_out():
    answers = truth(1)
    assert answers[5][0] == "late_positions"
    answers[5] = ("late_positions", [4, 2])
    assert flaw(0, 1, answers).startswith("Suspect 5: on these tokens it does what the right model does")
    assert not separates(suspects(1)[5], [4, 2])


@pytest.mark.parametrize(
    ("case", "answers", "said"),
    [
        (1000, [], "from 0 to 999"),
        (True, [], "from 0 to 999"),
        ("1", [], "from 0 to 999"),
        (1, None, "yours holds no list"),
        (1, [], "yours holds 0"),
        (1, [("none", [])] * 9, "yours holds 9"),
        (1, ["none"] * 8, "an answer is a pair"),
        (1, [("none", None)] * 8, "an answer is a pair"),
        (1, [("nothing", [])] * 8, "there is no bug 'nothing'"),
        (1, [("none", [1])] * 8, "leave its list empty"),
        (1, [("exact_gelu", [])] * 8, "the list is empty"),
        (1, [("exact_gelu", [31])] * 8, "from 0 to 30"),
        (1, [("exact_gelu", [-1])] * 8, "from 0 to 30"),
        (1, [("exact_gelu", [1.5])] * 8, "from 0 to 30"),
        (1, [("exact_gelu", [1] * 17)] * 8, "17 tokens are more than the 16"),
    ],
)
def test_a_malformed_answer_is_told_what_it_should_be(case, answers, said):
    assert said in flaw(0, case, answers)


def test_the_text_lists_the_bugs_as_they_are():
    from headwork.chapters.course import chapter

    prose = "".join(getattr(block, "markdown", "") for block in chapter("gpt2").blocks)
    for name, meaning in BUGS.items():
        assert f"| `{name}` | {meaning.replace('d_model', '`d_model`').replace('n - 1', '$n - 1$')} |" in prose


def test_it_is_a_finding():
    from headwork.chapters.directives import Finding

    assert isinstance(exercise_text("gpt2.hidden_bug"), Finding) and "gpt2.hidden_bug" in catalogue.ids("gpt2")
