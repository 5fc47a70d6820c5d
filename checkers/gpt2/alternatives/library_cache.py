"""`forward_with_cache` with PyTorch's attention and a cache that is one tensor."""

import torch
import torch.nn.functional as F
from einops import einsum, rearrange


def forward_with_cache(model, tokens, cache=None):
    n_past = 0 if cache is None else cache.shape[-2]
    residual = model.embed(tokens, n_past)
    n_new = tokens.size(1)
    allowed = torch.ones(n_new, n_past + n_new, dtype=torch.bool, device=tokens.device).tril(diagonal=n_past)
    layers = []
    for i, block in enumerate(model.blocks):
        x, attn = block.ln1(residual), block.attn
        weights = ((attn.W_Q, attn.b_Q), (attn.W_K, attn.b_K), (attn.W_V, attn.b_V))
        q, k, v = (einsum(x, W, "b p m, h m d -> b h p d") + rearrange(b, "h d -> h 1 d") for W, b in weights)
        kv = torch.stack([k, v])  # (2, batch, head, position, d_head)
        if cache is not None:
            kv = torch.cat([cache[i], kv], dim=-2)
        layers.append(kv)
        z = F.scaled_dot_product_attention(q, kv[0], kv[1], attn_mask=allowed)
        residual = residual + F.linear(rearrange(z, "b h p d -> b p (h d)"), attn.W_O.flatten(0, 1).T, attn.b_O)
        residual = residual + block.mlp(block.ln2(residual))
    return model.ln_final(residual) @ model.embed.W_E.T, torch.stack(layers)
