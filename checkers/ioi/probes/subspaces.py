"""What is asked of answers in chapter `ioi`: patches of a few directions.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.probing import Answer, Case, Unfit, gradient


def subspace_patch(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    def patched(value: Tensor, donor: Tensor) -> Tensor:
        found: Tensor = answer.subspace_patch(value, donor, case.directions)
        return found

    yield "patched", patched(case.value, case.donor)
    yield "gradient", gradient(patched, case.cotangent, value=case.value, donor=case.donor)


def patching_illusion(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    def both(value: Tensor, donor: Tensor) -> Tensor:
        found = answer.patching_illusion(value, donor, case.direction, case.W)
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise Unfit("`patching_illusion` returns no pair: it returns (whole, read part alone)")
        return torch.stack(list(found), 1)  # (batch, 2, d_out)

    yield from zip(("whole", "read part"), both(case.value, case.donor).unbind(1), strict=True)
    yield "gradient", gradient(both, case.cotangent, value=case.value, donor=case.donor)
