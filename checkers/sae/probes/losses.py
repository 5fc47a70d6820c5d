"""What is asked of answers in chapter `sae`: losses, dictionaries of unit length, training.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from headwork.checkers.probing import Answer, Case, generator, gradient, in_ways, load, parameters


def sae_loss(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """`penalty` and `eps` are left out where they have their default."""
    options = {name: value for name, value in case.options.items() if value is not None}

    def loss(x: Tensor, reconstruction: Tensor, latents: Tensor) -> Any:
        return answer.sae_loss(x, reconstruction, latents, case.coefficient, **options)

    inputs = {"x": case.x, "reconstruction": case.reconstruction, "latents": case.code}
    yield "loss", loss(**inputs)
    yield "gradient", gradient(loss, case.cotangent, **inputs)


def unit_decoder(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """A parameter with a gradient, after either function, and after both with a step between."""

    def decoder() -> nn.Parameter:
        W_dec = nn.Parameter(case.W_dec.clone())
        W_dec.grad = case.gradient.clone()
        return W_dec

    def state(W_dec: nn.Parameter) -> dict[str, Any]:
        return {"rows": W_dec.detach(), "gradient": W_dec.grad, "requires grad": W_dec.requires_grad}

    projected = decoder()
    answer.project_gradient(projected)
    yield "after project_gradient", state(projected)
    normalised = decoder()
    answer.normalise_decoder(normalised)
    yield "after normalise_decoder", state(normalised)
    stepped = decoder()
    optimiser = torch.optim.SGD([stepped], lr=case.learning_rate)
    answer.project_gradient(stepped)
    optimiser.step()
    answer.normalise_decoder(stepped)
    yield "after a step between the two", stepped.detach()


class Decoy(nn.Module):
    """An autoencoder that no exercise asks for, with the usual parameters: its latents are squares."""

    def __init__(self, d_model: int, latents: int):
        super().__init__()
        self.W_enc = nn.Parameter(torch.empty(d_model, latents))
        self.b_enc = nn.Parameter(torch.empty(latents))
        self.W_dec = nn.Parameter(torch.empty(latents, d_model))
        self.b_dec = nn.Parameter(torch.empty(d_model))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        latents = (x @ self.W_enc + self.b_enc).square() / 10  # (batch, latent)
        return latents @ self.W_dec + self.b_dec, latents


def _decoy_loss(x: Tensor, reconstruction: Tensor, latents: Tensor, coefficient: float) -> Tensor:
    """A loss that no exercise asks for."""
    return (x - reconstruction).abs().sum(-1).mean() + coefficient * latents.square().mean()


def _decoy_projection(W_dec: nn.Parameter) -> None:
    """What no exercise asks for: the gradient's mean is taken out of each row."""
    assert W_dec.grad is not None
    W_dec.grad -= W_dec.grad.mean(-1, keepdim=True)


@torch.no_grad()
def _decoy_norm(W_dec: Tensor) -> None:
    """What no exercise asks for: the largest number of each row becomes 1."""
    W_dec.div_(W_dec.abs().amax(-1, keepdim=True))


OURS = {"sae_loss": _decoy_loss, "project_gradient": _decoy_projection, "normalise_decoder": _decoy_norm}


def sae_on_toy(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """Matching; a few steps of an autoencoder of ours, with decoys and with the answer's parts; or a long run."""
    if case.kind == "match":
        yield "match", list(answer.match_features(case.W_dec, case.directions))
    elif case.kind == "steps":
        yield from in_ways(answer, {"with ours": OURS, "as it stands": {}}, lambda way: _steps(answer, case))
    else:
        sae = load(answer.SAE(case.directions.shape[1], case.latents), case.weights)
        source = generator(case.seed)
        size = (case.count, len(case.directions))

        def make_batch(step: int) -> Tensor:
            active = torch.rand(size, generator=source) < case.probability
            return (torch.rand(size, generator=source) * active) @ case.directions + case.centre

        answer.train_on_toy(sae, make_batch, case.steps, case.learning_rate, case.coefficient)
        yield "trained", parameters(sae)


def _steps(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    sae = load(Decoy(*case.weights["W_enc"].shape), case.weights)
    for parameter in sae.parameters():
        parameter.grad = torch.full_like(parameter, case.stale)  # left by somebody's earlier backward pass
    batches = case.batches
    losses = answer.train_on_toy(sae, batches.__getitem__, len(batches), case.learning_rate, case.coefficient)
    yield "parameters", parameters(sae)
    yield "losses", losses
