"""What is asked of answers in chapter `ioi`: the finding.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.probing import Answer, Case


def circuit(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    for name in ("faithful", "complete", "minimal", "above chance", "as good"):
        yield name, answer.CIRCUIT
