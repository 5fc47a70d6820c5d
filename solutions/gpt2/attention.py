"""Chapter `gpt2`: what moves information between positions.

Shapes are given with the axes' names: `batch` sequences, `position` in a sequence, `head`, and the widths
`d_model` (residual stream) and `d_head`. Parameters have TransformerLens' names and shapes.
Sources: Vaswani et al. 2017; Elhage et al. 2021.
"""

import torch
from torch import Tensor, nn


def causal_mask(n_queries: int, n_keys: int, device: torch.device | str | None = None) -> Tensor:
    """Where each query may look: at its own position and those before it.

    The queries are the last `n_queries` of the `n_keys` positions. Returns booleans, (query, key), on `device`.
    """
    ### BEGIN SOLUTION
    position = torch.arange(n_keys, device=device)
    query = position[n_keys - n_queries :, None]  # (query, 1)
    return position <= query  # (query, key)
    ### END SOLUTION


def attention_pattern(q: Tensor, k: Tensor) -> Tensor:
    """How much each query position attends to each key position.

    q, k: (batch, position, head, d_head). Returns (batch, head, query, key): every row sums to 1 over the keys,
    and a query gives exactly 0 to the keys after it.
    """
    ### BEGIN SOLUTION
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5  # (batch, head, query, key)
    later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)  # (query, key)
    return scores.masked_fill(later, float("-inf")).softmax(-1)
    ### END SOLUTION


class Attention(nn.Module):
    """Multi-head causal self-attention: every head moves information between positions in its own way."""

    def __init__(self, d_model: int, n_heads: int):
        super().__init__()
        d_head = d_model // n_heads
        self.W_Q = nn.Parameter(torch.randn(n_heads, d_model, d_head) * 0.02)
        self.W_K = nn.Parameter(torch.randn(n_heads, d_model, d_head) * 0.02)
        self.W_V = nn.Parameter(torch.randn(n_heads, d_model, d_head) * 0.02)
        self.W_O = nn.Parameter(torch.randn(n_heads, d_head, d_model) * 0.02)
        self.b_Q = nn.Parameter(torch.zeros(n_heads, d_head))
        self.b_K = nn.Parameter(torch.zeros(n_heads, d_head))
        self.b_V = nn.Parameter(torch.zeros(n_heads, d_head))
        self.b_O = nn.Parameter(torch.zeros(d_model))

    def forward(self, residual: Tensor) -> Tensor:
        """residual: (batch, position, d_model). Returns what the layer adds to it, the same shape."""
        ### BEGIN SOLUTION
        q = torch.einsum("bpm,hmd->bphd", residual, self.W_Q) + self.b_Q  # (batch, position, head, d_head)
        k = torch.einsum("bpm,hmd->bphd", residual, self.W_K) + self.b_K  # (batch, position, head, d_head)
        v = torch.einsum("bpm,hmd->bphd", residual, self.W_V) + self.b_V  # (batch, position, head, d_head)
        pattern = attention_pattern(q, k)  # (batch, head, query, key)
        z = torch.einsum("bhqk,bkhd->bqhd", pattern, v)  # (batch, query, head, d_head)
        return torch.einsum("bqhd,hdm->bqm", z, self.W_O) + self.b_O  # (batch, query, d_model)
        ### END SOLUTION


def head_contributions(layer: "Attention", residual: Tensor) -> Tensor:
    """What each head of an attention layer writes to the residual stream.

    layer: anything with the parameters of `Attention`. residual: (batch, position, d_model), as the layer reads it.
    Returns (batch, position, head, d_model): summed over heads, plus b_O once, it is `layer(residual)`.
    Source: Elhage et al. 2021.
    """
    ### BEGIN SOLUTION
    q = torch.einsum("bpm,hmd->bphd", residual, layer.W_Q) + layer.b_Q  # (batch, position, head, d_head)
    k = torch.einsum("bpm,hmd->bphd", residual, layer.W_K) + layer.b_K  # (batch, position, head, d_head)
    v = torch.einsum("bpm,hmd->bphd", residual, layer.W_V) + layer.b_V  # (batch, position, head, d_head)
    z = torch.einsum("bhqk,bkhd->bqhd", attention_pattern(q, k), v)  # (batch, query, head, d_head)
    return torch.einsum("bqhd,hdm->bqhm", z, layer.W_O)  # (batch, query, head, d_model)
    ### END SOLUTION
