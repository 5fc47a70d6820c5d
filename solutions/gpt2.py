"""The reference answers of chapter `gpt2`.

Shapes are given with the axes' names: `batch` sequences, `position` in a sequence, `head`, and the widths
`d_model` (residual stream) and `d_head`. Parameters have TransformerLens' names and shapes.
Sources: Radford et al. 2019; Vaswani et al. 2017; Ba et al. 2016; Holtzman et al. 2019; Loshchilov and Hutter 2017.
"""

import torch
import torch.nn.functional as F
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


def top_p(logits: Tensor, p: float, generator: torch.Generator | None = None) -> Tensor:
    """Draws one token a row from the nucleus: the fewest most likely tokens whose probabilities reach `p` together.

    logits: (row, vocab). Returns (row,), integers. Randomness comes from `generator` alone.
    """
    ### BEGIN SOLUTION
    probabilities, tokens = logits.softmax(-1).sort(-1, descending=True)  # (row, rank), (row, rank)
    before = probabilities.cumsum(-1) - probabilities  # what the likelier tokens already hold
    nucleus = probabilities.masked_fill(before >= p, 0)  # (row, rank)
    rank = torch.multinomial(nucleus, 1, generator=generator)  # (row, 1)
    return tokens.gather(-1, rank).squeeze(-1)
    ### END SOLUTION


def train(
    model: nn.Module, batches: list[Tensor], learning_rate: float, weight_decay: float = 0.01, max_norm: float = 1.0
) -> list[float]:
    """Trains `model` in place, one AdamW step a batch, and returns the loss of each batch before its step.

    model: maps tokens (batch, position) to logits (batch, position, vocab). batches: tokens, (batch, position) each.
    The loss is the mean cross-entropy of each next token; gradients longer than `max_norm` are scaled down to it.
    """
    ### BEGIN SOLUTION
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
    losses = []
    for tokens in batches:
        logits = model(tokens)[:, :-1]  # (batch, position - 1, vocab): the last position has no next token
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimiser.step()
        losses.append(loss.item())
    return losses
    ### END SOLUTION
