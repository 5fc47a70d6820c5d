"""Kinds of autoencoders by masks and thresholds, each class on its own; what keeps latents alive, row by row."""

import torch
import torch.nn.functional as F
from torch import nn


class TopK(nn.Module):
    def __init__(self, d_model, latents, k):
        super().__init__()
        self.k = k
        self.W_enc = nn.Parameter(torch.randn(d_model, latents))
        self.b_enc = nn.Parameter(torch.zeros(latents))
        self.W_dec = nn.Parameter(torch.randn(latents, d_model))
        self.b_dec = nn.Parameter(torch.zeros(d_model))

    def encode(self, x):
        f = F.relu(x @ self.W_enc - self.b_dec @ self.W_enc + self.b_enc)
        rank = f.argsort(dim=-1, descending=True).argsort(dim=-1)
        return f * (rank < self.k)


class BatchTopK(nn.Module):
    def __init__(self, d_model, latents, k, rate=0.01):
        super().__init__()
        self.k = k
        self.rate = rate
        self.W_enc = nn.Parameter(torch.randn(d_model, latents))
        self.b_enc = nn.Parameter(torch.zeros(latents))
        self.W_dec = nn.Parameter(torch.randn(latents, d_model))
        self.b_dec = nn.Parameter(torch.zeros(d_model))
        self.threshold = nn.Buffer(torch.tensor(-1.0))

    def encode(self, x):
        f = F.relu((x - self.b_dec) @ self.W_enc + self.b_enc)
        if self.training:
            last = f.flatten().sort(descending=True).values[self.k * x.shape[0] - 1]
            mask = f >= last
            positive = f[mask & (f > 0)]
            if len(positive) > 0:
                least = positive.min().item()
                old = self.threshold.item()
                self.threshold.fill_(least if old < 0 else (1 - self.rate) * old + self.rate * least)
            return f * mask
        return torch.where(f > self.threshold, f, 0)


def aux_k(x, reconstruction, pre, dead, W_dec, k):
    places = dead.nonzero()[:, 0]
    if len(places) == 0:
        return pre.new_zeros(())
    error = x.detach() - reconstruction.detach()
    values, chosen = pre[:, places].topk(min(k, len(places)), dim=1)
    made = torch.einsum("bk,bkd->bd", F.relu(values), W_dec[places][chosen])
    return ((error - made) ** 2).sum() / len(x)


class Gated(nn.Module):
    def __init__(self, d_model, latents):
        super().__init__()
        self.W_gate = nn.Parameter(torch.randn(d_model, latents))
        self.W_dec = nn.Parameter(torch.randn(latents, d_model))
        for name in ("b_gate", "r_mag", "b_mag"):
            setattr(self, name, nn.Parameter(torch.zeros(latents)))
        self.b_dec = nn.Parameter(torch.zeros(d_model))

    def encode(self, x):
        W_mag = self.W_gate * torch.exp(self.r_mag)
        gate = ((x - self.b_dec) @ self.W_gate + self.b_gate > 0).to(x.dtype)
        return gate * F.relu((x - self.b_dec) @ W_mag + self.b_mag)

    def loss(self, x, coefficient):
        pi = F.relu((x - self.b_dec) @ self.W_gate + self.b_gate)
        reconstruction = F.linear(self.encode(x), self.W_dec.T, self.b_dec)
        auxiliary = F.linear(pi, self.W_dec.T.detach(), self.b_dec.detach())
        total = F.mse_loss(reconstruction, x, reduction="sum") + F.mse_loss(auxiliary, x, reduction="sum")
        return (total + coefficient * pi.sum()) / x.shape[0]


class _Jump(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z, theta, eps):
        ctx.save_for_backward(z, theta)
        ctx.eps = eps
        return z * (z > theta)

    @staticmethod
    def backward(ctx, grad):
        z, theta = ctx.saved_tensors
        window = ((z - theta).abs() < ctx.eps / 2).to(z.dtype)
        return grad * (z > theta), (-theta / ctx.eps * window * grad).sum(0), None


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z, theta, eps):
        ctx.save_for_backward(z, theta)
        ctx.eps = eps
        return (z > theta).to(z.dtype)

    @staticmethod
    def backward(ctx, grad):
        z, theta = ctx.saved_tensors
        window = ((z - theta).abs() < ctx.eps / 2).to(z.dtype)
        return None, (-window / ctx.eps * grad).sum(0), None


def jumprelu(pre, log_threshold, bandwidth):
    theta = torch.exp(log_threshold)
    return _Jump.apply(pre, theta, bandwidth), _Step.apply(pre, theta, bandwidth).sum(-1)


def shrinkage(x, reconstruction, centre):
    a = (x - centre).flatten()
    b = (reconstruction - centre).flatten()
    return (b @ b) / (a @ b)


def threshold_or_bias(pre, threshold):
    return (pre - threshold).clamp(min=0), torch.where(pre > threshold, pre, 0)


class DeadLatents:
    def __init__(self, latents, window):
        self.window = window
        self.last = [0] * latents
        self.seen = 0

    def update(self, latents):
        self.seen += latents.shape[0]
        for i, fired in enumerate((latents > 0).any(0).tolist()):
            if fired:
                self.last[i] = self.seen

    def dead(self):
        return torch.tensor([self.seen - last >= self.window for last in self.last])


@torch.no_grad()
def resample_dead(sae, optimiser, dead, x, losses, generator):
    which = dead.nonzero().flatten().tolist()
    if not which:
        return
    chances = losses**2 / (losses**2).sum()
    picks = torch.multinomial(chances, len(which), replacement=True, generator=generator)
    size = 0.2 * sae.W_enc[:, ~dead].norm(dim=0).mean()
    for latent, pick in zip(which, picks.tolist(), strict=True):
        direction = x[pick] - sae.b_dec
        direction = direction / direction.norm()
        sae.W_dec[latent] = direction
        sae.W_enc[:, latent] = size * direction
        sae.b_enc[latent] = 0.0
        for key in ("exp_avg", "exp_avg_sq"):
            if sae.W_dec in optimiser.state:
                optimiser.state[sae.W_dec][key][latent] = 0
                optimiser.state[sae.W_enc][key][:, latent] = 0
                optimiser.state[sae.b_enc][key][latent] = 0


def l0_and_density(batches):
    counts, total = 0, 0
    for batch in batches:
        counts = counts + torch.count_nonzero(batch, dim=0)
        total += batch.shape[0]
    density = counts.to(batch.dtype) / total
    return float(density.sum()), density


def loss_recovered(run, sae, mean):
    def reconstructed(x):
        rows = [sae(text)[0] for text in x]
        return torch.stack(rows)

    def constant(value):
        return float(run(lambda x: torch.zeros_like(x) + value).mean())

    clean = float(run(lambda x: x.clone()).mean())
    made = float(run(reconstructed).mean())
    zero, middle = constant(0), constant(mean)
    return {
        "added": made - clean,
        "recovered from zero": 1 - (made - clean) / (zero - clean),
        "recovered from the mean": 1 - (made - clean) / (middle - clean),
    }
