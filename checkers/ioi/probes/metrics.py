"""What is asked of answers in chapter `ioi`: how far a network prefers one name to another.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.probing import Answer, Case, Unfit, generator, gradient


def logit_difference(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    def difference(logits: Tensor) -> Tensor:
        found: Tensor = answer.logit_difference(logits, case.correct, case.wrong, case.end)
        return found

    yield "differences", difference(case.logits)
    yield "gradient", gradient(difference, case.cotangent, logits=case.logits)


def name_retrieval(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    def retrieval(logits: Tensor) -> Tensor:
        found: Tensor = answer.name_retrieval(logits, case.correct, case.absent, case.end)
        return found

    yield "differences", retrieval(case.logits)
    yield "gradient", gradient(retrieval, case.cotangent, logits=case.logits)


def normalise_metric(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    def normalised(patched: Tensor) -> Tensor:
        found: Tensor = answer.normalise_metric(patched, case.clean, case.corrupted, case.noising)
        return found

    yield "values", normalised(case.patched)
    yield "gradient", gradient(normalised, case.cotangent, patched=case.patched)


def bootstrap_interval(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Intervals of a quantity together with a copy of it on another scale; and of coin flips, whose law is known."""

    def interval(values: Tensor, n_resamples: int, source: torch.Generator) -> Tensor:
        found = answer.bootstrap_interval(values, case.confidence, n_resamples, source)
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise Unfit("`bootstrap_interval` returns no pair of lower and upper end")
        for each in found:
            if not isinstance(each, Tensor) or each.shape != values.shape[1:]:
                shape = tuple(each.shape) if isinstance(each, Tensor) else type(each).__name__
                raise Unfit(f"an end of the interval is {shape}: expected a tensor of shape {tuple(values.shape[1:])}")
        return torch.stack(list(found))  # (end, quantity)

    device = case.values.device
    yield "flips", interval(case.flips, case.n_resamples, generator(case.seed, device))
    together = torch.stack([case.values, 3 * case.values + 1], 1)  # (prompt, 2)
    source = generator(case.seed, device)
    first, following = (interval(together, 200, source) for _ in range(2))
    yield "interval", first
    yield "again", interval(together, 200, generator(case.seed, device))
    yield "scaled alike", first[:, 1] - (3 * first[:, 0] + 1)
    yield "the next one is the same", torch.equal(first, following)
