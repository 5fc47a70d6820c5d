"""Chapter `gpt2`: what works on one position at a time.

Shapes are given with the axes' names: `batch` sequences, `position` in a sequence, `head`, and the widths
`d_model` (residual stream) and `d_head`. Parameters have TransformerLens' names and shapes.
Sources: Radford et al. 2019; Ba et al. 2016; Hendrycks and Gimpel 2016; Press and Wolf 2017.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Embed(nn.Module):
    """What stands in the residual stream before the first layer: a vector for the token plus one for its position."""

    def __init__(self, d_vocab: int, n_ctx: int, d_model: int):
        super().__init__()
        self.W_E = nn.Parameter(torch.randn(d_vocab, d_model) * 0.02)
        self.W_pos = nn.Parameter(torch.randn(n_ctx, d_model) * 0.02)

    def forward(self, tokens: Tensor, start: int = 0) -> Tensor:
        """tokens: (batch, position), integers; the first stands at position `start`.

        Returns (batch, position, d_model). At most n_ctx positions in all, those before `start` included.
        """
        ### BEGIN SOLUTION
        end = start + tokens.shape[1]
        return self.W_E[tokens] + self.W_pos[start:end]  # (batch, position, d_model) + (position, d_model)
        ### END SOLUTION


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


def gelu(x: Tensor) -> Tensor:
    """GPT-2's GELU: x times a smooth step from 0 to 1, in the form with tanh. Any shape, which is kept.

    Source: Hendrycks and Gimpel 2016.
    """
    ### BEGIN SOLUTION
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1 + torch.tanh(inner))
    ### END SOLUTION


class MLP(nn.Module):
    """The layer that works on each position alone: read in `d_mlp` directions, bend, write in as many."""

    def __init__(self, d_model: int, d_mlp: int):
        super().__init__()
        self.W_in = nn.Parameter(torch.randn(d_model, d_mlp) * 0.02)
        self.b_in = nn.Parameter(torch.zeros(d_mlp))
        self.W_out = nn.Parameter(torch.randn(d_mlp, d_model) * 0.02)
        self.b_out = nn.Parameter(torch.zeros(d_model))

    def forward(self, residual: Tensor) -> Tensor:
        """residual: (batch, position, d_model). Returns what the layer adds to it, the same shape."""
        ### BEGIN SOLUTION
        hidden = gelu(residual @ self.W_in + self.b_in)  # (batch, position, d_mlp)
        return hidden @ self.W_out + self.b_out  # (batch, position, d_model)
        ### END SOLUTION


def unembed(residual: Tensor, norm: Callable[[Tensor], Tensor], W_E: Tensor) -> Tensor:
    """The score of every token of the vocabulary as the next one: the normalised stream against its embedding.

    residual: (batch, position, d_model). norm: the final LayerNorm. W_E: (d_vocab, d_model).
    Returns logits, (batch, position, d_vocab): no softmax, since only their differences mean anything.
    """
    ### BEGIN SOLUTION
    normalised = norm(residual)  # (batch, position, d_model)
    return normalised @ W_E.T
    ### END SOLUTION
