"""Models to ask on, as inputs of cases: small ones of random weights, none of them zero, and those that are shipped."""

from dataclasses import asdict
from typing import Any

from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Model
from headwork.models.config import Config

# Small models of several shapes, no two sizes of one equal. What each has, and what it lacks, its name says.
SHAPES = {
    "a small GPT-2": Config(d_vocab=13, n_ctx=11, d_model=12, n_heads=3, d_mlp=7, n_layers=2),
    "untied, with ReLU": Config(
        d_vocab=11, n_ctx=12, d_model=10, n_heads=2, d_mlp=7, n_layers=3, activation="relu", tied=False, eps=0.1
    ),
    "attention only": Config(
        d_vocab=10, n_ctx=9, d_model=12, n_heads=4, d_mlp=5, n_layers=2,
        attn_only=True, layer_norm=False, biases=False, tied=False,
    ),
    "one head, no biases": Config(d_vocab=9, n_ctx=13, d_model=5, n_heads=1, d_mlp=6, n_layers=3, biases=False),
}  # fmt: skip
GPT2_SMALL = Config(d_vocab=50257, n_ctx=1024, d_model=768, n_heads=12, d_mlp=3072, n_layers=12)
HOUSE = Model("house")
ATTENTION_ONLY = Model("attention-only")


def described(rng: Rng, config: Config, spread: float = 1) -> dict[str, Any]:
    """A model of this shape as an input of a case: its fields, and weights that are nowhere zero, in float64.

    Weights are drawn so that activations keep about their size from layer to layer, and patterns are far from uniform.
    """
    state = {}
    for name, shape in state_shapes(config).items():
        kind = name.rpartition(".")[2]
        if kind == "w":  # of a LayerNorm
            state[name] = rng.uniform(shape, 0.5, 1.5)
        elif kind.startswith("b"):
            state[name] = rng.normal(shape, spread=0.5 * spread)
        elif kind in ("W_E", "W_pos"):
            state[name] = rng.normal(shape, spread=spread)
        else:
            fan_in = shape[-2]
            gain = (1.3 if config.layer_norm else 0.6) if kind in ("W_Q", "W_K") else 1.0
            state[name] = rng.normal(shape, spread=gain * spread / fan_in**0.5)
    return {"config": asdict(config), "state": state}


def state_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter of such a model, by name."""
    import torch

    from headwork.models.gpt2 import GPT2

    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in GPT2(config).state_dict().items()}
