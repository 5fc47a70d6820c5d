"""What is asked of answers in chapter `ioi`: several heads patched at once.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

from headwork.checkers.ioi.probes.networks import marks, metric, network
from headwork.checkers.probing import Answer, Case, Unfit


def denoise_and_noise(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = network(case)
    before = marks(model)
    groups = [[(layer, head) for layer, head in group] for group in case.groups]
    found = answer.denoise_and_noise(model, case.clean, case.corrupted, case.end, metric(case), groups)
    yield from zip(("denoised", "noised"), _pair("denoise_and_noise", found), strict=True)
    yield "the model is as it was", marks(model) == before


def token_or_position(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = network(case)
    before = marks(model)
    twins = {"names": case.names, "order": case.order, "s2": case.s2}
    heads = [(layer, head) for layer, head in case.heads]
    found = answer.token_or_position(model, case.clean, twins, case.end, metric(case), heads)
    yield from zip(("token", "position"), _pair("token_or_position", found), strict=True)
    yield "the model is as it was", marks(model) == before


def _pair(name: str, found: Any) -> Any:
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise Unfit(f"`{name}` returns no pair of tensors")
    return found
