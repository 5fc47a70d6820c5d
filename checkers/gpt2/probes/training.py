"""What is asked of answers in chapter `gpt2`: training.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from headwork.checkers.probing import Answer, Case, gradient, load, parameters


def next_token_loss(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "loss", answer.next_token_loss(case.logits, case.tokens)

    def loss(logits: Tensor) -> Tensor:
        mean: Tensor = answer.next_token_loss(logits, case.tokens)
        return mean

    yield "gradient", gradient(loss, case.cotangent, logits=case.logits)


class _Bigrams(nn.Module):
    """A small language model: the logits of the next token depend on this token and the one before it."""

    def __init__(self, vocab: int, width: int):
        super().__init__()
        self.W_E = nn.Parameter(torch.empty(vocab, width))
        self.W_before = nn.Parameter(torch.empty(width, width))
        self.W_U = nn.Parameter(torch.empty(width, vocab))
        self.b_U = nn.Parameter(torch.empty(vocab))

    def forward(self, tokens: Tensor) -> Tensor:
        now = self.W_E[tokens]  # (batch, position, width)
        before = nn.functional.pad(now, (0, 0, 1, -1)) @ self.W_before  # (batch, position, width)
        return (now + before).tanh() @ self.W_U + self.b_U  # (batch, position, vocab)


def train(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Asked twice: with a decoy for `next_token_loss`, which has an exercise of its own, and as it stands.

    Only one of the two has to work: a loop may call that loss, or compute the mean cross-entropy itself.
    """
    raised: list[Exception] = []
    outcomes: list[Tensor] = []
    for way in ("with our loss", "as it stands"):
        if way == "with our loss":
            answer.next_token_loss = _decoy_loss
        else:
            answer.restore("next_token_loss")
        try:
            if "held_out" in case.inputs:
                outcomes.append(_outcome(answer, case))
            else:
                yield from _steps(answer, case, way)
        except Exception as error:
            raised.append(error)
    if len(raised) == 2:
        raise raised[0]
    if outcomes:
        yield "held-out logits", outcomes


def _steps(answer: Answer, case: Case, way: str) -> Iterator[tuple[str, Any]]:
    model = load(_Bigrams(*case.weights["W_E"].shape), case.weights)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, case.stale)  # left by somebody's earlier backward pass
    options = {"weight_decay": case.weight_decay, "max_norm": case.max_norm}
    losses = answer.train(model, case.batches, case.learning_rate, **options)
    yield f"parameters {way}", parameters(model)
    yield f"losses {way}", losses
    listed = losses if isinstance(losses, (list, tuple)) else []
    yield "losses that hold a graph", sum(loss.requires_grad for loss in listed if isinstance(loss, Tensor))


def _outcome(answer: Answer, case: Case) -> Tensor:
    """The logits, (sequence, position, vocab), that a model gives to text it has not seen, after its training."""
    model = load(_Bigrams(*case.weights["W_E"].shape), case.weights)
    answer.train(model, case.batches, case.learning_rate, weight_decay=0.01, max_norm=1.0)
    with torch.no_grad():
        logits: Tensor = model(case.held_out)
    return logits


def _decoy_loss(logits: Tensor, tokens: Tensor) -> Tensor:
    """A loss that no exercise asks for: the squared distance of the probabilities from what came (Brier 1950).

    It is smallest for the true probabilities, so a model can learn from it. Times 5, its gradients have about
    the length of the real loss's.
    """
    came = nn.functional.one_hot(tokens, logits.shape[-1]).to(logits)  # (batch, position, vocab)
    return 5 * (logits.softmax(-1) - came.roll(-1, 1))[:, :-1].square().sum(-1).mean()


def learning_rate_schedule(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    rates = {}
    for step in case.steps:
        rate = answer.learning_rate_schedule(step, case.peak, case.warmup, case.total, case.floor)
        rates[f"step {step}"] = float(rate) if isinstance(rate, float) else rate  # numpy's floats are floats
    yield "rate", rates
