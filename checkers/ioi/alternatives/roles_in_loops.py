"""`attention_roles` and `name_mover_copying` one head and one prompt at a time."""

import torch

LOOKS = [
    ("previous token", "S1+1", "S1"),
    ("duplicate token", "S2", "S1"),
    ("induction", "S2", "S1+1"),
    ("S-inhibition", "END", "S2"),
    ("name mover", "END", "IO"),
]


def attention_roles(patterns, positions):
    layers, batch, heads = patterns.shape[:3]
    out = {}
    for role, source, target in LOOKS:
        score = patterns.new_zeros(layers, heads)
        for b in range(batch):
            q, k = int(positions[source][b]), int(positions[target][b])
            score = score + patterns[:, b, :, q, k]
        out[role] = score / batch
    return out


@torch.no_grad()
def name_mover_copying(model, tokens, at, top, negative):
    _, cache = model.run_with_cache(tokens)
    after = cache["blocks.0.hook_resid_post"]
    out = torch.zeros(model.config.n_layers, model.config.n_heads, dtype=after.dtype)
    for l, block in enumerate(model.blocks):
        for h in range(model.config.n_heads):
            for b in range(len(tokens)):
                x = block.ln1(after[b, at[b]])
                y = (x @ block.attn.W_V[h] + block.attn.b_V[h]) @ block.attn.W_O[h]
                if negative:
                    y = -y
                logits = model.unembed(model.ln_final(y))
                out[l, h] += tokens[b, at[b]] in logits.topk(min(top, len(logits))).indices
    return out / len(tokens)
