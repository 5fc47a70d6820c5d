"""Groups of heads patched by a mask over heads and positions; all groups in one batch."""

import torch


@torch.no_grad()
def run_masked(model, tokens, donors, masks, end, metric):
    """donors: for each copy of the batch, its z by layer. masks: (copy, layer, batch, position, head)."""
    copies, batch = len(masks), len(tokens)

    def hook(z, point):
        layer = int(point.name.split(".")[1])
        new = torch.cat([donor[layer] for donor in donors])
        return torch.where(masks[:, layer].flatten(0, 1)[..., None], new, z)

    logits = model.run_with_hooks(tokens.repeat(copies, 1), [(lambda name: name.endswith("hook_z"), hook)])
    last = logits[torch.arange(copies * batch), end.repeat(copies)]
    return metric(last.unflatten(0, (copies, batch)))


@torch.no_grad()
def z_of(model, tokens):
    _, cache = model.run_with_cache(tokens, lambda name: name.endswith("hook_z"))
    return torch.stack(list(cache.values()))


def mask_of(model, tokens, heads):
    mask = torch.zeros(model.config.n_layers, *tokens.shape, model.config.n_heads, dtype=torch.bool)
    for layer, head in heads:
        mask[layer, ..., head] = True
    return mask


def denoise_and_noise(model, clean, corrupted, end, metric, groups):
    masks = torch.stack([mask_of(model, clean, group) for group in groups])
    there, back = z_of(model, clean), z_of(model, corrupted)
    denoised = run_masked(model, corrupted, [there] * len(groups), masks, end, metric)
    noised = run_masked(model, clean, [back] * len(groups), masks, end, metric)
    return [denoised, noised]


def token_or_position(model, clean, twins, end, metric, heads):
    ends = (torch.arange(clean.shape[1]) == end[:, None])[..., None]  # (batch, position, 1)
    mask = mask_of(model, clean, heads) & ends
    masks = torch.stack([torch.zeros_like(mask), mask, mask, mask])
    runs = [clean, twins["names"], twins["order"], twins["s2"]]
    values = run_masked(model, clean, [z_of(model, tokens) for tokens in runs], masks, end, metric)
    by = values.unflatten(0, (2, 2))  # (position turned, token turned, batch)
    return tuple((by[:, 1] - by[:, 0]).mean(0) if axis else (by[1] - by[0]).mean(0) for axis in (1, 0))
