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


def ablate_and_steer(run, sae, latent, strength, directions):
    W = sae.W_dec[latent]
    kept = []

    def strengths(x):
        return torch.stack([sae(text)[1][:, latent] for text in x])

    def look(x):
        kept.append(strengths(x))
        return x.clone()

    p = run(look).softmax(-1)
    places = [tuple(place) for place in (kept[0] > 0).nonzero().tolist()]
    everywhere = [(b, t) for b in range(p.shape[0]) for t in range(p.shape[1])]

    def kl(change, at):
        q = run(change).softmax(-1)
        total = 0.0
        for b, t in at:
            total += sum(float(a * torch.log(a / c)) for a, c in zip(p[b, t], q[b, t], strict=True) if a > 0)
        return total / len(at) if at else 0.0

    scaled = [d * (W.norm() / d.norm()) for d in directions]
    out, put = [], []
    for d in [W, *scaled]:
        out.append(kl(lambda x, d=d: x - strengths(x).unsqueeze(-1) * d, places))
        put.append(kl(lambda x, d=d: x + strength * d, everywhere))
    as_tensor = lambda values: torch.tensor(values, dtype=directions.dtype)  # noqa: E731
    return {
        "ablated": as_tensor(out[0]),
        "ablated at random": as_tensor(out[1:]),
        "steered": as_tensor(put[0]),
        "steered at random": as_tensor(put[1:]),
    }


def draw_latents(density, count, generator):
    alive = [latent for latent, share in enumerate(density.tolist()) if share > 0]
    drawn = []
    while alive and len(drawn) < count:
        drawn.append(alive.pop(int(torch.randint(len(alive), (1,), generator=generator))))
    return torch.tensor(drawn)


def label_and_predict(label, activity, tokens, count, generator):
    places = {True: [], False: []}
    for text, row in enumerate(activity.tolist()):
        for position, strength in enumerate(row):
            places[strength > 0].append((text, position))
    scores = {}
    for kind, all_of_them in places.items():
        order = torch.rand(len(all_of_them), generator=generator).argsort().tolist()
        chosen = [all_of_them[i] for i in order[:count]]
        scores[kind] = [label(tokens[text][: position + 1]) for text, position in chosen]
    points = 0.0
    for high in scores[True]:
        for low in scores[False]:
            points += 1.0 if high > low else 0.5 if high == low else 0.0
    return points / (len(scores[True]) * len(scores[False]))


def same_size_noise(x, reconstruction, kind, generator):
    made = torch.zeros_like(x)
    errors = reconstruction - x
    spread = torch.zeros(x.shape[1], x.shape[1], dtype=x.dtype)
    for e in errors:
        spread += torch.outer(e, e) / len(errors)
    U, S, _ = torch.linalg.svd(spread)
    for i, (row, error) in enumerate(zip(x, errors, strict=True)):
        g = torch.randn(len(row), generator=generator, dtype=x.dtype)
        if kind == "covariance":
            g = U @ (S.sqrt() * g)
        if kind in ("isotropic", "covariance"):
            made[i] = row + g * (error.norm() / g.norm())
        else:
            u = row / row.norm()
            a = error @ u
            g = g - (g @ u) * u
            g = g / g.norm()
            made[i] = row + a * u + (error - a * u).norm() * g
    return made


def error_against_noise(run, sae, generator):
    clean = run(lambda x: x).mean().item()

    def loss(kind):
        def change(x):
            flat = x.reshape(-1, x.shape[-1])
            put = sae(flat)[0]
            if kind != "error":
                put = same_size_noise(flat, put, kind, generator)
            return put.reshape(x.shape)

        return run(change).mean() - clean

    found = {}
    for kind in ["error", "isotropic", "covariance", "norm"]:
        found[kind] = loss(kind)
    return found
