"""Models whose weights are written by hand, so that their circuits are known: for judging methods that look for them.

    from headwork.models.planted import planted

    made = planted("k-composition", seed=3)
    made.model, made.clean, made.corrupted      # in float64; (batch, position)
    made.metric(made.model(made.clean))         # (batch,)
    made.edges                                  # the true ones

A seed gives other heads, layers, tokens, positions and clutter. Those of seed 0 are shipped, and loaded by name as
`planted-k-composition`. What each shows is in `cards/planted.md`.
"""

from collections.abc import Callable

from headwork.models.edges import Edge, every_edge, nodes
from headwork.models.planted.backup import backup
from headwork.models.planted.cancelling import cancelling
from headwork.models.planted.gates import and_gate, or_gate
from headwork.models.planted.k_composition import decoys, k_composition, normed, saturated
from headwork.models.planted.position import position
from headwork.models.planted.q_composition import q_composition
from headwork.models.planted.truth import Joint, Planted
from headwork.models.planted.undone import undone
from headwork.models.planted.v_composition import v_composition

__all__ = ["FAMILIES", "PREFIX", "Edge", "Joint", "Planted", "every_edge", "nodes", "planted"]

PREFIX = "planted-"
FAMILIES: dict[str, Callable[[str, int], Planted]] = {
    "k-composition": k_composition,
    "q-composition": q_composition,
    "v-composition": v_composition,
    "and": and_gate,
    "or": or_gate,
    "cancelling": cancelling,
    "saturated": saturated,
    "decoys": decoys,
    "layer-norm": normed,
    "backup": backup,
    "undone": undone,
    "position": position,
}


def planted(family: str, seed: int = 0) -> Planted:
    """A planted model, built anew: the same for a seed on every machine. Raises ValueError for an unknown family."""
    if family not in FAMILIES:
        raise ValueError(f"there is no planted model {family!r}: there are {', '.join(FAMILIES)}")
    return FAMILIES[family](PREFIX + family, seed)
