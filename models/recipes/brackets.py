"""`brackets`: three layers that say whether a string of brackets is balanced.

Three things make it learn within minutes. Positions start as waves, and one head as a head that looks at what stands
before it, so that there is a depth to read from the start. And for a while every position is asked whether it has a
fault of its own; from START alone, what is wrong with a string is a faint signal.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import AdamW, Optimizer

from headwork.models.config import Config
from headwork.models.data import brackets as data
from headwork.models.gpt2 import GPT2
from headwork.models.recipes.recipe import Batch, Recipe

WAVES = (1, 3, 5)  # odd half waves, of which a step is made
SHARP = 2.5  # how decided the head is at the start
HARD = 1776  # the step from which three in four strings are long, with one fault or none; a multiple of DRAWN
DRAWN = 16  # batches that are drawn at once, which takes a fifth of the time


class Brackets(Recipe):
    name = "brackets"
    config = Config(
        d_vocab=5, n_ctx=data.LENGTH, d_model=64, n_heads=2, d_mlp=64, n_layers=3, activation="relu", tied=False,
        causal=False, d_vocab_out=2,
    )  # fmt: skip
    steps = 3600
    asked = 1600  # steps in which every position is asked, less and less
    minutes = 9.5
    clip = 1.0
    rows = 64

    def start(self, seed: int) -> GPT2:
        model = GPT2(self.config)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                kind = name.rpartition(".")[2]
                if kind.startswith("W_"):
                    spread = 0.5 if kind == "W_E" else self.config.d_model**-0.5
                    parameter.normal_(0, spread, generator=generator)
            _see_what_stands_before(model)
        return model

    def batch(self, step: int, seed: int) -> Batch:
        drawn = _drawn(step // DRAWN, seed, self.rows * DRAWN)
        strings = drawn[step % DRAWN * self.rows :][: self.rows]
        return {"tokens": data.tokens(strings), "balanced": data.balanced(strings).long(), "right": right(strings)}

    def loss(self, model: GPT2, batch: Batch, step: int) -> Tensor:
        """The answer is at START. Until step `asked`, every other position up to END is asked too."""
        logits = model(batch["tokens"])
        loss = F.cross_entropy(logits[:, 0], batch["balanced"])
        share = max(0.0, 1 - step / self.asked)
        if share > 0:
            weight = logits.new_tensor([2, 1])  # faults are the fewer
            each = F.cross_entropy(logits.transpose(1, 2), batch["right"], weight, ignore_index=-1, reduction="none")
            loss = loss + share * each.sum() / (batch["right"] >= 0).sum()
        return loss

    def optimizers(self, model: GPT2) -> list[Optimizer]:
        return [AdamW(model.parameters(), lr=3e-3, weight_decay=0.01, betas=(0.9, 0.99))]

    def rate(self, step: int) -> float:
        """Up over fifty steps, then down along a cosine; from HARD on from 0.3 straight down to nothing."""
        if step >= HARD:
            return 0.3 * (self.steps - step) / (self.steps - HARD)
        return min((step + 1) / 50, 0.5 + 0.5 * math.cos(math.pi * step / 2400))

    def scores(self, model: GPT2) -> dict[str, float]:
        strings = _held_out()
        found = model(data.tokens(strings).to(model.embed.W_E.device))[:, 0].argmax(-1).cpu()
        return {"right": float((found == data.balanced(strings)).float().mean())}


def right(strings: data.Strings) -> Tensor:
    """What each position says of itself, (string, LENGTH): 1 for no fault, 0 for one, -1 where it is not asked.

    A bracket's fault is a depth below 0 behind it; END's is a depth that is not 0. START and PAD are not asked.
    """
    depth = strings.cumsum(1)  # (string, LONGEST)
    said = F.pad(torch.where(strings == 0, -1, (depth >= 0).long()), (1, 1), value=-1)  # (string, LENGTH)
    said[torch.arange(len(strings)), (strings != 0).sum(1) + 1] = (depth[:, -1] == 0).long()
    return said


def _see_what_stands_before(model: GPT2) -> None:
    """Positions become waves, and head 0.0 one that looks evenly at what stands before it, and a little beyond.

    Wave n goes through n half turns over all positions. Scores are sin(n times the distance) over n, summed over WAVES:
    the first terms of a step, up for what stands before and down for what comes behind.
    """
    half, length, block = model.config.d_model // 2, model.config.n_ctx, model.blocks[0]
    n = torch.arange(1, half + 1)
    turns = math.pi / length * n  # radians for each position
    angles = torch.arange(length)[:, None] * turns  # (position, wave)
    model.pos_embed.W_pos.copy_(torch.cat([angles.sin(), angles.cos()], 1) / n.repeat(2) ** 0.5)
    W_Q, W_K = block.attn.W_Q[0], block.attn.W_K[0]  # (d_model, d_head) each
    W_Q.zero_()
    W_K.zero_()
    for place, wave in enumerate(WAVES):
        sine, cosine, to = wave - 1, half + wave - 1, 2 * place
        model.embed.W_E[:, [sine, cosine]] = 0  # which token it is does not disturb
        ahead = turns[wave - 1]  # queries look from one place further, so that a position sees itself
        W_Q[[sine, cosine], to] = SHARP * torch.stack([ahead.cos(), ahead.sin()])
        W_Q[[sine, cosine], to + 1] = SHARP * torch.stack([-ahead.sin(), ahead.cos()])
        W_K[cosine, to] = SHARP
        W_K[sine, to + 1] = -SHARP


@lru_cache(2)
def _drawn(number: int, seed: int, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(1_000_003 * seed + number)
    if number >= HARD // DRAWN:
        some = data.learned_from(count // 4, generator)
        strings = torch.cat([some, data.hard_strings(count - count // 4, generator)])
        return strings[torch.randperm(count, generator=generator)]
    return data.learned_from(count, generator)[torch.randperm(count, generator=generator)]


@lru_cache
def _held_out() -> Tensor:
    return data.held_out_strings(1000, torch.Generator().manual_seed(1))


RECIPE = Brackets()
