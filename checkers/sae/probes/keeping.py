"""What is asked of answers in chapter `sae`: what the penalty costs, and latents that no longer fire.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.probing import Answer, Case, generator, gradient, load, parameters
from headwork.checkers.sae.probes.losses import Decoy


def shrinkage(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "factor", answer.shrinkage(case.x, case.reconstruction, case.centre)


def threshold_or_bias(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "both", list(answer.threshold_or_bias(case.pre, case.threshold))
    for index, name in enumerate(("the bias", "the threshold")):

        def one(pre: Tensor, threshold: Tensor, index: int = index) -> Any:
            return answer.threshold_or_bias(pre, threshold)[index]

        inputs = {"pre": case.away, "threshold": case.threshold}
        found = gradient(one, case.cotangent, **inputs)
        zeros = {key: torch.zeros_like(value) for key, value in inputs.items()}
        yield f"gradient of {name}", {key: zeros[key] if isinstance(each, str) else each for key, each in found.items()}


def dead_latents(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Who is dead before the first batch and after each."""
    counter = answer.DeadLatents(case.latents, case.window)
    seen = [counter.dead()]
    for batch in case.batches:
        counter.update(batch)
        seen.append(counter.dead())
    yield "dead", seen


def resample_dead(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Several rounds of training steps and resampling; or many draws from one state."""
    sae = load(Decoy(*case.weights["W_enc"].shape), case.weights)
    optimiser = torch.optim.Adam(sae.parameters(), lr=case.learning_rate)
    source = generator(case.seed, case.x.device)
    if "repeats" in case.inputs:
        yield "drawn", _drawn(answer, case, sae, optimiser, source)
        for name in ("once", "again"):
            yield name, _rows(answer, case, sae, optimiser, generator(case.seed, case.x.device))
        return
    for step, (dead, losses) in enumerate(zip(case.rounds, case.losses, strict=True)):
        answer.resample_dead(sae, optimiser, dead, case.x, losses, source)
        yield f"parameters after round {step}", parameters(sae)
        for batch in case.batches:
            reconstruction, latents = sae(batch)
            optimiser.zero_grad()
            ((batch - reconstruction).square().sum(-1) + latents.sum(-1)).mean().backward()
            optimiser.step()
        yield f"parameters after the steps that follow round {step}", parameters(sae)


def _drawn(answer: Answer, case: Case, sae: Any, optimiser: Any, source: torch.Generator) -> Tensor:
    """Which input each dead latent points to, all draws of the first dead latent first: the nearest by the cosine."""
    rows = torch.cat([_rows(answer, case, sae, optimiser, source) for _ in range(case.repeats // 20)])
    offsets = torch.nn.functional.normalize(case.x - case.weights["b_dec"], dim=-1)
    one, other = (rows @ offsets.T).argmax(-1).T  # (repeat,) of each of two dead latents
    return torch.cat([one, other, (one + other) % len(case.x)])


def _rows(answer: Answer, case: Case, sae: Any, optimiser: Any, source: torch.Generator) -> Tensor:
    """What dead latents are given in 20 calls, each from the same state: (call, dead, d_model)."""
    found = []
    for _ in range(20):
        load(sae, case.weights)
        answer.resample_dead(sae, optimiser, case.dead, case.x, case.losses, source)
        found.append(sae.W_dec.detach()[case.dead])
    return torch.stack(found)
