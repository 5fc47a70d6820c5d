"""`grad_drop` with one forward run, and a hook on the tensors whose gradient is dropped."""

import torch


def grad_drop(model, clean, corrupted, end, metric):
    L = model.config.n_layers
    with torch.no_grad():
        _, want = model.run_with_cache(clean)
    logits, have = model.run_with_cache(corrupted)
    m = metric(torch.stack([logits[i, e] for i, e in enumerate(end)]))
    out = torch.zeros(L, model.config.n_heads, len(end), dtype=logits.dtype)
    for dropped in range(L):
        handles = []
        for part in ("hook_attn_out", "hook_mlp_out"):
            if f"blocks.{dropped}.{part}" in have:
                handles.append(have[f"blocks.{dropped}.{part}"].register_hook(lambda g: 0 * g))
        for layer in range(L):
            if layer == dropped:
                continue  # it reads nothing but itself
            z = f"blocks.{layer}.attn.hook_z"
            (g,) = torch.autograd.grad(m.sum(), [have[z]], retain_graph=True)
            out[layer] += ((want[z] - have[z].detach()) * g).sum(dim=(1, 3)).abs().T
        for handle in handles:
            handle.remove()
    return out / (L - 1)
