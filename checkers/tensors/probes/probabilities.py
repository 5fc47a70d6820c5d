"""What is asked of answers in chapter `tensors`: from logits to probabilities and to a loss.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from headwork.checkers.probing import Answer, Case, gradient, in_ways


def batched_logsumexp(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "logsumexp", answer.batched_logsumexp(case.x)
    slope = gradient(answer.batched_logsumexp, case.cotangent, x=case.x)["x"]
    some = (case.x > float("-inf")).any(-1)  # (batch, position): a row of nothing has no gradient to speak of
    yield "gradient", slope[some] if isinstance(slope, Tensor) else slope


def softmax(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "softmax", answer.softmax(case.x, case.axis)
    yield "gradient", gradient(lambda x: answer.softmax(x, case.axis), case.cotangent, x=case.x)


def log_softmax(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "log_softmax", answer.log_softmax(case.x, case.axis)
    yield "gradient", gradient(lambda x: answer.log_softmax(x, case.axis), case.cotangent, x=case.x)


def cross_entropy(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Asked twice: with a decoy for `log_softmax`, which has an exercise of its own, and as it stands.

    Only one of the two has to work: an answer may take its logarithms elsewhere, or not have a `log_softmax` yet.
    """

    def loss(logits: Tensor) -> Tensor:
        options = {} if case.ignore is None else {"ignore": case.ignore}
        return answer.cross_entropy(logits, case.targets, **options)

    def ask(way: str) -> Iterator[tuple[str, Any]]:
        yield "loss", loss(case.logits)
        yield "gradient", gradient(loss, case.cotangent, logits=case.logits)

    yield from in_ways(answer, {"with our log_softmax": {"log_softmax": _decoy_log_softmax}, "as it stands": {}}, ask)


def _decoy_log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Numbers that no exercise asks for; each depends on its neighbour along `axis`."""
    return x.tanh() - x.roll(1, axis).cos()
