"""What works on one position at a time, and the sum of heads, in plain steps and loops."""

import math

import torch
from torch import nn


class Embed(nn.Module):
    def __init__(self, d_vocab, n_ctx, d_model):
        super().__init__()
        self.W_pos = nn.Parameter(torch.randn(n_ctx, d_model) * 0.02)
        self.W_E = nn.Parameter(torch.randn(d_vocab, d_model) * 0.02)

    def forward(self, tokens, start=0):
        sequences = []
        for sequence in tokens.tolist():
            vectors = [self.W_E[token] + self.W_pos[start + i] for i, token in enumerate(sequence)]
            sequences.append(torch.stack(vectors))
        return torch.stack(sequences)


def causal_mask(n_queries, n_keys, device=None):
    mask = torch.zeros(n_queries, n_keys, dtype=torch.bool, device=device)
    offset = n_keys - n_queries
    for query in range(n_queries):
        for key in range(n_keys):
            if key <= query + offset:
                mask[query, key] = True
    return mask


def gelu(x):
    cubic = x + 0.044715 * x * x * x
    return x / 2 * (torch.tanh(cubic * math.sqrt(2 / math.pi)) + 1)


class MLP(nn.Module):
    def __init__(self, d_model, d_mlp):
        super().__init__()
        self.W_in = nn.Parameter(torch.randn(d_model, d_mlp) / math.sqrt(d_model))
        self.b_in = nn.Parameter(torch.zeros(d_mlp))
        self.W_out = nn.Parameter(torch.randn(d_mlp, d_model) / math.sqrt(d_mlp))
        self.b_out = nn.Parameter(torch.zeros(d_model))

    def forward(self, x):
        out = self.b_out
        for neuron in range(len(self.b_in)):
            read = x @ self.W_in[:, neuron] + self.b_in[neuron]
            out = out + gelu(read)[..., None] * self.W_out[neuron]
        return out


def unembed(residual, norm, W_E):
    x = norm(residual)
    scores = []
    for embedding in W_E:
        scores.append((x * embedding).sum(dim=-1))
    return torch.stack(scores, dim=-1)


def head_contributions(layer, residual):
    n_heads, _, d_head = layer.W_Q.shape
    written = []
    for h in range(n_heads):
        q = residual @ layer.W_Q[h] + layer.b_Q[h]
        k = residual @ layer.W_K[h] + layer.b_K[h]
        v = residual @ layer.W_V[h] + layer.b_V[h]
        scores = q @ k.transpose(1, 2) / math.sqrt(d_head)
        mask = causal_mask(q.shape[1], k.shape[1], device=q.device)
        pattern = torch.softmax(scores + torch.where(mask, 0.0, -1e9), dim=-1)
        written.append(pattern @ v @ layer.W_O[h])
    return torch.stack(written, dim=2)
