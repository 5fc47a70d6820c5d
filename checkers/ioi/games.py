"""Networks of nodes that answer together, as inputs of cases: what one adds depends on which others work."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.inputs import Rng


def games(rng: Rng) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and inputs: a game, a circuit of some of its nodes, and sets K."""
    for name, nodes, hidden, metrics, prompts, sets, members in [
        ("five of nine nodes", 9, 6, 2, 7, 8, 5),
        ("three metrics", 7, 5, 3, 4, 6, 4),
        ("four metrics", 8, 7, 4, 5, 9, 5),
        ("one metric, one prompt", 6, 4, 1, 1, 5, 3),
        ("the whole model", 5, 7, 2, 6, 4, 5),
        ("no node at all", 8, 3, 2, 5, 3, 0),
        ("one set", 6, 8, 2, 3, 1, 4),
    ]:
        circuit = torch.zeros(nodes, dtype=torch.bool)
        circuit[rng.permutation(nodes)[:members]] = True
        yield (
            name,
            {
                "inward": rng.normal((nodes, hidden), spread=1.2 / nodes**0.5),
                "outward": rng.normal((hidden, metrics, prompts), 1, 1.5),
                "always": rng.normal((metrics, prompts), 0.5, 2),
                "circuit": circuit,
                "sets": _sets(rng, sets, circuit),
            },
        )


def _sets(rng: Rng, count: int, circuit: Tensor) -> Tensor:
    """Random sets, some of them of members alone, and one that holds no member; never one that holds all."""
    found = rng.uniform((count, len(circuit))) < 0.4
    found[1::3] &= circuit
    if count > 2:
        found[2] &= ~circuit
    kept = circuit.nonzero()[:, 0]
    for row, chosen in enumerate(found):
        if len(kept) and bool(chosen[circuit].all()):
            found[row, kept[row % len(kept)]] = False
    return found
