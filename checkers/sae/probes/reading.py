"""What is asked of answers in chapter `sae`: what latents do on a text.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.probing import Answer, Case


def l0_and_density(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """The batches come from a generator, as activations do: they can be read once."""
    count, density = answer.l0_and_density(batch for batch in case.batches)
    yield "l0", count
    yield "density", density
