"""What is asked of answers in chapter `ioi`: what heads look at, what they copy, and how others make up for them.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.ioi.probes.networks import marks, network
from headwork.checkers.probing import Answer, Case, Unfit, gradient

PLACES = ("IO", "S1", "S1+1", "S2", "END")
ROLES = ("name mover", "S-inhibition", "duplicate token", "induction", "previous token")


def attention_roles(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    def scores(patterns: Tensor) -> Tensor:
        places = {name: case.places[:, column].clone() for column, name in enumerate(PLACES)}
        found = answer.attention_roles(patterns, places)
        missing = [role for role in ROLES if not isinstance(found, dict) or role not in found]
        if missing:
            raise Unfit(f"`attention_roles` gives no dict with the key {missing[0]!r}")
        for role in ROLES:
            each = found[role]
            if not isinstance(each, Tensor) or each.shape != patterns.shape[:3:2]:
                shape = tuple(each.shape) if isinstance(each, Tensor) else type(each).__name__
                raise Unfit(f"{role!r} is {shape}, expected (layer, head), here {tuple(patterns.shape[:3:2])}")
        return torch.stack([found[role] for role in ROLES])  # (role, layer, head)

    yield from zip(ROLES, scores(case.patterns), strict=True)
    yield "gradient", gradient(scores, case.cotangent, patterns=case.patterns)


def name_mover_copying(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = network(case)
    before = marks(model)
    yield "shares", answer.name_mover_copying(model, case.clean, case.at, case.top, case.negative)
    yield "the model is as it was", marks(model) == before


def self_repair(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = network(case)
    before = marks(model)
    layer, head = case.head
    found = answer.self_repair(model, case.clean, case.end, case.correct, case.wrong, (layer, head), case.z)
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise Unfit("`self_repair` returns no pair: it returns (total, changes)")
    yield from zip(("total", "changes"), found, strict=True)
    yield "the model is as it was", marks(model) == before
