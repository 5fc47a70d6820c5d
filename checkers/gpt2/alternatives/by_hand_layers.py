"""What works on one position at a time, and the sum of heads, from other formulas for the same things."""

import numpy as np
import torch
from torch import nn


class Embed(nn.Module):
    def __init__(self, d_vocab, n_ctx, d_model):
        super().__init__()
        self.n_ctx, self.d_vocab = n_ctx, d_vocab
        self.W_E = nn.Parameter(torch.empty(d_vocab, d_model).normal_(std=0.02))
        self.W_pos = nn.Parameter(torch.empty(n_ctx, d_model).normal_(std=0.02))

    def rows(self, matrix, indices):
        chosen = indices[..., None] == torch.arange(len(matrix), device=indices.device)
        return chosen.to(matrix.dtype) @ matrix

    def forward(self, tokens, start=0):
        positions = torch.ones_like(tokens).cumsum(1) - 1 + start
        return self.rows(self.W_E, tokens) + self.rows(self.W_pos, positions)


def causal_mask(n_queries, n_keys, device=None):
    whole = np.tri(n_keys, dtype=bool)
    return torch.from_numpy(whole[-n_queries:]).to(device or "cpu")


def gelu(x):
    t = np.sqrt(2 / np.pi) * x * (1 + 0.044715 * x**2)
    small = torch.exp(-2 * t.abs())
    step = torch.where(t >= 0, 1 / (1 + small), small / (1 + small))
    return x * step


class MLP(nn.Module):
    def __init__(self, d_model, d_mlp):
        super().__init__()
        self.W_in = nn.Parameter(torch.empty(d_model, d_mlp).uniform_(-0.1, 0.1))
        self.b_in = nn.Parameter(torch.empty(d_mlp).uniform_(-0.1, 0.1))
        self.W_out = nn.Parameter(torch.empty(d_mlp, d_model).uniform_(-0.1, 0.1))
        self.b_out = nn.Parameter(torch.empty(d_model).uniform_(-0.1, 0.1))

    def read(self, x):
        return torch.einsum("bpm,mn->bpn", x, self.W_in).add(self.b_in)

    def forward(self, x):
        return torch.einsum("bpn,nm->bpm", gelu(self.read(x)), self.W_out).add(self.b_out)


def unembed(residual, norm, W_E):
    normalised = torch.stack([norm(sequence[None])[0] for sequence in residual])
    return torch.einsum("bpm,vm->bpv", normalised, W_E)


def heads_of(weight, bias, residual):
    return torch.tensordot(residual, weight, dims=([2], [1])) + bias


def head_contributions(layer, residual):
    q = heads_of(layer.W_Q, layer.b_Q, residual)
    k = heads_of(layer.W_K, layer.b_K, residual)
    v = heads_of(layer.W_V, layer.b_V, residual)
    written = (v[..., None] * layer.W_O).sum(-2)  # what each position would write if it were looked at alone
    out = []
    for query in range(residual.shape[1]):
        scores = (q[:, query, None] * k[:, : query + 1]).sum(-1) / q.shape[-1] ** 0.5
        weights = scores.softmax(1)
        out.append((weights[..., None] * written[:, : query + 1]).sum(1))
    return torch.stack(out, 1)
