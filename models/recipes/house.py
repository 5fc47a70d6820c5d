"""How `house` is trained: 1.2 million weights that give the right person the drink, on one core in ten minutes.

It starts from an earlier run on such texts, whose weights are kept in `start/`: that run was limited by the clock and
cannot be repeated. What follows teaches it sentences and names that it was never asked for.
"""

import math
import random
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor
from torch.optim import AdamW, Optimizer

from headwork.models.config import Config
from headwork.models.convert import from_transformers
from headwork.models.data.english.corpus import COPYING, GIVING
from headwork.models.data.english.rows import Reader, masked
from headwork.models.gpt2 import GPT2, Block
from headwork.models.measure.experiments.bench import Bench
from headwork.models.measure.experiments.induction import Repeats
from headwork.models.measure.experiments.prompts import classic_prompts
from headwork.models.muon import Muon
from headwork.models.packed import packed_logits
from headwork.models.recipes.recipe import Batch, Recipe
from headwork.models.tokenizer import Tokenizer
from headwork.models.zoo import SHIPPED

START = Path(__file__).parent / "start" / "house.safetensors"
ROWS = 22  # in a batch, of n_ctx tokens each
ANSWER = 4.0  # how much the name that is to be found counts, against any other token
WARM = 50  # steps in which the rates rise, at the beginning of a stage
LAST = 0.03  # the rates at the end, against those at the beginning


class House(Recipe):
    """An earlier run, and after it giving; other models of the kind forget attention and learn copying first."""

    name = "house"
    config = Config(d_vocab=1792, n_ctx=96, d_model=128, n_heads=4, d_mlp=512, n_layers=5)
    steps = 1400
    copying = 0  # steps before giving begins
    speed = 0.4  # what all rates are multiplied by
    fresh: tuple[int, ...] = ()  # the layers whose attention starts at random
    silent: frozenset[int] = frozenset()  # the layers that attend to nothing while copying is learned
    minutes = 8.0
    clip = 1.0

    def __init__(self) -> None:
        self._reader: Reader | None = None

    def start(self, seed: int) -> GPT2:
        """The earlier run's weights; fresh attention keeps variance, and writes little at first."""
        model = GPT2(self.config)
        model.load_state_dict(from_transformers(load_file(START), self.config))
        model.float()
        generator = torch.Generator().manual_seed(seed)
        for layer in self.fresh:
            for name, parameter in sorted(cast(Block, model.blocks[layer]).attn.named_parameters()):
                if name.startswith("W_"):
                    writers = 2 * self.config.n_layers if name == "W_O" else 1
                    spread = (self.config.d_model * writers) ** -0.5
                    torch.nn.init.normal_(parameter, 0, spread, generator=generator)
                else:
                    torch.nn.init.zeros_(parameter)
        return model

    def batch(self, step: int, seed: int) -> Batch:
        rng = random.Random(f"{seed} {step}")
        mixture, renamed, repeated = (COPYING, 0.0, 0.25) if step < self.copying else (GIVING, 0.5, 0.15)
        return self.reader().rows(rng, ROWS, mixture, renamed=renamed, repeated=repeated)._asdict()

    def loss(self, model: GPT2, batch: Batch, step: int) -> Tensor:
        silent = self.silent if step < self.copying else frozenset()
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
        begin = 0 if step < self.copying else self.copying
        rise = self.speed * min((step - begin + 1) / WARM, 1)
        if step < self.copying:
            return rise
        cosine = 0.5 * (1 + math.cos(math.pi * (step - begin) / (self.steps - begin)))
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
