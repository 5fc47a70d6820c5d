"""What latents read, say and do, place by place and in plain loops."""

import torch


def top_contexts(activity, tokens, depths, count, radius):
    places = [(t, p) for t in range(len(activity)) for p in range(activity.shape[1]) if activity[t, p] > 0]
    places.sort(key=lambda place: -activity[place].item())
    n = len(places)
    count = min(count, n)
    length = activity.shape[1]
    found = {"places": [], "tokens": [], "activity": []}
    for depth in depths:
        start = int(depth * (n - count))
        for t, p in places[start : start + count]:
            found["places"].append([t, p])
            inside = [0 <= q < length for q in range(p - radius, p + radius + 1)]
            around = range(p - radius, p + radius + 1)
            found["tokens"].append([int(tokens[t, q]) if ok else -1 for q, ok in zip(around, inside, strict=True)])
            strengths = [activity[t, q].item() if ok else 0.0 for q, ok in zip(around, inside, strict=True)]
            found["activity"].append(strengths)
    width = 2 * radius + 1
    return {
        "places": torch.tensor(found["places"], dtype=torch.long).reshape(len(depths), count, 2),
        "tokens": torch.tensor(found["tokens"], dtype=torch.long).reshape(len(depths), count, width),
        "activity": torch.tensor(found["activity"], dtype=activity.dtype).reshape(len(depths), count, width),
    }


def latent_logits(model, W_dec, residual):
    W_U = model.unembed.W_U
    total = 0
    rows = residual.reshape(-1, residual.shape[-1])
    for place in rows:
        if model.config.layer_norm:
            centred = place - place.mean()
            scale = torch.sqrt((centred**2).mean() + model.ln_final.eps)
            seen = (W_dec - W_dec.mean(1, keepdim=True)) / scale * model.ln_final.w
        else:
            seen = W_dec
        logits = seen @ W_U
        total = total + logits - logits.mean(1, keepdim=True)
    return total / len(rows)
