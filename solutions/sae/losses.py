"""Chapter `sae`: what an autoencoder is trained with, and what its penalty costs.

Sources: Bricken et al. 2023; Rajamanoharan et al. 2024 (relative reconstruction bias).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from headwork.solutions.sae.autoencoders import SAE


def sae_loss(
    x: Tensor, reconstruction: Tensor, latents: Tensor, coefficient: float, penalty: str = "l1", eps: float = 1e-6
) -> Tensor:
    """The squared error of an input, summed over `d_model`, plus a penalty on its latents; the mean over the batch.

    x, reconstruction: (batch, d_model). latents: (batch, latent), not negative. penalty: 'l1', the sum of the latents;
    or 'sqrt', the sum of the roots of `latent + eps`. It is multiplied by `coefficient`. Returns a number.
    """
    ### BEGIN SOLUTION
    error = (x - reconstruction).square().sum(-1)  # (batch,)
    costs = latents if penalty == "l1" else (latents + eps).sqrt()  # (batch, latent); a root has no slope at 0
    return (error + coefficient * costs.sum(-1)).mean()
    ### END SOLUTION


@torch.no_grad()
def project_gradient(W_dec: nn.Parameter) -> None:
    """Takes out of each row of `W_dec.grad` what would only change the length of that row of `W_dec`, in place."""
    ### BEGIN SOLUTION
    assert W_dec.grad is not None
    unit = W_dec / W_dec.norm(dim=-1, keepdim=True)  # (latent, d_model)
    along = (W_dec.grad * unit).sum(-1, keepdim=True)  # (latent, 1)
    W_dec.grad -= along * unit
    ### END SOLUTION


@torch.no_grad()
def normalise_decoder(W_dec: Tensor) -> None:
    """Gives each row of `W_dec`, (latent, d_model), the length 1, in place."""
    ### BEGIN SOLUTION
    W_dec.div_(W_dec.norm(dim=-1, keepdim=True))
    ### END SOLUTION


def match_features(W_dec: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """For each true direction the cosine with the dictionary's nearest row, and which row that is.

    W_dec: (latent, d_model). directions: (feature, d_model). Returns two tensors of shape (feature,). Lengths do not
    count, signs do: a latent is never negative.
    """
    ### BEGIN SOLUTION
    rows = W_dec / W_dec.norm(dim=-1, keepdim=True)
    truth = directions / directions.norm(dim=-1, keepdim=True)
    best = (truth @ rows.T).max(-1)  # over latents
    return best.values, best.indices
    ### END SOLUTION


def train_on_toy(
    sae: SAE, make_batch: Callable[[int], Tensor], steps: int, learning_rate: float, coefficient: float
) -> list[float]:
    """Trains `sae` in place by Adam, with rows of `W_dec` of length 1 after each step.

    make_batch: called with each step's number, gives (batch, d_model). Returns each step's loss, from before it.
    """
    ### BEGIN SOLUTION
    optimiser = torch.optim.Adam(sae.parameters(), lr=learning_rate)
    losses = []
    for step in range(steps):
        x = make_batch(step)
        reconstruction, latents = sae(x)
        loss = sae_loss(x, reconstruction, latents, coefficient)
        optimiser.zero_grad()
        loss.backward()
        project_gradient(sae.W_dec)
        optimiser.step()
        normalise_decoder(sae.W_dec)
        losses.append(loss.item())
    return losses
    ### END SOLUTION
