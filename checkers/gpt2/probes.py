"""What is asked of answers in chapter `gpt2`. Learners' processes hold this file: it contains no answer."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from headwork.checkers.probing import Answer, Case, generator, gradient, load, parameters


def layer_norm(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    norm = load(answer.LayerNorm(case.width, eps=case.eps), case.weights)
    yield "output", norm(case.residual)
    yield "gradient", gradient(norm, case.cotangent, residual=case.residual)


def attention_pattern(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "pattern", answer.attention_pattern(case.q, case.k)
    yield "gradient", gradient(answer.attention_pattern, case.cotangent, q=case.q, k=case.k)


def attention(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Asked twice: with a decoy for `attention_pattern`, which has an exercise of its own, and as it stands.

    Only one of the two has to work: an answer may call its pattern in a way of its own, or not have one yet.
    """
    raised = []
    for way in ("with our pattern", "as it stands"):
        if way == "with our pattern":
            answer.attention_pattern = _decoy_pattern
        else:
            answer.restore("attention_pattern")
        try:
            layer = load(answer.Attention(case.d_model, case.n_heads), case.weights)
            yield f"output {way}", layer(case.residual)
            yield f"gradient {way}", gradient(layer, case.cotangent, residual=case.residual)
        except Exception as error:
            raised.append(error)
    if len(raised) == 2:
        raise raised[0]


def _decoy_pattern(q: Tensor, k: Tensor) -> Tensor:
    """A pattern that no exercise asks for: not causal, and not the same when queries and keys change places."""
    return torch.einsum("bqhd,bkhd->bhqk", q, k.roll(1, -1)).tanh() + 0.5


def top_p(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    def draw(repeats: int, seed: int) -> Tensor:
        rows = case.rows.repeat_interleave(repeats, 0)  # (row * repeats, vocab)
        return answer.top_p(rows, case.p, generator=generator(seed, rows.device))

    yield "tokens", draw(case.repeats, case.seed)
    for name in ("once", "again"):
        yield name, draw(20, case.seed)
    yield "two seeds", [draw(60, case.seed + step) for step in (1, 2)]


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
