"""What is asked of answers in chapter `sae`: noise of the size of an autoencoder's error.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.probing import Answer, Case, Unfit, generator, in_ways, load
from headwork.checkers.sae.probes.effects import _Sparse

BINS = 6


def error_against_noise(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Noise: its size, exactly, and its directions by their law. Then the losses, with noise of ours and theirs."""
    if case.kind_of_case == "losses":
        yield from in_ways(
            answer, {"with ours": {"same_size_noise": _shift}, "as it stands": {}}, lambda way: _losses(answer, case)
        )
        return

    def draw(seed: int) -> Tensor:
        made = answer.same_size_noise(case.x, case.reconstruction, case.kind, generator(seed, case.x.device))
        if not isinstance(made, Tensor) or made.shape != case.x.shape:
            shape = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
            raise Unfit(f"`same_size_noise` gives {shape}, expected {tuple(case.x.shape)}")
        return made

    made = draw(case.seed)
    noise = made - case.x
    yield "distance", noise.norm(dim=-1)
    yield "once", made
    yield "again", draw(case.seed)
    yield "another generator makes other noise", not torch.equal(made, draw(case.seed + 1))
    if case.kind == "norm":
        yield "length", made.norm(dim=-1)
    if "flat" not in case.inputs:
        return
    # In these coordinates of the case a right answer's directions are all alike, on a circle or on a sphere.
    flat = torch.einsum("bij,bj->bi", case.flat, noise)
    if case.kind == "norm":
        place = torch.atan2(flat[:, 1], flat[:, 0]) / (2 * torch.pi) + 0.5
        places = place[:, None]
    else:
        places = (flat / flat.norm(dim=-1, keepdim=True) + 1) / 2  # of a sphere, each coordinate is even
    classes = (places * BINS).floor().nan_to_num(0).long().clamp(0, BINS - 1)  # (batch, coordinate)
    yield "directions", classes.T.flatten()
    yield "one and the next", (classes[::2] * BINS + classes[1::2]).T.flatten()


def _shift(x: Tensor, reconstruction: Tensor, kind: str, generator: torch.Generator) -> Tensor:
    """Noise that no exercise asks for, which tells what it is made of: nothing about it is random but a number."""
    turn = {"isotropic": 0.3, "covariance": 0.5, "norm": -0.7}[kind]
    return x + turn * (reconstruction - x).roll(1, -1) + 0.1 * torch.rand((), generator=generator, device=x.device)


def _losses(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    sae = load(_Sparse(*case.weights["W_enc"].shape), case.weights)

    def run(change: Callable[[Tensor], Tensor]) -> Tensor:
        changed = change(case.x)
        if not isinstance(changed, Tensor) or changed.shape != case.x.shape:
            shape = tuple(changed.shape) if isinstance(changed, Tensor) else type(changed).__name__
            raise Unfit(f"the activation {tuple(case.x.shape)} was replaced by {shape}")
        logits = (changed + changed.cumsum(1) / 3 + case.around).tanh() @ case.W_U
        return -logits[:, :-1].log_softmax(-1).gather(-1, case.tokens[:, 1:, None]).squeeze(-1)

    with torch.no_grad():
        found = answer.error_against_noise(run, sae, generator(case.seed, case.x.device))
    if not isinstance(found, dict):
        raise Unfit(f"`error_against_noise` gives a {type(found).__name__}, expected a dict")
    for name in ("error", "isotropic", "covariance", "norm"):
        if name not in found:
            raise Unfit(f"the dict has no {name!r}: it has {', '.join(map(repr, found)) or 'nothing'}")
        yield f"loss: {name}", found[name]
