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


def ablate_and_steer(run, sae, latent, strength, directions):
    W_dec = sae.W_dec.detach()
    code = {}

    def keep(x):
        made, latents = sae(einops.rearrange(x, "b p d -> (b p) d"))
        code["f"] = einops.rearrange(latents[:, latent], "(b p) -> b p", b=len(x))
        return x

    clean = F.log_softmax(run(keep), dim=-1)
    f = code["f"]
    rows = torch.cat([W_dec[latent][None], F.normalize(directions, dim=-1) * torch.linalg.norm(W_dec[latent])])

    def moved(by):
        changed = F.log_softmax(run(lambda x: x + by), dim=-1)
        return F.kl_div(changed, clean, reduction="none", log_target=True).sum(-1)

    ablated = torch.stack([moved(-f[..., None] * row) for row in rows])
    ablated = ablated[:, f > 0].mean(1) if (f > 0).any() else ablated.new_zeros(len(rows))
    steered = torch.stack([moved(strength * row).mean() for row in rows])
    return {
        "ablated": ablated[0],
        "ablated at random": ablated[1:],
        "steered": steered[0],
        "steered at random": steered[1:],
    }


def draw_latents(density, count, generator):
    alive = (density > 0).double()
    return torch.multinomial(alive, min(count, int(alive.sum())), generator=generator)


def label_and_predict(label, activity, tokens, count, generator):
    active = activity.flatten() > 0
    length = tokens.shape[1]

    def drawn(weights):
        return torch.multinomial(weights.double(), min(count, int(weights.sum())), generator=generator)

    # the statistic of Mann and Whitney, by mean ranks
    chosen = torch.cat([drawn(active), drawn(~active)])
    scores = torch.tensor([float(label(tokens[i // length, : i % length + 1])) for i in chosen.tolist()])
    scores = scores.double()
    below = (scores[None] < scores[:, None]).double().sum(1)
    same = (scores[None] == scores[:, None]).double().sum(1)
    ranks = below + (same + 1) / 2
    truth = active[chosen]
    n, m = truth.sum(), (~truth).sum()
    return (ranks[truth].sum() - n * (n + 1) / 2) / (n * m)


def same_size_noise(x, reconstruction, kind, generator):
    error = reconstruction - x
    if kind == "covariance":  # errors mixed at random have the errors' mean outer product
        mix = torch.randn(len(x), len(x), generator=generator, dtype=x.dtype)
        noise = mix @ error
    else:
        noise = torch.randn(*x.shape, generator=generator).to(x)
    distance = torch.linalg.vector_norm(error, dim=1, keepdim=True)
    if kind == "norm":
        unit = F.normalize(x, dim=1)
        along = einops.einsum(error, unit, "b d, b d -> b")[:, None] * unit
        noise = noise - einops.einsum(noise, unit, "b d, b d -> b")[:, None] * unit
        return x + along + F.normalize(noise, dim=1) * torch.linalg.vector_norm(error - along, dim=1, keepdim=True)
    return x + F.normalize(noise, dim=1) * distance


def error_against_noise(run, sae, generator):
    def whole(x, kind):
        flat = einops.rearrange(x, "b p d -> (b p) d")
        made = sae(flat)[0]
        made = made if kind == "error" else same_size_noise(flat, made, kind, generator)
        return einops.rearrange(made, "(b p) d -> b p d", b=x.shape[0])

    clean = run(lambda x: x)
    kinds = ("error", "isotropic", "covariance", "norm")
    return {kind: (run(lambda x, kind=kind: whole(x, kind)) - clean).mean() for kind in kinds}
