"""`forward_with_cache` in plain steps: a dict, a loop over the new positions and one over the heads."""

import math

import torch


def forward_with_cache(model, tokens, cache=None):
    if cache is None:
        cache = {"length": 0}
    new_cache = dict(cache)
    all_logits = []
    with torch.no_grad():
        for t in range(tokens.shape[1]):
            x = model.embed(tokens[:, t : t + 1], start=new_cache["length"])
            for i, block in enumerate(model.blocks):
                h = block.ln1(x)
                out = block.attn.b_O
                for head in range(block.attn.W_Q.shape[0]):
                    q = h @ block.attn.W_Q[head] + block.attn.b_Q[head]
                    k = h @ block.attn.W_K[head] + block.attn.b_K[head]
                    v = h @ block.attn.W_V[head] + block.attn.b_V[head]
                    if (i, head) in new_cache:
                        old_k, old_v = new_cache[(i, head)]
                        k = torch.cat([old_k, k], dim=1)
                        v = torch.cat([old_v, v], dim=1)
                    new_cache[(i, head)] = (k, v)
                    scores = q @ k.transpose(1, 2) / math.sqrt(k.shape[-1])
                    out = out + scores.softmax(dim=-1) @ v @ block.attn.W_O[head]
                x = x + out
                x = x + block.mlp(block.ln2(x))
            new_cache["length"] += 1
            all_logits.append(model.ln_final(x) @ model.embed.W_E.T)
    return torch.cat(all_logits, dim=1), new_cache
