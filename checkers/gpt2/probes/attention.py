"""What is asked of answers in chapter `gpt2`: attention.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from headwork.checkers.probing import Answer, Case, gradient, in_ways, load, parameters


def causal_mask(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "mask", answer.causal_mask(case.n_queries, case.n_keys)
    nowhere = answer.causal_mask(case.n_queries, case.n_keys, device="meta")  # a device whose tensors hold no numbers
    yield "device", str(nowhere.device) if isinstance(nowhere, Tensor) else type(nowhere).__name__


def attention_pattern(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "pattern", answer.attention_pattern(case.q, case.k)
    yield "gradient", gradient(answer.attention_pattern, case.cotangent, q=case.q, k=case.k)


def attention(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Asked twice: with a decoy for `attention_pattern`, which has an exercise of its own, and as it stands.

    Only one of the two has to work: an answer may call its pattern in a way of its own, or not have one yet.
    """

    def ask(way: str) -> Iterator[tuple[str, Any]]:
        layer = load(answer.Attention(case.d_model, case.n_heads), case.weights)
        yield "output", layer(case.residual)
        yield "gradient", gradient(layer, case.cotangent, residual=case.residual)

    yield from in_ways(answer, WAYS, ask)


def _decoy_pattern(q: Tensor, k: Tensor) -> Tensor:
    """A pattern that no exercise asks for: not causal, and not the same when queries and keys change places."""
    return torch.einsum("bqhd,bkhd->bhqk", q, k.roll(1, -1)).tanh() + 0.5


WAYS: dict[str, dict[str, Any]] = {"with our pattern": {"attention_pattern": _decoy_pattern}, "as it stands": {}}


def head_contributions(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Asked twice, as `attention` is, of a layer that has parameters and nothing else.

    The gradient of b_O is left out: whether it is absent or zero makes no difference.
    """

    def ask(way: str) -> Iterator[tuple[str, Any]]:
        layer = _Parameters(case.weights)
        asked = _OfLayer(answer, layer)
        yield "contributions", asked(case.residual)
        found = gradient(asked, case.cotangent, residual=case.residual)
        del found["layer.b_O"]
        yield "gradient", {name.removeprefix("layer."): grad for name, grad in found.items()}
        yield "layer afterwards", parameters(layer)

    yield from in_ways(answer, WAYS, ask)


class _Parameters(nn.Module):
    """An attention layer's parameters under their names, without the layer's computation."""

    def __init__(self, weights: dict[str, Tensor]):
        super().__init__()
        for name, weight in weights.items():
            self.register_parameter(name, nn.Parameter(weight.clone()))

    def forward(self, residual: Tensor) -> Tensor:
        raise NotImplementedError("this layer is given for its parameters; compute with them instead of calling it")


class _OfLayer(nn.Module):
    """`head_contributions` of one layer as a module, so that the layer's parameters get gradients."""

    def __init__(self, answer: Answer, layer: nn.Module):
        super().__init__()
        self.answer, self.layer = answer, layer

    def forward(self, residual: Tensor) -> Any:
        return self.answer.head_contributions(self.layer, residual)
