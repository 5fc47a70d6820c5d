"""What is asked of answers in chapter `gpt2`: layers that work on one position at a time.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.probing import Answer, Case, gradient, in_ways, load


def embed(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """`start` is left out where it is 0: the option has a default."""
    module = load(answer.Embed(case.d_vocab, case.n_ctx, case.d_model), case.weights)
    options = {"start": case.start} if case.start else {}

    def with_weights(W_E: Tensor, W_pos: Tensor) -> Any:
        return torch.func.functional_call(module, {"W_E": W_E, "W_pos": W_pos}, (case.tokens,), options)

    yield "vectors", module(case.tokens, **options)
    yield "gradient", gradient(with_weights, case.cotangent, **case.weights)


def layer_norm(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    norm = load(answer.LayerNorm(case.width, eps=case.eps), case.weights)
    yield "output", norm(case.residual)
    yield "gradient", gradient(norm, case.cotangent, residual=case.residual)


def gelu(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "output", answer.gelu(case.x)
    yield "gradient", gradient(answer.gelu, case.cotangent, x=case.x)


def mlp(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Asked twice: with a decoy for `gelu`, which has an exercise of its own, and as it stands.

    Only one of the two has to work: an answer may get its GELU elsewhere, or have none of its own yet.
    """

    def ask(way: str) -> Iterator[tuple[str, Any]]:
        layer = load(answer.MLP(case.d_model, case.d_mlp), case.weights)
        yield "output", layer(case.residual)
        yield "gradient", gradient(layer, case.cotangent, residual=case.residual)

    yield from in_ways(answer, {"with our gelu": {"gelu": _decoy_gelu}, "as it stands": {}}, ask)


def _decoy_gelu(x: Tensor) -> Tensor:
    """A bend that no exercise asks for: not zero at zero, and not flat on either side."""
    return x.cos() + 0.3 * x


def unembed(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    def with_our_norm(residual: Tensor, W_E: Tensor) -> Any:
        return answer.unembed(residual, _decoy_norm, W_E)

    yield "logits", with_our_norm(case.residual, case.W_E)
    yield "gradient", gradient(with_our_norm, case.cotangent, residual=case.residual, W_E=case.W_E)


def _decoy_norm(residual: Tensor) -> Tensor:
    """A normalisation that no exercise asks for, of rows of any width: neither linear nor the same when repeated."""
    return residual / (1 + residual.abs().mean(-1, keepdim=True)) + 0.25
