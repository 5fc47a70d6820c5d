"""Transcoders and an MLP's derivative by hand."""

import math

import torch
from torch import nn


class Transcoder(nn.Module):
    def __init__(self, d_in, d_out, latents):
        super().__init__()
        self.W_enc = nn.Parameter(torch.randn(d_in, latents) / math.sqrt(d_in))
        self.b_enc = nn.Parameter(torch.zeros(latents))
        self.W_dec = nn.Parameter(torch.zeros(latents, d_out))
        self.b_dec = nn.Parameter(torch.zeros(d_out))
        self.W_skip = nn.Parameter(torch.zeros(d_in, d_out))

    def forward(self, x):
        code = (x @ self.W_enc + self.b_enc).clamp(min=0)
        out = self.b_dec + code @ self.W_dec
        out = out + x @ self.W_skip
        return out, code


def transcoder_loss(written, made, latents, W_dec, coefficient):
    total = 0
    for y, y_hat, code in zip(written, made, latents, strict=True):
        total = total + ((y - y_hat) ** 2).sum()
        total = total + coefficient * sum(c * torch.sqrt((row**2).sum()) for c, row in zip(code, W_dec, strict=True))
    return total / len(written)


def latent_connections(earlier, later):
    return torch.stack([row @ later.W_enc for row in earlier.W_dec])


def linearise_mlp(x, directions, W_in, b_in, W_out):
    pre = x @ W_in + b_in
    inner = math.sqrt(2 / math.pi) * (pre + 0.044715 * pre**3)
    slope = 0.5 * (1 + torch.tanh(inner))
    slope = slope + 0.5 * pre / torch.cosh(inner) ** 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * pre**2)
    linear = (slope[:, None, :] * (directions @ W_in)[None]) @ W_out

    def f(v):
        p = v @ W_in + b_in
        return (0.5 * p * (1 + torch.tanh(math.sqrt(2 / math.pi) * (p + 0.044715 * p**3)))) @ W_out

    exact = torch.stack([f(x + d) - f(x) for d in directions], dim=1)
    return linear, exact
