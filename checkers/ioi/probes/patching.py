"""What is asked of answers in chapter `ioi`: sweeps of patches through a network.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

from headwork.checkers.ioi.probes.networks import marks, metric, network
from headwork.checkers.probing import Answer, Case


def patch_residual(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield from _sweep(answer.patch_residual, case)


def patch_heads(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield from _sweep(answer.patch_heads, case)


def patch_head_inputs(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield from _sweep(answer.patch_head_inputs, case, case.part)


def _sweep(sweep: Callable[..., Tensor], case: Case, *options: str) -> Iterator[tuple[str, Any]]:
    model = network(case)
    before = marks(model)
    yield "values", sweep(model, case.clean, case.corrupted, case.end, metric(case), *options)
    yield "the model is as it was", marks(model) == before
