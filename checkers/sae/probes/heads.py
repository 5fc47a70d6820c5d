"""What is asked of answers in chapter `sae`: autoencoders of attention outputs, and of what a layer computes.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from headwork.checkers.probing import Answer, Case, Unfit, gradient

PARTS = ("shares", "writes", "contributions")


def attention_output_sae(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """The three tensors, and each one's gradients for W_dec and z."""

    def part(index: int, W_dec: Tensor, z: Tensor) -> Any:
        found = answer.attention_output_sae(case.W_enc, W_dec, case.b_dec, case.W_O, z)
        if not isinstance(found, tuple | list) or len(found) != len(PARTS):
            raise Unfit("`attention_output_sae` has to return three tensors")
        return found[index]

    for index, name in enumerate(PARTS):
        yield name, part(index, case.W_dec, case.z)
    for index, name in enumerate(PARTS):
        along = case.cotangents[index]
        yield (
            f"gradient of {name}",
            gradient(lambda W_dec, z, index=index: part(index, W_dec, z), along, W_dec=case.W_dec, z=case.z),
        )
