"""What is asked of answers in chapter `sae`: autoencoders that choose their latents.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.probing import Answer, Case, Unfit, gradient, load
from headwork.checkers.sae.probes.autoencoders import Method


def topk(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    sae = load(answer.TopK(case.d_model, case.latents, case.k), case.weights)
    yield "latents", sae.encode(case.x)
    yield "gradient", gradient(Method(sae, "encode"), case.along_latents, x=case.x)


def batch_topk(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Several batches in training, then one out of it, twice: the threshold must not move there."""
    sae = load(answer.BatchTopK(case.d_model, case.latents, case.k, case.rate), case.weights)
    sae.train()
    for step, x in enumerate(case.batches):
        yield f"latents {step}", sae.encode(x)
        yield f"threshold {step}", _threshold(sae)
    yield "gradient", gradient(Method(sae, "encode"), case.along_latents, x=case.x)
    sae.eval()
    yield "out of training", [sae.encode(case.x), sae.encode(case.x[:1])]
    yield "threshold at the end", _threshold(sae)
    yield "gradient out of training", gradient(Method(sae, "encode"), case.along_latents, x=case.x)


def _threshold(sae: Any) -> Tensor:
    found = getattr(sae, "threshold", None)
    if not isinstance(found, Tensor) or found.numel() != 1:
        raise Unfit("`BatchTopK` has no buffer `threshold` with a single number")
    return found.detach().clone().reshape(())


def aux_k(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    inputs = {name: getattr(case, name) for name in ("x", "reconstruction", "pre", "W_dec")}

    def loss(x: Tensor, reconstruction: Tensor, pre: Tensor, W_dec: Tensor) -> Any:
        return answer.aux_k(x, reconstruction, pre, case.dead, W_dec, case.k)

    yield "loss", loss(**inputs)
    found = gradient(loss, case.cotangent, **inputs)
    # A gradient of zeros is none: 0 * x cuts nothing and sends nothing.
    yield "gradient", {name: _or_zeros(found[name], inputs[name]) for name in inputs}


def _or_zeros(found: Tensor | str, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if isinstance(found, str) else found


def gated(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    sae = load(answer.Gated(case.d_model, case.latents), case.weights)
    yield "latents", sae.encode(case.x)
    along_encode = gradient(Method(sae, "encode"), case.along_latents, x=case.x)
    yield "gradient of encode", {name: _or_zeros(found, _of(sae, name, case)) for name, found in along_encode.items()}

    yield "loss", sae.loss(case.x, case.coefficient)
    yield "gradient of loss", gradient(Method(sae, "loss", case.coefficient), case.cotangent, x=case.x)


def _of(sae: Any, name: str, case: Case) -> Tensor:
    found: Tensor = case.x if name == "x" else dict(sae.named_parameters())[name]
    return found


def jumprelu(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Values; then the gradient of either output, along a cotangent of its own that is fixed at the hard output."""

    def latents(pre: Tensor, log_threshold: Tensor) -> Any:
        return answer.jumprelu(pre, log_threshold, case.bandwidth)[0]

    def count(pre: Tensor, log_threshold: Tensor) -> Any:
        return answer.jumprelu(pre, log_threshold, case.bandwidth)[1]

    inputs = {"pre": case.pre, "log_threshold": case.log_threshold}
    yield "latents", latents(**inputs)
    yield "count", count(**inputs)
    found = gradient(latents, case.along_latents, **inputs)
    yield "gradient of the latents", {name: _or_zeros(found[name], inputs[name]) for name in inputs}
    found = gradient(count, case.along_count, **inputs)
    yield "gradient of the count", {name: _or_zeros(found[name], inputs[name]) for name in inputs}
