"""What is asked of answers in chapter `ioi`: patches estimated by a gradient.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

from headwork.checkers.ioi.probes.networks import marks, metric, network
from headwork.checkers.probing import Answer, Case, Unfit


def attribution_patch(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield from _pair(answer.attribution_patch, case, "streams", "heads")


def attribution_patch_qk(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield from _pair(answer.attribution_patch_qk, case, "queries", "keys")


def grad_drop(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield from asked(answer.grad_drop, case, lambda found: [("values", found)])


def _pair(function: Any, case: Case, *names: str) -> Iterator[tuple[str, Any]]:
    def named(found: Any) -> Iterable[tuple[str, Any]]:
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise Unfit(f"`{function.__name__}` returns no pair: it returns ({', '.join(names)})")
        return zip(names, found, strict=True)

    yield from asked(function, case, named)


def asked(function: Any, case: Case, named: Callable[[Any], Iterable[tuple[str, Any]]]) -> Iterator[tuple[str, Any]]:
    """What `named` makes of the answer to a model and its prompts, and whether the model is left as it was."""
    model = network(case).requires_grad_(True)  # as a model comes
    before = marks(model)
    with torch.enable_grad():
        found = function(model, case.clean, case.corrupted, case.end, metric(case))
    yield from named(found)
    left = any(parameter.grad is not None for parameter in model.parameters())
    yield "the model is as it was", marks(model) == before and not left
