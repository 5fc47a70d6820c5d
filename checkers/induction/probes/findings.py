"""What is asked of answers in chapter `induction`: the findings.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.probing import Answer, Case


def induction_heads(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    for name in ("most", "all"):
        yield name, answer.INDUCTION_HEADS


def smallest_set(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    for name in ("keeps it", "few", "smallest"):
        yield name, answer.SMALLEST_SET
