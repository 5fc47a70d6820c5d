"""What is asked of answers in chapter `gpt2`: attention.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.probing import Answer, Case, gradient, load


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
