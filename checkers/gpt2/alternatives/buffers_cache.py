"""`forward_with_cache` as serving code does it: buffers as long as the context, filled from the left."""

import torch


def causal_mask(n_queries, n_keys, device=None):
    return torch.arange(n_keys, device=device) <= torch.arange(n_keys - n_queries, n_keys, device=device)[:, None]


def unembed(residual, norm, W_E):
    return torch.einsum("bpm,vm->bpv", norm(residual), W_E)


class KeyValueCache:
    def __init__(self, model, batch):
        W = model.blocks[0].attn.W_K
        heads, d_head = W.shape[0], W.shape[2]
        shape = (len(model.blocks), batch, model.embed.W_pos.shape[0], heads, d_head)
        self.keys = torch.zeros(shape, dtype=W.dtype, device=W.device)
        self.values = torch.zeros_like(self.keys)
        self.length = 0

    def copy(self):
        other = object.__new__(KeyValueCache)
        other.keys, other.values, other.length = self.keys.clone(), self.values.clone(), self.length
        return other


def forward_with_cache(model, tokens, cache=None):
    cache = KeyValueCache(model, tokens.shape[0]) if cache is None else cache.copy()
    start, end = cache.length, cache.length + tokens.shape[1]
    mask = causal_mask(tokens.shape[1], end, tokens.device)
    x = model.embed(tokens, start=start)
    for layer, block in enumerate(model.blocks):
        attn, h = block.attn, block.ln1(x)
        cache.keys[layer, :, start:end] = torch.einsum("bpm,hmd->bphd", h, attn.W_K) + attn.b_K
        cache.values[layer, :, start:end] = torch.einsum("bpm,hmd->bphd", h, attn.W_V) + attn.b_V
        q = torch.einsum("bpm,hmd->bphd", h, attn.W_Q) + attn.b_Q
        scores = torch.einsum("bqhd,bkhd->bhqk", q, cache.keys[layer, :, :end]) * attn.W_Q.shape[-1] ** -0.5
        pattern = torch.where(mask, scores, -1e9).softmax(-1)
        z = torch.einsum("bhqk,bkhd->bqhd", pattern, cache.values[layer, :, :end])
        x = x + torch.einsum("bqhd,hdm->bqm", z, attn.W_O) + attn.b_O
        x = x + block.mlp(block.ln2(x))
    cache.length = end
    return unembed(x, model.ln_final, model.embed.W_E), cache
