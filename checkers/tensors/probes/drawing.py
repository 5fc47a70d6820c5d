"""What is asked of answers in chapter `tensors`: the largest numbers, draws, and a step that gradients pass.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.probing import Answer, Case, generator, gradient


def topk_mask(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "masked", answer.topk_mask(case.x, case.k)
    yield "gradient", gradient(lambda x: answer.topk_mask(x, case.k), case.cotangent, x=case.x)


def sample_categorical(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    def draw(count: int, source: torch.Generator) -> Tensor:
        return answer.sample_categorical(case.probabilities, count, generator=source)

    device = case.probabilities.device
    tokens = draw(case.count, generator(case.seed, device))
    yield "tokens", tokens
    if not isinstance(tokens, Tensor) or tokens.shape != (len(case.probabilities), case.count):
        return
    if case.pairs:
        yield "pairs in a row", _halves(tokens[:, ::2], tokens[:, 1::2], case)
        yield "pairs of rows", _halves(tokens, tokens.roll(-1, 0), case)
        source = generator(case.seed + 1, device)
        yield "two at a time", torch.cat([draw(2, source) for _ in range(250)], 1)
    for name in ("once", "again"):
        yield name, draw(20, generator(case.seed, device))
    source = generator(case.seed, device)
    yield "two calls", [draw(60, source) for _ in range(2)]
    yield "two seeds", [draw(60, generator(case.seed + step, device)) for step in (1, 2)]


def _halves(one: Tensor, other: Tensor, case: Case) -> Tensor:
    """Of each pair of draws, which half of the vocabulary either is from: 0 to 3."""
    half = case.probabilities.shape[1] // 2
    return 2 * (one >= half).long() + (other >= half).long()


def straight_through(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    step = answer.straight_through(case.x, case.threshold)
    yield "step", step
    yield "gradient", gradient(lambda x: answer.straight_through(x, case.threshold), case.cotangent, x=case.x)
    yield "values that occur", sorted(set(step.flatten().tolist()))[:9]
