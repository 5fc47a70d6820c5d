"""Chapter `gpt2`: reading only what is new, by keeping the keys and values of what was read.

Shapes are given with the axes' names: `batch` sequences, `past` positions in the cache, `new` positions after them.
"""

from typing import Any

import torch
from torch import Tensor

from headwork.solutions.gpt2.attention import causal_mask
from headwork.solutions.gpt2.layers import unembed


def forward_with_cache(model: Any, tokens: Tensor, cache: Any = None) -> tuple[Tensor, Any]:
    """The logits of new positions, without reading the ones before them again.

    model: has `embed`, `blocks` and `ln_final`, as GPT2 has. tokens: (batch, new); they come after what `cache` holds,
    or at the beginning when it is None. Returns the logits, (batch, new, d_vocab), and a cache for the next call, of
    whatever form; the one that was passed in stays as it was.
    """
    ### BEGIN SOLUTION
    past = cache[0][0].shape[1] if cache else 0  # positions read before
    residual = model.embed(tokens, start=past)  # (batch, new, d_model)
    mask = causal_mask(tokens.shape[1], past + tokens.shape[1], tokens.device)  # (query, key)
    longer = []
    for layer, block in enumerate(model.blocks):
        attn, normalised = block.attn, block.ln1(residual)
        q = torch.einsum("bpm,hmd->bphd", normalised, attn.W_Q) + attn.b_Q  # (batch, new, head, d_head)
        k = torch.einsum("bpm,hmd->bphd", normalised, attn.W_K) + attn.b_K  # (batch, new, head, d_head)
        v = torch.einsum("bpm,hmd->bphd", normalised, attn.W_V) + attn.b_V  # (batch, new, head, d_head)
        if cache:
            k = torch.cat([cache[layer][0], k], 1)  # (batch, past + new, head, d_head)
            v = torch.cat([cache[layer][1], v], 1)  # (batch, past + new, head, d_head)
        longer.append((k, v))
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5  # (batch, head, query, key)
        pattern = scores.masked_fill(~mask, float("-inf")).softmax(-1)  # (batch, head, query, key)
        z = torch.einsum("bhqk,bkhd->bqhd", pattern, v)  # (batch, query, head, d_head)
        residual = residual + torch.einsum("bqhd,hdm->bqm", z, attn.W_O) + attn.b_O
        residual = residual + block.mlp(block.ln2(residual))
    return unembed(residual, model.ln_final, model.embed.W_E), longer
    ### END SOLUTION
