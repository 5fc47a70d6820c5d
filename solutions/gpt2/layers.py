"""Chapter `gpt2`: what works on one position at a time.

Shapes are given with the axes' names: `batch` sequences, `position` in a sequence, `head`, and the widths
`d_model` (residual stream) and `d_head`. Parameters have TransformerLens' names and shapes.
Sources: Radford et al. 2019; Ba et al. 2016.
"""

import torch
from torch import Tensor, nn


class LayerNorm(nn.Module):
    """Normalises the last axis to mean 0 and variance 1, then scales by `w` and shifts by `b`.

    `eps` is added to the variance, so that a constant row does not divide by zero.
    """

    def __init__(self, width: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.w = nn.Parameter(torch.ones(width))
        self.b = nn.Parameter(torch.zeros(width))

    def forward(self, residual: Tensor) -> Tensor:
        """residual: (batch, position, width). Returns the same shape."""
        ### BEGIN SOLUTION
        mean = residual.mean(-1, keepdim=True)  # (batch, position, 1)
        variance = residual.var(-1, correction=0, keepdim=True)  # (batch, position, 1)
        normalised = (residual - mean) / (variance + self.eps).sqrt()
        return normalised * self.w + self.b
        ### END SOLUTION
