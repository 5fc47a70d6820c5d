"""Transcoders by the library's layers' functions, an MLP's derivative by autograd's Jacobians."""

import torch
import torch.nn.functional as F
from torch import nn


class Transcoder(nn.Module):
    def __init__(self, d_in, d_out, latents):
        super().__init__()
        self.W_enc = nn.Parameter(torch.empty(d_in, latents).normal_(std=d_in**-0.5))
        self.b_enc = nn.Parameter(torch.zeros(latents))
        self.W_dec = nn.Parameter(torch.zeros(latents, d_out))
        self.b_dec = nn.Parameter(torch.zeros(d_out))
        self.W_skip = nn.Parameter(torch.zeros(d_in, d_out))

    def forward(self, x):
        latents = F.relu(F.linear(x, self.W_enc.T, self.b_enc))
        return F.linear(latents, self.W_dec.T, self.b_dec) + F.linear(x, self.W_skip.T), latents


def transcoder_loss(written, made, latents, W_dec, coefficient):
    error = F.mse_loss(made, written, reduction="sum") / written.shape[0]
    return error + coefficient * (latents * torch.linalg.vector_norm(W_dec, dim=1)).sum(1).mean()


def latent_connections(earlier, later):
    return torch.einsum("ad,db->ab", earlier.W_dec, later.W_enc)


def linearise_mlp(x, directions, W_in, b_in, W_out):
    def mlp(v):
        return F.gelu(v @ W_in + b_in, approximate="tanh") @ W_out

    jacobians = torch.stack([torch.autograd.functional.jacobian(mlp, row) for row in x])
    linear = torch.einsum("bij,kj->bki", jacobians, directions)
    before = mlp(x).unsqueeze(1)
    after = mlp(x.unsqueeze(1) + directions.unsqueeze(0))
    return linear, after - before
