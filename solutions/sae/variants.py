"""Chapter `sae`: autoencoders that choose their latents in other ways than by an L1 penalty.

Shapes and names are those of `autoencoders`. Each class differs from `SAE` in how it encodes.
Sources: Gao et al. 2024 (TopK, AuxK); Bussmann et al. 2024 (BatchTopK); Rajamanoharan et al. 2024 (gated, JumpReLU).
"""

import torch
from torch import Tensor, nn

from headwork.solutions.sae.autoencoders import SAE


class TopK(SAE):
    """Keeps the `k` largest latents of each input, so that nothing has to be paid for."""

    def __init__(self, d_model: int, latents: int, k: int):
        super().__init__(d_model, latents)
        self.k = k

    def encode(self, x: Tensor) -> Tensor:
        """x: (batch, d_model). Returns (batch, latent): at most `k` of each row are not 0, and none is negative."""
        ### BEGIN SOLUTION
        pre = (x - self.b_dec) @ self.W_enc + self.b_enc  # (batch, latent)
        values, places = pre.topk(self.k, dim=-1)  # (batch, k)
        return torch.zeros_like(pre).scatter(-1, places, torch.relu(values))
        ### END SOLUTION


class BatchTopK(SAE):
    """Keeps the `k` times batch largest latents of a whole batch; when not in training, those above a threshold.

    `threshold` is a moving average, of weight `rate`, of the smallest latent kept in each batch; negative before the
    first.
    """

    threshold: Tensor

    def __init__(self, d_model: int, latents: int, k: int, rate: float = 0.01):
        super().__init__(d_model, latents)
        self.k, self.rate = k, rate
        self.register_buffer("threshold", torch.tensor(-1.0))

    def encode(self, x: Tensor) -> Tensor:
        """x: (batch, d_model). Returns (batch, latent), never negative."""
        ### BEGIN SOLUTION
        latents = torch.relu((x - self.b_dec) @ self.W_enc + self.b_enc)  # (batch, latent)
        if not self.training:
            return latents * (latents > self.threshold)
        values, places = latents.flatten().topk(self.k * len(x))  # (k * batch,)
        kept = torch.zeros_like(latents).flatten().scatter(-1, places, values).reshape(latents.shape)
        with torch.no_grad():
            least = torch.where(kept > 0, kept, torch.inf).min()
            moved = torch.where(self.threshold < 0, least, self.threshold + self.rate * (least - self.threshold))
            self.threshold.copy_(torch.where(least < torch.inf, moved, self.threshold))
        return kept
        ### END SOLUTION


def aux_k(x: Tensor, reconstruction: Tensor, pre: Tensor, dead: Tensor, W_dec: Tensor, k: int) -> Tensor:
    """How well the dead latents would describe what the living ones have left: a loss that wakes them.

    x, reconstruction: (batch, d_model). pre: (batch, latent), before any bend. dead: (latent,), booleans.
    W_dec: (latent, d_model). The `k` largest dead latents of each input are used, fewer where there are fewer.
    Returns a number: the squared error summed over `d_model`, the mean over the batch; 0 if none is dead.
    """
    ### BEGIN SOLUTION
    left = (x - reconstruction).detach()  # (batch, d_model): a target, not something to be changed
    values, places = pre.masked_fill(~dead, -torch.inf).topk(min(k, len(dead)), dim=-1)  # (batch, k)
    code = torch.zeros_like(pre).scatter(-1, places, torch.relu(values))  # (batch, latent); living ones are 0
    error = (left - code @ W_dec).square().sum(-1)  # (batch,)
    return error.mean() * dead.any()
    ### END SOLUTION


class Gated(nn.Module):
    """Decides by one path whether a latent is active, and by another how strong it is, both with one matrix."""

    def __init__(self, d_model: int, latents: int):
        super().__init__()
        directions = nn.functional.normalize(torch.randn(latents, d_model), dim=-1)
        self.W_dec = nn.Parameter(directions)
        self.b_dec = nn.Parameter(torch.zeros(d_model))
        self.W_gate = nn.Parameter(directions.T.clone())
        self.b_gate = nn.Parameter(torch.zeros(latents))
        self.r_mag = nn.Parameter(torch.zeros(latents))
        self.b_mag = nn.Parameter(torch.zeros(latents))

    def encode(self, x: Tensor) -> Tensor:
        """x: (batch, d_model). Returns the latents, (batch, latent)."""
        ### BEGIN SOLUTION
        shared = (x - self.b_dec) @ self.W_gate  # (batch, latent)
        magnitude = torch.relu(shared * self.r_mag.exp() + self.b_mag)
        return (shared + self.b_gate > 0) * magnitude
        ### END SOLUTION

    def loss(self, x: Tensor, coefficient: float) -> Tensor:
        """The error, L1 on the gates, and the error of a reconstruction from the gates alone; means over the batch."""
        ### BEGIN SOLUTION
        gates = torch.relu((x - self.b_dec) @ self.W_gate + self.b_gate)  # (batch, latent)
        made = self.encode(x) @ self.W_dec + self.b_dec  # (batch, d_model)
        from_gates = gates @ self.W_dec.detach() + self.b_dec.detach()  # a frozen copy of the decoder
        errors = (x - made).square().sum(-1) + (x - from_gates).square().sum(-1)  # (batch,)
        return (errors + coefficient * gates.sum(-1)).mean()
        ### END SOLUTION


def jumprelu(pre: Tensor, log_threshold: Tensor, bandwidth: float) -> tuple[Tensor, Tensor]:
    """Latents that keep their strength above a threshold, and how many there are, with gradients for the threshold.

    pre: (batch, latent), not negative. log_threshold: (latent,). Returns the latents, (batch, latent), and their
    number, (batch,).
    """
    ### BEGIN SOLUTION
    threshold = log_threshold.exp()
    inside = ((pre - threshold).abs() < bandwidth / 2).to(pre)  # (batch, latent): the kernel's window
    above = (pre > threshold).to(pre)
    slope = (inside / bandwidth).detach()
    moved = slope * (threshold - threshold.detach())  # 0, with the slope of the share of inputs near the threshold
    return pre * above - threshold.detach() * moved, (above - moved).sum(-1)
    ### END SOLUTION
