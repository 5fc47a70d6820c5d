"""What latents read, say and do, with the library's functions."""

import einops
import torch
import torch.nn.functional as F


def top_contexts(activity, tokens, depths, count, radius):
    strengths, order = activity.reshape(-1).sort(descending=True, stable=True)
    order = order[: torch.count_nonzero(strengths)]
    count = min(count, len(order))
    chosen = [order[s : s + count] for s in (int(depth * (len(order) - count)) for depth in depths)]
    places = torch.stack(torch.unravel_index(torch.stack(chosen), activity.shape), dim=-1)
    width = 2 * radius + 1
    padded = F.pad(tokens, [radius] * 2, value=-1).unfold(1, width, 1)  # (text, position, width)
    strength = F.pad(activity, [radius] * 2).unfold(1, width, 1)
    rows, columns = places.unbind(-1)
    return {"places": places, "tokens": padded[rows, columns], "activity": strength[rows, columns]}


def latent_logits(model, W_dec, residual):
    if model.config.layer_norm:
        var = torch.var(residual, dim=-1, unbiased=False)
        gain = torch.rsqrt(var + model.ln_final.eps).mean()
        W_dec = F.layer_norm(W_dec, W_dec.shape[-1:], eps=0) * W_dec.std(-1, correction=0, keepdim=True)
        W_dec = gain * W_dec * model.ln_final.w
    W_U = model.unembed.W_U
    W_U = W_U - W_U.mean(1, keepdim=True)
    return einops.einsum(W_dec, W_U, "latent d, d vocab -> latent vocab")
