"""`addition`: one layer that learns the sum of two numbers modulo a prime by heart, and long after that in general.

Nanda et al. 2023, smaller: 53 in place of 113, and half their widths, so that it takes minutes on one core. Two
fifths of the pairs are learned from: with half of them it generalises within a few hundred steps, which leaves little
to see, and with 30 % not within two thousand.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import AdamW, Optimizer

from headwork.models.config import Config
from headwork.models.data import addition
from headwork.models.gpt2 import GPT2
from headwork.models.recipes.recipe import Batch, Recipe


class Addition(Recipe):
    name = "addition"
    config = Config(
        d_vocab=addition.PRIME + 1, n_ctx=3, d_model=64, n_heads=4, d_mlp=256, n_layers=1, activation="relu",
        layer_norm=False, biases=False, tied=False, d_vocab_out=addition.PRIME,
    )  # fmt: skip
    steps = 5000
    checkpoints = (0, 100, 300, 1000, 1800, 2400, 3000)  # before, during and after
    minutes = 3.0

    def start(self, seed: int) -> GPT2:
        model = GPT2(self.config)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(0, self.config.d_model**-0.5, generator=generator)
        return model

    def batch(self, step: int, seed: int) -> Batch:
        return {"prompts": _split()[0]}  # all of them, at every step

    def loss(self, model: GPT2, batch: Batch, step: int) -> Tensor:
        return loss(model, batch["prompts"])

    def optimizers(self, model: GPT2) -> list[Optimizer]:
        return [AdamW(model.parameters(), lr=1e-3, weight_decay=1.0, betas=(0.9, 0.98))]

    def rate(self, step: int) -> float:
        return min((step + 1) / 10, 1.0)

    def scores(self, model: GPT2) -> dict[str, float]:
        held_out = _split()[1].to(model.embed.W_E.device)
        return {"held out": float(loss(model, held_out))}  # beside the loss of those learned from


def loss(model: GPT2, prompts: Tensor) -> Tensor:
    """The mean loss of the answers, in float64: learned by heart, it is below what float32 can tell from 0."""
    return F.cross_entropy(model(prompts)[:, -1].double(), addition.sums(prompts))


_split = lru_cache(addition.split)

RECIPE = Addition()
