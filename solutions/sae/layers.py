"""Chapter `sae`: through an MLP by latents. A transcoder in its place, and the MLP as a matrix near an input.

Sources: Dunefsky et al. 2024, Transcoders Find Interpretable LLM Feature Circuits; Paulo et al. 2025 (the skip).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Transcoder(nn.Module):
    """Describes what an MLP makes of its input by few latents, and by a matrix that skips them."""

    def __init__(self, d_in: int, d_out: int, latents: int):
        super().__init__()
        self.W_enc = nn.Parameter(torch.randn(d_in, latents) * d_in**-0.5)
        self.b_enc = nn.Parameter(torch.zeros(latents))
        self.W_dec = nn.Parameter(torch.zeros(latents, d_out))
        self.b_dec = nn.Parameter(torch.zeros(d_out))
        self.W_skip = nn.Parameter(torch.zeros(d_in, d_out))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x: (batch, d_in), what the MLP reads. Returns what it is to write, (batch, d_out), and (batch, latent)."""
        ### BEGIN SOLUTION
        latents = torch.relu(x @ self.W_enc + self.b_enc)
        return latents @ self.W_dec + x @ self.W_skip + self.b_dec, latents
        ### END SOLUTION


def transcoder_loss(written: Tensor, made: Tensor, latents: Tensor, W_dec: Tensor, coefficient: float) -> Tensor:
    """The squared error, summed over d_out, and L1 of the latents times the lengths of their rows; the batch's mean.

    written, made: (batch, d_out). latents: (batch, latent). W_dec: (latent, d_out). Returns a number.
    """
    ### BEGIN SOLUTION
    error = (written - made).square().sum(-1)  # (batch,)
    return (error + coefficient * latents @ W_dec.norm(dim=-1)).mean()
    ### END SOLUTION


def latent_connections(earlier: Transcoder, later: Transcoder) -> Tensor:
    """How much a unit of each earlier latent adds to each later pre-activation, directly: (earlier, later latent)."""
    ### BEGIN SOLUTION
    return earlier.W_dec @ later.W_enc
    ### END SOLUTION


def linearise_mlp(x: Tensor, directions: Tensor, W_in: Tensor, b_in: Tensor, W_out: Tensor) -> tuple[Tensor, Tensor]:
    """What adding a direction to an MLP's input does to its output: by its derivative at the input, and in truth.

    x: (batch, d_model), the input. directions: (direction, d_model). W_in: (d_model, d_mlp). b_in: (d_mlp,).
    W_out: (d_mlp, d_model). The bend is GELU with tanh. Returns two tensors, (batch, direction, d_model).
    """
    ### BEGIN SOLUTION

    def mlp(stream: Tensor) -> Tensor:
        return F.gelu(stream @ W_in + b_in, approximate="tanh") @ W_out

    here = x[:, None].repeat(1, len(directions), 1)  # (batch, direction, d_model)
    ways = directions.repeat(len(x), 1, 1)
    linear = torch.func.jvp(mlp, (here,), (ways,))[1]
    return linear, mlp(here + ways) - mlp(here)
    ### END SOLUTION
