"""A recipe that trains in a blink, for tests of training; run as a program it trains in a process of its own."""

import os
import signal
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

from headwork.models.config import Config
from headwork.models.gpt2 import GPT2
from headwork.models.recipes.recipe import Recipe
from headwork.models.training import Stopped, train


class Sign(torch.optim.Optimizer):
    """Momentum's sign, with a number among its state: as an optimizer of a recipe's own may have."""

    def __init__(self, parameters):
        super().__init__(parameters, {"lr": 1e-3})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                state["count"] = state.get("count", 0) + 1
                momentum = state.setdefault("momentum", torch.zeros_like(parameter))
                momentum.mul_(0.9).add_(parameter.grad)
                parameter.sub_(momentum.sign(), alpha=group["lr"] / state["count"] ** 0.5)


class Tiny(Recipe):
    """Learns to say the token before, with dropout in the loss and two optimizers."""

    name = "tiny"
    config = Config(d_vocab=7, n_ctx=6, d_model=8, n_heads=2, d_mlp=12, n_layers=1)
    steps = 60
    checkpoints = (0, 20, 60)
    minutes = 0.0
    clip = 1.0
    die_at = -1  # a step in which the process is killed, by itself
    number = int(signal.SIGKILL)

    def start(self, seed):
        torch.manual_seed(seed)
        return GPT2(self.config)

    def batch(self, step, seed):
        tokens = torch.randint(7, (16, 6), generator=torch.Generator().manual_seed(1000 * seed + step))
        return {"tokens": tokens, "next": tokens.roll(1, 1)}

    def loss(self, model, batch, step):
        if step == self.die_at:
            os.kill(os.getpid(), self.number)
        logits = F.dropout(model(batch["tokens"]), 0.1)
        return F.cross_entropy(logits[:, 1:].flatten(0, 1), batch["next"][:, 1:].flatten())

    def optimizers(self, model):
        embedding = [parameter for name, parameter in model.named_parameters() if name.startswith("embed")]
        others = [parameter for name, parameter in model.named_parameters() if not name.startswith("embed")]
        return [Sign(embedding), torch.optim.AdamW(others, lr=1e-2)]

    def rate(self, step):
        return 1 - step / self.steps

    def scores(self, model):
        return {"bias": float(model.blocks[0].mlp.b_in.norm())}

    def enter(self, model, step, seed):
        if step == 30:
            with torch.no_grad():
                model.pos_embed.W_pos[-1] = 0


def tiny(**settings) -> Tiny:
    """A recipe with other settings."""
    made = Tiny()
    for name, value in settings.items():
        setattr(made, name, value)
    return made


if __name__ == "__main__":
    keep, out, die_at, number = sys.argv[1:]
    try:
        train(tiny(die_at=int(die_at), number=int(number)), Path(out), keep=Path(keep), every=0)
    except Stopped as stopped:
        print(f"kept {stopped.step}, signal {stopped.number}")
