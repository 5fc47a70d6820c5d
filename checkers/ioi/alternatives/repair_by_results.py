"""`self_repair` by what heads write, `hook_result`, in a run and in another."""

from functools import partial

import torch


def put(z, hook, which, new):
    z = z.clone()
    z[:, :, which] = new
    return z


@torch.no_grad()
def self_repair(model, tokens, end, correct, wrong, head, z):
    rows = range(len(tokens))
    names = [f"blocks.{i}.attn.hook_result" for i in range(model.config.n_layers)] + ["ln_final.hook_scale"]
    names = names if model.config.layer_norm else names[:-1]
    logits, base = model.run_with_cache(tokens, names)
    with model.hooks([(f"blocks.{head[0]}.attn.hook_z", partial(put, which=head[1], new=z))]):
        other, ablated = model.run_with_cache(tokens, names)
    total, changes = [], torch.zeros(model.config.n_layers, model.config.n_heads, len(tokens), dtype=logits.dtype)
    for b in rows:
        p, right, bad = end[b], correct[b], wrong[b]
        total.append((other[b, p, right] - other[b, p, bad]) - (logits[b, p, right] - logits[b, p, bad]))
        for layer in range(model.config.n_layers):
            delta = (ablated[names[layer]] - base[names[layer]])[b, p]  # (head, d_model)
            if model.config.layer_norm:
                delta = (delta - delta.mean(1, keepdim=True)) / base["ln_final.hook_scale"][b, p] * model.ln_final.w
            changes[layer, :, b] = delta @ (model.unembed.W_U[:, right] - model.unembed.W_U[:, bad])
    return torch.stack(total), changes
