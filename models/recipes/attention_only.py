"""`attention-only`: two layers of attention and nothing else, which learn induction within a few hundred steps.

Positions start as a few waves, so that to look one back is one rotation, the same at every position, and one head
starts with that rotation. From random positions each has to learn by itself which one stands before it; late ones did
not.
"""

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import AdamW, Optimizer

from headwork.models.config import Config
from headwork.models.data import attention_only as data
from headwork.models.gpt2 import GPT2
from headwork.models.recipes.recipe import Batch, Recipe

SHARP = 0.7  # how decided the head is at the start
WAVES = 12  # few enough that what is learned at some positions holds at all
PAIR = 8.0  # what the token that a pair announces counts for


class AttentionOnly(Recipe):
    name = "attention-only"
    config = Config(
        d_vocab=data.D_VOCAB, n_ctx=data.LENGTH, d_model=128, n_heads=4, d_mlp=0, n_layers=2, attn_only=True,
        layer_norm=False, biases=False, tied=False,
    )  # fmt: skip
    steps = 900
    checkpoints = (0, 200, 350, 375, 400, 700)  # induction forms between 325 and 425
    minutes = 4.0
    clip = 1.0

    def start(self, seed: int) -> GPT2:
        model = GPT2(self.config)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                embeds = name.endswith(("W_E", "W_pos"))
                parameter.normal_(0, 0.7 if embeds else self.config.d_model**-0.5, generator=generator)
            _look_one_back(model)
        return model

    def batch(self, step: int, seed: int) -> Batch:
        generator = torch.Generator().manual_seed(1_000_003 * seed + step)
        periodic = _joined(data.periodic(12, generator, anywhere=anywhere) for anywhere in (False, True))
        bigrams = _joined(data.bigrams(20, generator, anywhere=anywhere) for anywhere in (False, True))
        weights = torch.ones(bigrams.tokens.shape)  # (sequence, position)
        weights[bigrams.announced] = PAIR
        weights[F.pad(bigrams.announced[:, :-1], (1, 0))] = 0
        return {
            "tokens": torch.cat([periodic.tokens, bigrams.tokens]),
            "weights": torch.cat([torch.ones(periodic.tokens.shape), weights]),
        }

    def loss(self, model: GPT2, batch: Batch, step: int) -> Tensor:
        """What a pair of neighbours announces counts for more, there being one in a sequence.

        The token behind the second pair counts for nothing: there, what followed before does not follow.
        """
        weights = batch["weights"][:, 1:]
        return (losses(model, batch["tokens"]) * weights).sum() / weights.sum()

    def optimizers(self, model: GPT2) -> list[Optimizer]:
        return [AdamW(model.parameters(), lr=3e-3, weight_decay=0.1, betas=(0.9, 0.98))]

    def rate(self, step: int) -> float:
        """Up over a hundred steps, then down along a cosine to a tenth."""
        return min((step + 1) / 100, 0.55 + 0.45 * math.cos(math.pi * step / self.steps))

    def scores(self, model: GPT2) -> dict[str, float]:
        generator = torch.Generator().manual_seed(-1)
        found = {}
        for name, make in (("periodic", data.periodic), ("bigrams", data.bigrams)):
            tokens, announced = (each.to(model.embed.W_E.device) for each in make(64, generator, anywhere=True))
            found[name] = float(losses(model, tokens)[announced[:, 1:]].mean())
        return found


def _look_one_back(model: GPT2) -> None:
    """Positions become waves, and head 0.0 one that looks, faintly, at the position before.

    Waves fill the first 2 WAVES dimensions, sines first. The head's queries are turned back by one position.
    """
    config, block = model.config, model.blocks[0]
    turns = math.pi * (torch.arange(WAVES) + 0.5) / WAVES  # radians for each position
    angles = torch.arange(config.n_ctx)[:, None] * turns  # (position, wave)
    model.pos_embed.W_pos.mul_(0.1)
    model.pos_embed.W_pos[:, : 2 * WAVES] = (
        0.7 * (config.d_model / WAVES) ** 0.5 * torch.cat([angles.sin(), angles.cos()], 1)
    )
    one_back = torch.cat([turns.cos(), turns.cos()]).diag()  # (2 WAVES, 2 WAVES)
    one_back[:WAVES, WAVES:], one_back[WAVES:, :WAVES] = turns.sin().diag(), -turns.sin().diag()
    block.attn.W_Q[0, : 2 * WAVES, : 2 * WAVES] = SHARP * one_back
    block.attn.W_K[0, : 2 * WAVES, : 2 * WAVES] = SHARP * torch.eye(2 * WAVES)


def _joined(parts: Iterable[data.Sequences]) -> data.Sequences:
    return data.Sequences(*(torch.cat(each) for each in zip(*parts, strict=True)))


def losses(model: GPT2, tokens: Tensor) -> Tensor:
    """tokens: (sequence, position). The loss of every token but the first, (sequence, position - 1)."""
    return F.cross_entropy(model(tokens)[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")


RECIPE = AttentionOnly()
