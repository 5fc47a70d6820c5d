"""Kinds of autoencoders with einops and the library; helpers shared between them."""

import einops
import torch
import torch.nn.functional as F
from torch import nn


class Base(nn.Module):
    def __init__(self, d_model, latents):
        super().__init__()
        self.W_enc = nn.Parameter(torch.empty(d_model, latents).uniform_(-1, 1))
        self.W_dec = nn.Parameter(torch.empty(latents, d_model).uniform_(-1, 1))
        self.b_enc = nn.Parameter(torch.zeros(latents))
        self.b_dec = nn.Parameter(torch.zeros(d_model))

    def pre(self, x):
        centred = x - self.b_dec
        return einops.einsum(centred, self.W_enc, "batch d, d latent -> batch latent") + self.b_enc


class TopK(Base):
    def __init__(self, d_model, latents, k):
        super().__init__(d_model, latents)
        self.k = k

    def encode(self, x):
        pre = self.pre(x)
        mask = torch.zeros_like(pre)
        mask.scatter_(1, pre.topk(self.k).indices, 1.0)
        return F.relu(pre * mask)


class BatchTopK(Base):
    def __init__(self, d_model, latents, k, rate=0.01):
        super().__init__(d_model, latents)
        self.k, self.rate = k, rate
        self.register_buffer("threshold", torch.tensor(-1.0))

    def encode(self, x):
        f = self.pre(x).clamp(min=0)
        if not self.training:
            return F.threshold(f, self.threshold.item(), 0.0)
        flat = f.reshape(-1)
        mask = torch.zeros_like(flat, dtype=torch.bool)
        mask[flat.topk(self.k * len(x)).indices] = True
        kept = torch.where(mask, flat, 0.0).view_as(f)
        alive = kept.detach()[kept > 0]
        if alive.numel():
            least = alive.min()
            self.threshold = least if self.threshold < 0 else self.threshold.lerp(least, self.rate)
        return kept


def aux_k(x, reconstruction, pre, dead, W_dec, k):
    if not dead.any():
        return (0 * pre).sum()
    target = (x - reconstruction).detach()
    scores = torch.where(dead, pre, -1e9)
    values, places = scores.topk(min(k, int(dead.sum())))
    code = torch.zeros_like(pre).scatter_(1, places, values.relu())
    return F.mse_loss(F.linear(code, W_dec.T), target) * x.shape[1]


class Gated(nn.Module):
    def __init__(self, d_model, latents):
        super().__init__()
        self.W_gate = nn.Parameter(torch.empty(d_model, latents).uniform_(-1, 1))
        self.W_dec = nn.Parameter(torch.empty(latents, d_model).uniform_(-1, 1))
        self.b_gate = nn.Parameter(torch.zeros(latents))
        self.b_mag = nn.Parameter(torch.zeros(latents))
        self.r_mag = nn.Parameter(torch.zeros(latents))
        self.b_dec = nn.Parameter(torch.zeros(d_model))

    def _paths(self, x):
        shared = (x - self.b_dec) @ self.W_gate
        return shared + self.b_gate, F.relu(shared.mul(self.r_mag.exp()).add(self.b_mag))

    def encode(self, x):
        gate, magnitude = self._paths(x)
        return torch.where(gate > 0, magnitude, 0.0)

    def loss(self, x, coefficient):
        gate, magnitude = self._paths(x)
        made = torch.where(gate > 0, magnitude, 0.0) @ self.W_dec + self.b_dec
        gate = gate.relu()
        with torch.no_grad():
            W, b = self.W_dec.clone(), self.b_dec.clone()
        frozen = gate @ W + b
        error = einops.reduce((x - made) ** 2, "batch d -> batch", "sum")
        auxiliary = einops.reduce((x - frozen) ** 2, "batch d -> batch", "sum")
        return error.mean() + coefficient * gate.norm(p=1, dim=-1).mean() + auxiliary.mean()


def jumprelu(pre, log_threshold, bandwidth):
    theta = log_threshold.exp()
    u = (theta - pre.detach()) / bandwidth
    ramp = u.clamp(-0.5, 0.5)  # its slope is the kernel
    latents = torch.where(pre > theta, pre, 0.0) - theta.detach() * (ramp - ramp.detach())
    hard = (pre > theta).to(pre.dtype)
    return latents, (hard - (ramp - ramp.detach())).sum(dim=-1)


def shrinkage(x, reconstruction, centre):
    made, there = reconstruction - centre, x - centre
    return einops.einsum(made, made, "b d, b d ->") / einops.einsum(made, there, "b d, b d ->")


def threshold_or_bias(pre, threshold):
    kept = F.relu(pre)
    return F.relu(pre + -threshold), kept.masked_fill(kept <= threshold, 0)


class DeadLatents:
    def __init__(self, latents, window):
        self.window = window
        self.since = torch.zeros(latents)

    def update(self, latents):
        self.since += len(latents)
        self.since[latents.amax(0) > 0] = 0

    def dead(self):
        return self.since.ge(self.window)


def resample_dead(sae, optimiser, dead, x, losses, generator):
    count = int(dead.sum())
    edges = (losses**2).cumsum(0)
    points = torch.rand(count, generator=generator, dtype=losses.dtype) * edges[-1]
    rows = F.normalize((x - sae.b_dec.detach())[torch.searchsorted(edges, points, right=True)], dim=1)
    scale = 0.2 * sae.W_enc.data[:, ~dead].pow(2).sum(0).sqrt().mean()
    sae.W_dec.data[dead] = rows
    sae.W_enc.data[:, dead] = scale * rows.T
    sae.b_enc.data[dead] = 0
    for moments in (optimiser.state[p] for p in (sae.W_dec, sae.W_enc, sae.b_enc) if p in optimiser.state):
        for key in ("exp_avg", "exp_avg_sq"):
            if key in moments and moments[key].dim() == 2 and moments[key].shape == sae.W_dec.shape:
                moments[key][dead] = 0
            elif key in moments:
                moments[key][..., dead] = 0


def l0_and_density(batches):
    whole = torch.cat(list(batches))
    active = (whole > 0).to(whole.dtype)
    return active.sum(1).mean(), einops.reduce(active, "batch latent -> latent", "mean")


def loss_recovered(run, sae, mean):
    def replaced(x):
        made, _ = sae(einops.rearrange(x, "batch position d -> (batch position) d"))
        return einops.rearrange(made, "(batch position) d -> batch position d", batch=len(x))

    ways = [
        lambda x: x,
        replaced,
        lambda x: 0 * x,
        lambda x: einops.repeat(mean, "d -> b p d", b=x.shape[0], p=x.shape[1]),
    ]
    clean, made, zero, middle = torch.stack([run(way) for way in ways]).mean((1, 2)).unbind()
    shares = {
        f"recovered from {name}": (floor - made) / (floor - clean)
        for name, floor in [("zero", zero), ("the mean", middle)]
    }
    return {"added": made - clean, **shares}
