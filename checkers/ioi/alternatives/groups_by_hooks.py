"""Groups of heads patched with a hook for every head, one full run each."""

from functools import partial

import torch


def put_head(z, hook, donor, head, at):
    z = z.clone()
    if at is None:
        z[:, :, head, :] = donor[hook.name][:, :, head, :]
    else:
        for i, p in enumerate(at.tolist()):
            z[i, p, head] = donor[hook.name][i, p, head]
    return z


def patched(model, tokens, donor, heads, end, metric, at=None):
    hooks = [(f"blocks.{l}.attn.hook_z", partial(put_head, donor=donor, head=h, at=at)) for l, h in heads]
    with torch.no_grad():
        logits = model.run_with_hooks(tokens, hooks)
    return metric(torch.stack([logits[i, p] for i, p in enumerate(end.tolist())]))


def denoise_and_noise(model, clean, corrupted, end, metric, groups):
    with torch.no_grad():
        _, good = model.run_with_cache(clean)
        _, bad = model.run_with_cache(corrupted)
    fixed = [patched(model, corrupted, good, group, end, metric) for group in groups]
    broken = [patched(model, clean, bad, group, end, metric) for group in groups]
    return torch.stack(fixed), torch.stack(broken)


def token_or_position(model, clean, twins, end, metric, heads):
    with torch.no_grad():
        caches = {name: model.run_with_cache(tokens)[1] for name, tokens in twins.items()}
    f = {name: patched(model, clean, cache, heads, end, metric, at=end) for name, cache in caches.items()}
    f["clean"] = patched(model, clean, {}, [], end, metric)
    token = ((f["names"] - f["clean"]) + (f["s2"] - f["order"])) / 2
    position = ((f["order"] - f["clean"]) + (f["s2"] - f["names"])) / 2
    return token, position
