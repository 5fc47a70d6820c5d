"""What is asked of answers in chapter `ioi`: effects along single paths.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from headwork.checkers.ioi.probes.networks import marks, metric, network
from headwork.checkers.probing import Answer, Case, Unfit


def path_patch_by_hand(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Three nodes with weights of their own; the middle and the output read the input as well."""

    def sender(x: Tensor) -> Tensor:
        return (x @ case.of_sender).tanh()  # (row, 2)

    def middle(x: Tensor, a: Tensor) -> Tensor:
        return (x @ case.of_middle + a @ case.sender_to_middle).sin()  # (row, 4)

    def output(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        read = x @ case.of_output, a @ case.sender_to_output, b @ case.middle_to_output
        return read[0] + read[1] * read[2] + (read[1] - read[2]).exp()  # (row,)

    found = answer.path_patch_by_hand(sender, middle, output, case.clean, case.corrupted)
    if not isinstance(found, tuple | list) or len(found) != 3:
        raise Unfit("`path_patch_by_hand` returns no three values: it returns (total, direct, through the middle)")
    yield from zip(("total", "direct", "through the middle"), found, strict=True)


def path_patch(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = network(case)
    before = marks(model)
    yield "values", answer.path_patch(model, case.clean, case.corrupted, case.end, metric(case), case.mlps)
    yield "the model is as it was", marks(model) == before


def path_patch_through(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = network(case)
    before = marks(model)
    receivers = [(layer, head, part) for layer, head, part in case.receivers]
    prompts = case.clean, case.corrupted, case.end
    yield "values", answer.path_patch_through(model, *prompts, metric(case), receivers, case.mlps)
    yield "the model is as it was", marks(model) == before
