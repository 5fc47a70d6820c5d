"""`self_repair` by two attributions, with a helper, and the runs by PyTorch's own hooks."""

import torch


@torch.no_grad()
def self_repair(model, tokens, end, correct, wrong, head, z):
    b = torch.arange(len(tokens))
    L = model.config.n_layers
    _, clean = model.run_with_cache(tokens)

    def hook(module, inputs, output):
        output = output.clone()
        output[:, :, head[1], :] = z
        return output

    handle = model.blocks[head[0]].attn.hook_z.register_forward_hook(hook)
    try:
        zs = {}
        points = [model.blocks[l].attn.hook_z for l in range(L)]
        watch = [p.register_forward_hook(lambda m, i, o, l=l: zs.update({l: o.clone()})) for l, p in enumerate(points)]
        broken = model(tokens)
        for each in watch:
            each.remove()
    finally:
        handle.remove()
    fixed = model(tokens)
    total = (broken - fixed)[b, end, correct] - (broken - fixed)[b, end, wrong]

    x = clean[f"blocks.{L - 1}.hook_resid_post"][b, end]
    d = model.unembed.W_U[:, correct].T - model.unembed.W_U[:, wrong].T
    if model.config.layer_norm:
        ln = model.ln_final
        d = d * ln.w
        d = d - d.mean(-1, keepdim=True)  # centring is symmetric: the direction may be centred in place of the vector
        d = d / torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + ln.eps)
    changes = []
    for l in range(L):
        dz = (zs[l] - clean[f"blocks.{l}.attn.hook_z"])[b, end]
        changes.append(torch.einsum("bhd,hdm,bm->hb", dz, model.blocks[l].attn.W_O, d))
    return total, torch.stack(changes)
