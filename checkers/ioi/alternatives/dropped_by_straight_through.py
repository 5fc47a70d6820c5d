"""`grad_drop` prompt by prompt: what a layer writes is damped in the backward pass, all the way to 0."""

import torch


def grad_drop(model, clean, corrupted, end, metric):
    depth, heads, batch = model.config.n_layers, model.config.n_heads, len(end)
    rows = torch.arange(batch)
    with torch.no_grad():
        donor = model.run_with_cache(clean)[1]
    found = torch.zeros(depth, heads, batch, dtype=donor["blocks.0.attn.hook_z"].dtype)
    for dropped in range(depth):
        scale = torch.zeros((), dtype=found.dtype)

        def damp(value, hook, scale=scale):
            return value.detach() + scale * (value - value.detach())

        kept = {}

        def keep(value, hook, kept=kept):
            kept[hook.name] = value

        outs = {f"blocks.{dropped}.hook_{part}_out" for part in ("attn", "mlp")}
        hooks = [(lambda n, outs=outs: n in outs, damp), (lambda n: n.endswith("hook_z"), keep)]
        m = metric(model.run_with_hooks(corrupted, hooks)[rows, end])
        for prompt in range(batch):
            slopes = torch.autograd.grad(m[prompt], list(kept.values()), retain_graph=True)
            for layer, (name, slope) in enumerate(zip(kept, slopes, strict=True)):
                change = donor[name][prompt] - kept[name][prompt].detach()
                for head in range(heads):
                    found[layer, head, prompt] += abs((change[:, head] * slope[prompt, :, head]).sum())
    return found / max(depth - 1, 1)
