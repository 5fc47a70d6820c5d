"""Chapter `induction`: parts of the stream and their logits, one at a time."""

import torch


def head_outputs(model, tokens):
    _, cache = model.run_with_cache(tokens)
    parts = {"embed": cache["hook_embed"], "pos_embed": cache["hook_pos_embed"]}
    for layer, block in enumerate(model.blocks):
        z = cache[f"blocks.{layer}.attn.hook_z"]
        for head in range(model.config.n_heads):
            parts[f"{layer}.{head}"] = z[:, :, head] @ block.attn.W_O[head]
        parts[f"{layer}.bias"] = torch.zeros_like(parts["embed"]) + block.attn.b_O
        if not model.config.attn_only:
            parts[f"{layer}.mlp"] = cache[f"blocks.{layer}.hook_mlp_out"]
    return parts


def logit_attribution(model, parts, residual, targets):
    def normed(x):
        if not model.config.layer_norm:
            return x
        sigma = torch.sqrt(residual.var(-1, unbiased=False, keepdim=True) + model.ln_final.eps)
        return (x - x.mean(-1, keepdim=True)) / sigma * model.ln_final.w

    rows = []
    for part in parts:
        logits = normed(part) @ model.unembed.W_U
        rows.append(torch.gather(logits, -1, targets[..., None]).squeeze(-1))
    extra = model.unembed.b_U
    if model.config.layer_norm:
        extra = extra + model.ln_final.b @ model.unembed.W_U
    return torch.stack(rows), extra[targets]
