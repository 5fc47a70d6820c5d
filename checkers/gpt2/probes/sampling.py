"""What is asked of answers in chapter `gpt2`: sampling.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from headwork.checkers.probing import Answer, Case, generator


def top_p(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    def draw(repeats: int, seed: int) -> Tensor:
        rows = case.rows.repeat_interleave(repeats, 0)  # (row * repeats, vocab)
        return answer.top_p(rows, case.p, generator=generator(seed, rows.device))

    yield "tokens", draw(case.repeats, case.seed)
    for name in ("once", "again"):
        yield name, draw(20, case.seed)
    yield "two seeds", [draw(60, case.seed + step) for step in (1, 2)]
