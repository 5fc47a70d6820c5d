"""What is asked of answers in chapter `ioi`: what layers and heads write towards a name, directly.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.ioi.probes.networks import marks, network
from headwork.checkers.probing import Answer, Case


def attribute_layers(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = network(case)
    before = marks(model)
    yield "values", answer.attribute_layers(model, case.clean, case.end, case.correct, case.wrong, case.frozen)
    yield "the model is as it was", marks(model) == before


def attribute_heads(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = network(case)
    before = marks(model)
    yield "values", answer.attribute_heads(model, case.clean, case.end, case.correct, case.wrong)
    yield "the model is as it was", marks(model) == before
