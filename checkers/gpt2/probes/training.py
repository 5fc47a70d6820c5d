"""What is asked of answers in chapter `gpt2`: training.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from headwork.checkers.probing import Answer, Case, load, parameters


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
    if "held_out" in case.inputs:
        yield from _outcome(answer, case)
        return
    model = load(_Bigrams(*case.weights["W_E"].shape), case.weights)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, case.stale)  # left by somebody's earlier backward pass
    options = {"weight_decay": case.weight_decay, "max_norm": case.max_norm}
    losses = answer.train(model, case.batches, case.learning_rate, **options)
    yield "parameters", parameters(model)
    yield "losses", losses
    held = (
        [loss.requires_grad for loss in losses if isinstance(loss, Tensor)] if isinstance(losses, (list, tuple)) else []
    )
    yield "losses that hold a graph", sum(held)


def _outcome(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = load(_Bigrams(*case.weights["W_E"].shape), case.weights)
    answer.train(model, case.batches, case.learning_rate, weight_decay=0.01, max_norm=1.0)
    with torch.no_grad():
        logits = model(case.held_out)[:, :-1]
        yield "held-out loss", nn.functional.cross_entropy(logits.flatten(0, 1), case.held_out[:, 1:].flatten()).item()
