"""The exercises of chapter `gpt2`: GPT-2 from its parts.

What to write, and why, stands in the chapter's text. Put your code in place of `raise NotImplementedError`;
names and parameters stay as they are, and helpers of your own are welcome.
`headwork check gpt2.layer_norm` checks one of them.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


# gpt2.layer_norm: LayerNorm
# 4 points, about 20 minutes. Check it with: headwork check gpt2.layer_norm
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
        raise NotImplementedError("write LayerNorm.forward")


# gpt2.attention_pattern: The attention pattern
# 6 points, about 25 minutes. Check it with: headwork check gpt2.attention_pattern
def attention_pattern(q: Tensor, k: Tensor) -> Tensor:
    """How much each query position attends to each key position.

    q, k: (batch, position, head, d_head). Returns (batch, head, query, key): every row sums to 1 over the keys,
    and a query gives exactly 0 to the keys after it.
    """
    raise NotImplementedError("write attention_pattern")


# gpt2.attention: An attention layer
# 6 points, about 25 minutes. Check it with: headwork check gpt2.attention
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
        raise NotImplementedError("write Attention.forward")


# gpt2.train: The training loop
# 6 points, about 30 minutes. Check it with: headwork check gpt2.train
def train(
    model: nn.Module, batches: list[Tensor], learning_rate: float, weight_decay: float = 0.01, max_norm: float = 1.0
) -> list[float]:
    """Trains `model` in place, one AdamW step a batch, and returns the loss of each batch before its step.

    model: maps tokens (batch, position) to logits (batch, position, vocab). batches: tokens, (batch, position) each.
    The loss is the mean cross-entropy of each next token; gradients longer than `max_norm` are scaled down to it.
    """
    raise NotImplementedError("write train")


# gpt2.top_p: Nucleus sampling
# 5 points, about 25 minutes. Check it with: headwork check gpt2.top_p
def top_p(logits: Tensor, p: float, generator: torch.Generator | None = None) -> Tensor:
    """Draws one token a row from the nucleus: the fewest most likely tokens whose probabilities reach `p` together.

    logits: (row, vocab). Returns (row,), integers. Randomness comes from `generator` alone.
    """
    raise NotImplementedError("write top_p")


# gpt2.hidden_bug: Which of these models are broken, and how?
# 6 points, about 60 minutes. Check it with: headwork check gpt2.hidden_bug
CASE = ...


HIDDEN_BUGS: list[tuple[str, list[int]]] = ...
