"""What `addition` is measured by: how it learns by heart, then in general, and the waves that it computes with."""

from collections.abc import Iterator

import torch
from torch import Tensor

from headwork.models import zoo
from headwork.models.data import addition as data
from headwork.models.gpt2 import GPT2
from headwork.models.measure.measure import Measure, at_least, at_most, figure
from headwork.models.recipes.addition import loss

FEW = 5  # frequencies


@torch.no_grad()
def measure(model: GPT2) -> Iterator[Measure]:
    """Of the model as it is shipped, and as it was along its training."""
    learned, held_out = (each.to(model.embed.W_E.device) for each in data.split())
    right = float((model(held_out)[:, -1].argmax(-1) == data.sums(held_out)).float().mean())
    yield at_least("right", right, 0.999, unit="%", digits=1, sentence=f"of the {len(held_out)} pairs held out")
    yield at_most(
        "loss, held out", float(loss(model, held_out)), 0.01, unit="nats", digits=3, sentence="of the same pairs"
    )
    share = wave_shares(model)
    few = share.sort(descending=True).values[:FEW].sum()
    yield at_least(
        f"{FEW} frequencies", float(few), 0.9, unit="%", digits=0,
        sentence="of the logits' variance is waves of the two numbers' sum minus the answer, of so few frequencies",
    )  # fmt: skip
    for step in zoo.checkpoints("addition"):
        early = zoo.load(f"addition@{step}").to(model.embed.W_E.device)
        for name, prompts in [("learned", learned), ("held out", held_out)]:
            sentence = f"of the pairs that are {name}, in the checkpoint"
            yield figure(f"step {step}, loss, {name}", float(loss(early, prompts)), unit="nats", sentence=sentence)
        few = wave_shares(early).sort(descending=True).values[:FEW].sum()
        sentence = "of the logits' variance, in the checkpoint"
        yield figure(f"step {step}, {FEW} frequencies", float(few), unit="%", digits=0, sentence=sentence)


@torch.no_grad()
def wave_shares(model: GPT2) -> Tensor:
    """The share of the logits' variance that each frequency carries: (frequency,), from 1 to half of the prime.

    A model that adds by waves has logits for answer c after a and b that are sums of cos(2 pi k (a + b - c) / p), of
    few frequencies k. The variance is that over all prompts and answers, with each prompt's mean logit taken away.
    """
    prime = data.PRIME
    logits = model(data.pairs().to(model.embed.W_E.device))[:, -1].double()  # (prompt, answer)
    logits = (logits - logits.mean(1, keepdim=True)).view(prime, prime, prime)  # (a, b, c)
    number = torch.arange(prime, device=logits.device)
    gap = (number[:, None, None] + number[:, None] - number) % prime  # (a, b, c)
    mean = torch.zeros(prime, dtype=logits.dtype, device=logits.device).index_add(0, gap.flatten(), logits.flatten())
    waves = torch.fft.rfft(mean / prime**2) / prime  # (frequency,), with that of the constant
    return 2 * waves[1:].abs().square() / logits.square().mean()
