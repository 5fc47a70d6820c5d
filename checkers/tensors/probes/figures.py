"""What live figures of chapter `tensors` ask of the learner's code."""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.probing import Answer, Case


def diagonals_figure(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "diagonals", answer.diagonals(case.patterns)
