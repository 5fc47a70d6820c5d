"""Chapter `sae`: what a latent reads, and what it says to the logits.

Shapes are given with the axes' names: `text` and `position` of a token, `latent`, and `vocab`.
Source: Bricken et al. 2023 (contexts from all over a latent's range, logit effects).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from headwork.models import GPT2


def top_contexts(activity: Tensor, tokens: Tensor, depths: list[float], count: int, radius: int) -> dict[str, Tensor]:
    """Where one latent is active, from the strongest places to the weakest, with the tokens around each.

    activity: (text, position), what the latent is at each token, never negative. tokens: (text, position). depths:
    each from 0, the strongest, to 1, the weakest. Returns 'places', (depth, count, 2), text and position; 'tokens',
    (depth, count, 2 * radius + 1), -1 outside the text; 'activity' of the same shape, 0 outside the text.
    """
    ### BEGIN SOLUTION
    active = int((activity > 0).sum())
    count = min(count, active)
    ranked = activity.flatten().argsort(descending=True)[:active]  # (active,)
    starts = torch.tensor([int(depth * (active - count)) for depth in depths], device=activity.device)
    places = ranked[starts[:, None] + torch.arange(count, device=activity.device)]  # (depth, count)
    text, position = places // activity.shape[1], places % activity.shape[1]
    offsets = torch.arange(2 * radius + 1, device=activity.device)  # counted in the padded text
    around = position[..., None] + offsets  # (depth, count, 2 * radius + 1)
    return {
        "places": torch.stack([text, position], -1),
        "tokens": F.pad(tokens, (radius, radius), value=-1)[text[..., None], around],
        "activity": F.pad(activity, (radius, radius))[text[..., None], around],
    }
    ### END SOLUTION


def latent_logits(model: GPT2, W_dec: Tensor, residual: Tensor) -> Tensor:
    """By how much one unit of each latent moves each token's logit, on average over places, counted from their mean.

    W_dec: (latent, d_model), directions in the residual stream. residual: (batch, position, d_model), the whole stream
    before the final norm, whose scale is taken as given. Returns (latent, vocab); each row has the mean 0.
    """
    ### BEGIN SOLUTION
    if model.config.layer_norm:
        norm = model.ln_final
        scale = (residual.var(-1, correction=0) + norm.eps).sqrt()  # (batch, position)
        W_dec = (W_dec - W_dec.mean(-1, keepdim=True)) * norm.w * (1 / scale).mean()
    logits = W_dec @ model.unembed.W_U  # (latent, vocab)
    return logits - logits.mean(-1, keepdim=True)
    ### END SOLUTION
