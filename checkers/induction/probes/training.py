"""What is asked of answers in chapter `induction`: a network that learns to do induction.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch

from headwork.checkers.induction.probes.networks import network
from headwork.checkers.probing import Answer, Case, Unfit, generator, parameters


def train_induction(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Three kinds of cases: texts to be made, a few steps on given texts, and a whole training run."""
    if case.kind == "texts":
        for name in ("texts", "once", "again"):
            made = answer.induction_batch(case.count, case.length, case.vocab, generator(case.seed))
            yield name, list(made) if isinstance(made, tuple) else made
    elif case.kind == "steps":
        yield from _steps(answer, case)
    else:
        yield "trained", _trained(answer, case)


def _steps(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = network(case)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, case.stale)  # left by somebody's earlier backward pass
    batches, asked = list(zip(case.tokens, case.known, strict=True)), list[Any]()

    def make_batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append(step)
        return batches[step]

    losses = answer.train_induction(model, make_batch, len(batches), case.learning_rate, warmup=case.warmup)
    yield "parameters", parameters(model)
    yield "losses", losses
    yield "asked", asked
    kept = losses if isinstance(losses, (list, tuple)) else [losses]
    yield "hold graphs", any(isinstance(loss, torch.Tensor) and loss.requires_grad for loss in kept)


def _trained(answer: Answer, case: Case) -> dict[str, torch.Tensor]:
    """The parameters of a model after a run on the answer's own texts."""
    model = network(case)
    source = generator(case.seed)

    def make_batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        made = answer.induction_batch(case.count, case.length, model.config.d_vocab, source)
        if not isinstance(made, (tuple, list)) or len(made) != 2:
            raise Unfit("`induction_batch` returns no pair of tokens and booleans")
        return made[0], made[1]

    answer.train_induction(model, make_batch, case.steps, case.learning_rate)
    return parameters(model)
