"""What is asked of answers in chapter `gpt2`: the finding.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.probing import Answer, Case


def hidden_bug(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    for name in ("most", "all"):
        yield name, {"case": answer.CASE, "answers": answer.HIDDEN_BUGS}
