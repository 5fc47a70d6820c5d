"""The live figures of chapter `sae`: what each asks of the learner's code, and on what."""

from typing import Any

from headwork.checkers.figure import Choice, Figure, Knob

SEEDS = 5
SHOWN = (0, 30, 100, 300, 1000)  # steps after which the directions are shown


def _toys(probability: float, relation: str, seed: float) -> dict[str, Any]:
    """Five features, or two pairs of them."""
    sizes = {"models": SEEDS, "features": 5 if relation == "independent" else 4, "d_hidden": 2, "count": 200}
    return {"probability": probability, "relation": relation, "seed": int(seed), "shown": list(SHOWN), **sizes}


FIGURES = {
    "toy_geometry": Figure(
        ("ToyModel", "toy_loss", "feature_batch", "train_toy"),
        _toys,
        (
            Knob("probability", "probability", 0.01, 0.5, 0.01, 0.05),
            Choice("relation", "relation", ("independent", "correlated", "anti-correlated")),
            Knob("seed", "seed", 0, 99, 1, 0),
        ),
        seconds=40,
    ),
}
