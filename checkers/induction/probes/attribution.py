"""What is asked of answers in chapter `induction`: what parts of the network write.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from torch import Tensor

from headwork.checkers.induction.probes.networks import gradients, network
from headwork.checkers.probing import Answer, Case, Unfit, gradient

if TYPE_CHECKING:
    from headwork.models.config import Config


def head_outputs(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = network(case)
    parts = answer.head_outputs(model, case.tokens)
    if not isinstance(parts, dict):
        raise Unfit(f"`head_outputs` gives a {type(parts).__name__}: return a dict")
    yield "names", list(parts)
    yield "parts", parts
    shape = (*case.tokens.shape, model.config.d_model)
    total = sum(
        _part(parts, name, shape) * case.factors[index % len(case.factors)]
        for index, name in enumerate(_names(model.config))
    )
    trained = [name for name, _ in model.named_parameters() if name.endswith(("W_E", "W_V", "W_O", "W_in", "b_O"))]
    yield "gradient", gradients(total, case.cotangent, model, trained)


def _part(parts: dict[str, Tensor], name: str, shape: tuple[int, ...]) -> Tensor:
    part = parts.get(name)
    if not isinstance(part, Tensor) or tuple(part.shape) != shape:
        got = f"has shape {tuple(part.shape)}" if isinstance(part, Tensor) else "is missing"
        raise Unfit(f"the part {name!r} {got}; expected is a tensor of shape {shape}")
    return part


def _names(config: "Config") -> Iterator[str]:
    """The parts in order, as the text names them."""
    yield from ("embed", "pos_embed")
    for layer in range(config.n_layers):
        yield from (f"{layer}.{head}" for head in range(config.n_heads))
        yield f"{layer}.bias"
        if not config.attn_only:
            yield f"{layer}.mlp"


def logit_attribution(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = network(case)

    def shares(parts: Tensor) -> Tensor:
        return _pair(answer.logit_attribution(model, parts, case.residual, case.targets))[0]

    found, bias = _pair(answer.logit_attribution(model, case.parts, case.residual, case.targets))
    yield "shares", found
    yield "bias", bias
    yield "gradient", gradient(shares, case.cotangent, parts=case.parts)


def _pair(result: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise Unfit("`logit_attribution` returns a pair: what the parts add, and what the biases add")
    return result[0], result[1]
