"""A GPT-2's forward pass for training on rows of several texts, faster and with less precision than the model's own."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headwork.models.gpt2 import GPT2, Attention, LayerNorm


def packed_logits(
    model: GPT2,
    tokens: Tensor,
    positions: Tensor,
    mask: Tensor,
    *,
    silent: frozenset[int] = frozenset(),
    dtype: torch.dtype = torch.bfloat16,
) -> Tensor:
    """tokens and positions: (row, position); mask: (row, 1, query, key), where a query may look.

    Matrices are multiplied in `dtype`; the residual stream and LayerNorm are in the weights' own. The attention of
    `silent` layers adds nothing. Returns logits, (row, position, d_vocab), in `dtype`. Only for a GPT-2 as it is.
    """
    bias = torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min / 2)
    residual = F.embedding(tokens, model.embed.W_E) + F.embedding(positions, model.pos_embed.W_pos)
    for layer, block in enumerate(model.blocks):
        if layer not in silent:
            residual = residual + _attention(block.attn, _norm(block.ln1, residual).to(dtype), bias)
        mlp = block.mlp
        inner = _linear(_norm(block.ln2, residual).to(dtype), mlp.W_in, mlp.b_in)  # (row, position, d_mlp)
        residual = residual + _linear(F.gelu(inner, approximate="tanh"), mlp.W_out, mlp.b_out)
    final: Tensor = _norm(model.ln_final, residual).to(dtype)
    return final @ model.unembed.W_U.to(dtype)


def _norm(norm: nn.Module, residual: Tensor) -> Tensor:
    assert isinstance(norm, LayerNorm)
    return F.layer_norm(residual, residual.shape[-1:], norm.w, norm.b, norm.eps)


def _linear(inputs: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """inputs: (row, position, in); weights: (in, out)."""
    dtype = inputs.dtype
    return torch.addmm(bias.to(dtype), inputs.flatten(0, 1), weights.to(dtype)).unflatten(0, inputs.shape[:2])


def _attention(attn: Attention, inputs: Tensor, bias: Tensor) -> Tensor:
    """bias: added to the scores, (row, 1, query, key). Returns what the layer adds, (row, position, d_model)."""
    weights = torch.cat([attn.W_Q, attn.W_K, attn.W_V]).transpose(0, 1).flatten(1)  # (d_model, 3 * head * d_head)
    biases = torch.cat([attn.b_Q, attn.b_K, attn.b_V]).flatten()
    joined = _linear(inputs, weights, biases).unflatten(-1, (3, *attn.b_Q.shape))  # (row, position, 3, head, d_head)
    q, k, v = joined.permute(2, 0, 3, 1, 4)  # each (row, head, position, d_head)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)  # (row, head, query, key)
    pattern = (scores + bias).softmax(-1)
    z = (pattern @ v).transpose(1, 2).flatten(2)  # (row, position, head * d_head)
    return _linear(z, attn.W_O.flatten(0, 1), attn.b_O)
