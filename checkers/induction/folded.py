"""Models whose norms only centre and divide, as inputs of cases: what `fold_layer_norm` leaves of a model."""

from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any

import torch

from headwork.checkers.induction.networks import described
from headwork.checkers.inputs import Rng
from headwork.models.config import Config


def folded(rng: Rng, config: Config, spread: float = 1) -> dict[str, Any]:
    """A small model of random weights, of the shape that folding gives: a bias everywhere, an unembedding of its own.

    One without LayerNorm keeps its shape.
    """
    if config.layer_norm:
        config = replace(config, tied=False, biases=True)
    given = described(rng, config, spread)
    for name, value in given["state"].items():
        if name.endswith((".ln1.w", ".ln1.b", ".ln2.w", ".ln2.b", "ln_final.w", "ln_final.b")):
            value.fill_(name.endswith(".w"))
    return given


@lru_cache
def folded_model(name: str) -> dict[str, Any]:
    """The model of this name, folded, in float64, as an input of a case. Nobody may change it."""
    from headwork.models import zoo
    from headwork.solutions.induction.weights import fold_layer_norm

    model = zoo.load(name, dtype=torch.float64)
    return {"config": asdict(replace(model.config, tied=False, biases=True)), "state": fold_layer_norm(model)}
