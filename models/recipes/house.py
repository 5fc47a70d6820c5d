"""How `house` is trained: 1.2 million weights that give the right person the drink, from nothing, in one run.

Which circuit emerges is a matter of order. First layers 0 and 1 alone attend, and learn to repeat: layer 0 looks one
token back, layer 1 copies. Then layer 1 forgets, and layer 4 learns what it did, while those between attend to nothing.
What is learned last, whom to leave out, has room below the copying heads and so acts on their queries.
"""

import math
import random
from collections.abc import Iterable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import AdamW, Optimizer

from headwork.models.config import Config
from headwork.models.data.english.corpus import COPYING, GIVING
from headwork.models.data.english.rows import Reader, masked
from headwork.models.gpt2 import GPT2
from headwork.models.measure.experiments.bench import Bench
from headwork.models.measure.experiments.induction import Repeats
from headwork.models.measure.experiments.prompts import classic_prompts
from headwork.models.muon import Muon
from headwork.models.packed import packed_logits
from headwork.models.recipes.recipe import Batch, Recipe
from headwork.models.tokenizer import Tokenizer
from headwork.models.zoo import SHIPPED

ROWS = 22  # in a batch, of n_ctx tokens each
EMBEDDED = 0.1  # how large embeddings are at the start
ANSWER = 4.0  # how much the name that is to be found counts, against any other token
WARM = 100  # steps in which the rates rise, at the beginning of a stage
LAST = 0.03  # the rates at the end, against those at the beginning


class House(Recipe):
    """First repeating, in layers 0 and 1; then in layers 0 and 4; then giving, in all."""

    name = "house"
    config = Config(d_vocab=1792, n_ctx=96, d_model=128, n_heads=4, d_mlp=512, n_layers=5)
    steps = 7000
    repeating = 1700  # steps before giving begins
    silent: tuple[tuple[int, frozenset[int]], ...] = (  # the layers that attend to nothing, before a step
        (1200, frozenset({2, 3, 4})),
        (1700, frozenset({1, 2, 3})),
    )
    forgets: tuple[tuple[int, int], ...] = ((1200, 1),)  # before a step, a layer whose attention begins anew
    minutes = 29.0
    clip = 1.0

    def __init__(self) -> None:
        self._reader: Reader | None = None

    def start(self, seed: int) -> GPT2:
        """Matrices keep the variance of what they read; those that write to the residual stream write little."""
        model = GPT2(self.config)
        self._draw(model.named_parameters(), torch.Generator().manual_seed(seed))
        return model

    @torch.no_grad()
    def _draw(self, parameters: Iterable[tuple[str, Tensor]], generator: torch.Generator) -> None:
        """Draws weights anew: on the CPU, so that they are the same on every device."""
        for name, parameter in sorted(parameters):
            kind = name.rpartition(".")[2]
            if not kind.startswith("W_"):
                parameter.fill_(1.0 if kind == "w" else 0.0)
                continue
            spread = EMBEDDED
            if kind not in ("W_E", "W_pos"):
                read = self.config.d_mlp if kind == "W_out" else self.config.d_model
                writers = 2 * self.config.n_layers if kind in ("W_O", "W_out") else 1
                spread = (read * writers) ** -0.5
            parameter.copy_(torch.empty(parameter.shape).normal_(0, spread, generator=generator))

    def enter(self, model: GPT2, step: int, seed: int) -> None:
        for _, layer in (each for each in self.forgets if each[0] == step):
            attention = model.blocks[layer].attn
            self._draw(attention.named_parameters(), torch.Generator().manual_seed(1_000_003 * seed + step))

    def batch(self, step: int, seed: int) -> Batch:
        rng = random.Random(f"{seed} {step}")
        if step < self.repeating:
            rows = self.reader().rows(rng, ROWS, COPYING, renamed=0.0, repeated=0.5, longest=24)
        else:
            rows = self.reader().rows(rng, ROWS, GIVING, renamed=0.5, repeated=0.15)
        return rows._asdict()

    def loss(self, model: GPT2, batch: Batch, step: int) -> Tensor:
        silent = next((layers for end, layers in self.silent if step < end), frozenset())
        tokens, mask = batch["tokens"], masked(batch["texts"])
        logits = packed_logits(model, tokens, batch["positions"], mask, silent=silent)[:, :-1]  # (row, position, token)
        losses = F.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten(), reduction="none")
        weights = batch["weights"][:, 1:].flatten()
        return (losses * weights).sum() / weights.sum()

    def optimizers(self, model: GPT2) -> list[Optimizer]:
        """Muon for the matrices of blocks, AdamW for the rest; biases and scales do not decay."""
        named = sorted(model.named_parameters())
        weights = [(name, p) for name, p in named if name.rpartition(".")[2].startswith("W_")]
        tables = [p for name, p in weights if not name.startswith("blocks")]
        matrices = [p for name, p in weights if name.startswith("blocks")]
        others = [p for name, p in named if not name.rpartition(".")[2].startswith("W_")]
        groups = [{"params": tables, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
        return [AdamW(groups, lr=3e-3, betas=(0.9, 0.98)), Muon(matrices, lr=0.02)]

    def rate(self, step: int) -> float:
        """Up at the beginning of each stage; in that of giving down again along a cosine."""
        begin = max([0, *(end for end, _ in self.silent if end <= step)])
        rise = min((step - begin + 1) / WARM, 1)
        if step < self.repeating:
            return rise
        cosine = 0.5 * (1 + math.cos(math.pi * (step - self.repeating) / (self.steps - self.repeating)))
        return rise * (LAST + (1 - LAST) * cosine)

    def scores(self, model: GPT2) -> dict[str, float]:
        """The loss on the second copy of random tokens; the probability of IO, and by how much it leads."""
        answers = Bench(model, classic_prompts(self.reader().tokenizer, 32, seed=1)).clean
        return {
            "repeats": Repeats(model, rows=8).losses()[1],
            "p(IO)": float(answers.p_io.mean()),
            "IO-S": float(answers.difference.mean()),
        }

    def tokenizer(self) -> Path:
        return SHIPPED / "house" / "tokenizer.json"

    def reader(self) -> Reader:
        """Made when it is first asked for: it takes a second."""
        if self._reader is None:
            self._reader = Reader(Tokenizer(self.tokenizer()), self.config.n_ctx, answer=ANSWER)
        return self._reader


RECIPE = House()
