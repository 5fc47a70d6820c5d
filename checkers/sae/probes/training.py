"""What is asked of answers in chapter `sae`: training an autoencoder on activations.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from headwork.checkers.probing import Answer, Case, in_ways, load, parameters


class Picky(nn.Module):
    """An autoencoder that no exercise asks for, with the usual parameters: the sign of two latents in three is lost."""

    def __init__(self, d_model: int, latents: int):
        super().__init__()
        self.W_enc = nn.Parameter(torch.empty(d_model, latents))
        self.b_enc = nn.Parameter(torch.empty(latents))
        self.W_dec = nn.Parameter(torch.empty(latents, d_model))
        self.b_dec = nn.Parameter(torch.empty(d_model))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        latents = torch.relu(x @ self.W_enc - 0.5) + 0 * self.b_enc  # (batch, latent)
        return latents @ self.W_dec + self.b_dec, latents


class _DecoyDead:
    """Calls latents dead that no exercise would: those of even number, from the window on."""

    def __init__(self, latents: int, window: int):
        self.window, self.seen = window, torch.zeros(latents)

    def update(self, latents: Tensor) -> None:
        self.seen += len(latents)

    def dead(self) -> Tensor:
        return (self.seen >= self.window) & (torch.arange(len(self.seen)) % 2 == 0)


def _decoy_aux(x: Tensor, reconstruction: Tensor, pre: Tensor, dead: Tensor, W_dec: Tensor, k: int) -> Tensor:
    """A loss that no exercise asks for."""
    left = (x - reconstruction).detach()
    return (left - pre[:, dead] @ W_dec[dead] / k).abs().mean() + 0.1 * pre[:, dead].square().mean()


def _decoy_projection(W_dec: nn.Parameter) -> None:
    """What no exercise asks for: the gradient's mean is taken out of each row."""
    assert W_dec.grad is not None
    W_dec.grad -= W_dec.grad.mean(-1, keepdim=True)


@torch.no_grad()
def _decoy_norm(W_dec: Tensor) -> None:
    """What no exercise asks for: the largest number of each row becomes 1."""
    W_dec.div_(W_dec.abs().amax(-1, keepdim=True))


OURS = {
    "DeadLatents": _DecoyDead,
    "aux_k": _decoy_aux,
    "project_gradient": _decoy_projection,
    "normalise_decoder": _decoy_norm,
}


def train_sae(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """A few steps of an autoencoder of ours, with decoys for the answer's other parts and with these."""
    yield from in_ways(answer, {"with ours": OURS, "as it stands": {}}, lambda way: _steps(answer, case))


def _steps(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    sae = load(Picky(*case.weights["W_enc"].shape), case.weights)
    for parameter in sae.parameters():
        parameter.grad = torch.full_like(parameter, case.stale)  # left by somebody's earlier backward pass
    asked: list[int] = []

    def make_batch(step: int) -> Tensor:
        asked.append(step)
        batch: Tensor = case.batches[step].clone()
        return batch

    options = {name: value for name, value in case.options.items() if value is not None}
    errors = answer.train_sae(sae, make_batch, len(case.batches), case.learning_rate, case.window, **options)
    yield "parameters", parameters(sae)
    yield "errors", errors.detach() if isinstance(errors, Tensor) else errors
    yield "asked", asked
    yield "graph", isinstance(errors, Tensor) and errors.requires_grad
