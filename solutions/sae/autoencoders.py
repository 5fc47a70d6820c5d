"""Chapter `sae`: sparse autoencoders, one class a kind; what sets each apart is its `encode`.

Shapes are given with the axes' names: `batch` activations, `d_model`, their width, and `latent`. Parameters are named
`W_enc (d_model, latent)`, `b_enc (latent)`, `W_dec (latent, d_model)`, `b_dec (d_model)`, as in SAELens.
Sources: Bricken et al. 2023; Gao et al. 2024 (TopK); Bussmann et al. 2024 (BatchTopK); Rajamanoharan et al. 2024
(gated, JumpReLU).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SAE(nn.Module):
    """Writes an activation as a sum of few directions: latents that are never negative, and a row of `W_dec` each."""

    def __init__(self, d_model: int, latents: int):
        super().__init__()
        directions = F.normalize(torch.randn(latents, d_model), dim=-1)
        self.W_dec = nn.Parameter(directions)
        self.W_enc = nn.Parameter(directions.T.clone())
        self.b_enc = nn.Parameter(torch.zeros(latents))
        self.b_dec = nn.Parameter(torch.zeros(d_model))

    def encode(self, x: Tensor) -> Tensor:
        """x: (batch, d_model). Returns the latents, (batch, latent), never negative."""
        ### BEGIN SOLUTION
        return torch.relu((x - self.b_dec) @ self.W_enc + self.b_enc)
        ### END SOLUTION

    def decode(self, latents: Tensor) -> Tensor:
        """latents: (batch, latent). Returns the reconstruction, (batch, d_model)."""
        ### BEGIN SOLUTION
        return latents @ self.W_dec + self.b_dec
        ### END SOLUTION

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x: (batch, d_model). Returns the reconstruction, (batch, d_model), and the latents, (batch, latent)."""
        latents = self.encode(x)
        return self.decode(latents), latents
