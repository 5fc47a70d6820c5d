"""`gpt2.hidden_bug`: what eight models hide, each claim judged by running the model on the input that comes with it.

A guesser names each bug with a chance of 1 in 13 at best, since every name is drawn with the same chance. Six right of
eight is what the first check asks, which guessing reaches five times in a million. What is said of a failed claim does
not tell how many answers hold: with that, the answers could be found one at a time.
"""

from collections.abc import Iterator
from typing import Any

import torch

from headwork.checkers.checks import claim
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case
from headwork.models.suspects import BUGS, CASES, COUNT, SIZES, Suspect, bug_of, forward, suspects

ENOUGH = 6
SEPARATED = 1e-6  # of the largest logit: far above what rounding does in float64

ask = Exercise("CASE", "HIDDEN_BUGS")


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    yield Case("your case")


def _form(value: Any) -> str:
    """What is wrong with the form of the answers; '' when nothing is."""
    case, answers = value["case"], value["answers"]
    if not isinstance(case, int) or isinstance(case, bool) or not 0 <= case < CASES:
        return f"`CASE` is {case!r}: it is a whole number from 0 to {CASES - 1}."
    if not isinstance(answers, (list, tuple)) or len(answers) != COUNT:
        size = len(answers) if isinstance(answers, (list, tuple)) else "no list"
        return f"`HIDDEN_BUGS` holds one answer for each of the {COUNT} suspects; yours holds {size}."
    for place, answer in enumerate(answers):
        flaw = _form_of_one(answer)
        if flaw:
            return f"Suspect {place}: {flaw}"
    return ""


def _form_of_one(answer: Any) -> str:
    if not isinstance(answer, (list, tuple)) or len(answer) != 2 or not isinstance(answer[1], (list, tuple)):
        return "an answer is a pair, the name of the bug and a list of tokens."
    name, tokens = answer
    if name not in BUGS:
        return f"there is no bug {str(name)[:40]!r}: the names are those of the text."
    if name == "none":
        return "nothing separates a right model from itself: leave its list empty." if tokens else ""
    if not tokens:
        return "the list is empty: give tokens on which it and the right model differ."
    if len(tokens) > SIZES["n_ctx"]:
        return f"{len(tokens)} tokens are more than the {SIZES['n_ctx']} that fit."
    if not all(isinstance(token, int) and 0 <= token < SIZES["vocab_size"] for token in tokens):
        return f"tokens are whole numbers from 0 to {SIZES['vocab_size'] - 1}."
    return ""


def separates(suspect: Suspect, tokens: list[int]) -> bool:
    """Whether the suspect and the right model give these tokens different logits."""
    row = torch.tensor([tokens])
    right = forward(suspect.state, row)
    return float((suspect(row) - right).abs().max()) > SEPARATED * float(right.abs().max())


def _at_least(enough: int, value: Any, _: Case) -> str:
    flaw = _form(value)
    if flaw:
        return flaw
    answered = zip(suspects(value["case"]), value["answers"], strict=True)
    for place, (suspect, (name, tokens)) in enumerate(answered):
        if name != "none" and not separates(suspect, list(tokens)):
            return f"Suspect {place}: on these tokens it does what the right model does, so they show no bug."
    held = sum(name == bug_of(value["case"], place) for place, (name, _) in enumerate(value["answers"]))
    if held >= enough:
        return ""
    return (
        f"Fewer than {enough} of the {COUNT} hold. Build a bug into your own model: it must give the suspect's logits."
    )


ask.checks(
    claim(
        "most",
        lambda value, case: _at_least(ENOUGH, value, case),
        title=f"at least {ENOUGH} of the {COUNT} suspects are seen through, each with an input that shows it",
        weight=3,
    ),
    claim(
        "all",
        lambda value, case: _at_least(COUNT, value, case),
        title=f"all {COUNT} are",
    ),
)

ask.mistakes(
    edit(
        '("scale_by_d_model", [3, 14])',
        '("scale_by_d_model", [3])',
        "A lone token can only look at itself, whatever the scores: this input shows no bug of the scores.",
    ),
    edit('("none", [])', '("none", [4, 2])', "Nothing separates a right model from itself: leave the list empty."),
    edit(
        '("no_final_norm", [7])',
        '("no_final_norm", [])',
        "The list of tokens is empty: give an input that shows the bug.",
    ),
    edit(
        '("no_final_norm", [7])',
        '("no_final_norm", [31])',
        "A token is outside the vocabulary: tokens go from 0 to 30.",
    ),
    edit(
        '    ("last_block_twice", [5]),\n',
        "",
        "There are eight suspects: give an answer for each, in their order.",
    ),
    edit('"last_block_twice"', '"block_twice"', "This is no name of a bug: take the names from the text."),
    edit(
        '("swapped_heads", [9, 2]),\n    ("swapped_heads", [4, 11]),\n    ("no_final_norm", [7]),',
        '("value_bias_missing", [9, 2]),\n    ("value_bias_missing", [4, 11]),\n    ("parallel_mlp", [7]),',
        "That a suspect differs from the right model is shown, but not by which bug: rebuild it in your own model.",
    ),
)
