"""Chapter `sae`: an autoencoder's error beside noise of the same size.

Source: Gurnee 2024, SAE reconstruction errors are (empirically) pathological (noise at the same distance).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from headwork.solutions.sae.autoencoders import SAE

KINDS = ("isotropic", "covariance", "norm")


def same_size_noise(x: Tensor, reconstruction: Tensor, kind: str, generator: torch.Generator) -> Tensor:
    """Activations as far from `x` as the reconstruction is, each in a random direction.

    x, reconstruction: (batch, d_model). kind: 'isotropic', all directions alike; 'covariance', normal with the errors'
    mean outer product; 'norm', all directions alike among those that keep the reconstruction's length too. Returns
    (batch, d_model).
    """
    ### BEGIN SOLUTION
    error = reconstruction - x  # (batch, d_model)
    size = error.norm(dim=-1, keepdim=True)
    noise = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
    if kind == "covariance":
        values, vectors = torch.linalg.eigh(error.T @ error / len(error))
        noise = noise * values.clamp(min=0).sqrt() @ vectors.T
    if kind != "norm":
        return x + noise / noise.norm(dim=-1, keepdim=True) * size
    unit = x / x.norm(dim=-1, keepdim=True)
    along = (error * unit).sum(-1, keepdim=True)  # (batch, 1), what the error adds to the length, or takes
    across = noise - (noise * unit).sum(-1, keepdim=True) * unit  # (batch, d_model)
    rest = (size.square() - along.square()).clamp(min=0).sqrt()
    return x + along * unit + across / across.norm(dim=-1, keepdim=True) * rest
    ### END SOLUTION


def error_against_noise(
    run: Callable[[Callable[[Tensor], Tensor]], Tensor], sae: SAE, generator: torch.Generator
) -> dict[str, Tensor]:
    """The loss that the reconstruction adds, and what noise of each kind adds, in nats.

    run: called with a change of the activation, (batch, position, d_model), gives the loss of each token. sae: takes
    (batch, d_model). The noise is drawn in the order of KINDS. Returns numbers: 'error', and one for each kind.
    """
    ### BEGIN SOLUTION
    clean = run(lambda x: x).mean()

    def added(replace: Callable[[Tensor], Tensor]) -> Tensor:
        return run(lambda x: replace(x.flatten(0, -2)).reshape(x.shape)).mean() - clean

    def noisy(kind: str) -> Callable[[Tensor], Tensor]:
        return lambda x: same_size_noise(x, sae(x)[0], kind, generator)

    return {"error": added(lambda x: sae(x)[0])} | {kind: added(noisy(kind)) for kind in KINDS}
    ### END SOLUTION
