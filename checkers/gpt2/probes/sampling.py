"""What is asked of answers in chapter `gpt2`: sampling and search.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from headwork.checkers.probing import Answer, Case, generator, load


def temperature(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield from _draws(case, lambda rows, **source: answer.temperature(rows, case.temperature, **source))


def top_k(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield from _draws(case, lambda rows, **source: answer.top_k(rows, case.k, **source))


def top_p(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield from _draws(case, lambda rows, **source: answer.top_p(rows, case.p, **source))


def _draws(case: Case, draw: Callable[..., Tensor]) -> Iterator[tuple[str, Any]]:
    """Draws from every row: many, a few twice over, a few with other seeds, and a few from PyTorch's own source.

    The last draw is from the case's own rows, and so shows whether they are left alone.
    """

    def drawn(repeats: int, seed: int) -> Tensor:
        rows = case.rows.repeat_interleave(repeats, 0)  # (row * repeats, vocab)
        return draw(rows, generator=generator(seed, rows.device))

    yield "tokens", drawn(case.repeats, case.seed)
    for name in ("once", "again"):
        yield name, drawn(20, case.seed)
    yield "two seeds", [drawn(60, case.seed + step) for step in (1, 2)]
    yield "without a generator", draw(case.rows.repeat_interleave(50, 0))
    draw(case.rows, generator=generator(case.seed, case.rows.device))


def repetition_penalty(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "logits", answer.repetition_penalty(case.logits, case.tokens, case.penalty)


class _Language(nn.Module):
    """A small language whose next token depends on this one, the one before, and all so far with their places."""

    def __init__(self, texts: int, vocab: int):
        super().__init__()
        self.W_pair = nn.Parameter(torch.empty(vocab, vocab, vocab))
        self.W_text = nn.Parameter(torch.empty(texts, vocab))

    def forward(self, tokens: Tensor) -> Tensor:
        before = nn.functional.pad(tokens, (1, -1))  # (row, position)
        odd = 2 * torch.arange(tokens.shape[-1], device=tokens.device) + 1  # (position,)
        text = (odd * tokens).cumsum(-1) % len(self.W_text)  # (row, position)
        return self.W_pair[before, tokens] + self.W_text[text]  # (row, position, vocab)


def beam_search(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = load(_Language(*case.weights["W_text"].shape), case.weights)
    found = answer.beam_search(model, case.prompt, case.n_new, case.n_beams)
    sequences, log_probabilities = found if isinstance(found, (tuple, list)) and len(found) == 2 else (found, None)
    yield "sequences", sequences
    yield "log-probabilities", log_probabilities
