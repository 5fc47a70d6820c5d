"""What is asked of answers in chapter `sae`: the findings.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.probing import Answer, Case


def used_or_recoverable(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    for name in ("most", "all"):
        yield name, answer.USED_OR_RECOVERABLE


def house_sae(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    for name in ("an autoencoder", "sparse", "alive", "some points", "most points"):
        yield name, answer.HOUSE_SAE
