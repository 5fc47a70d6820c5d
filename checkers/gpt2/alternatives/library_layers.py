"""What works on one position at a time, and the sum of heads, with as much of PyTorch as the exercises allow."""

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import nn


class Embed(nn.Module):
    def __init__(self, d_vocab: int, n_ctx: int, d_model: int):
        super().__init__()
        self.W_E = nn.Parameter(torch.empty(d_vocab, d_model))
        self.W_pos = nn.Parameter(torch.empty(n_ctx, d_model))
        nn.init.normal_(self.W_E, std=0.02)
        nn.init.normal_(self.W_pos, std=0.02)

    def forward(self, tokens, start=0):
        positions = torch.arange(start, start + tokens.size(1), device=tokens.device)
        return F.embedding(tokens, self.W_E) + F.embedding(positions, self.W_pos).unsqueeze(0)


def causal_mask(n_queries, n_keys, device=None):
    ones = torch.ones(n_queries, n_keys, dtype=torch.bool, device=device)
    return ones.tril(diagonal=n_keys - n_queries)


def gelu(x):
    return x * torch.sigmoid((8 / torch.pi) ** 0.5 * torch.addcmul(x, x.pow(3), torch.full_like(x, 0.044715)))


class MLP(nn.Module):
    def __init__(self, d_model: int, d_mlp: int):
        super().__init__()
        self.W_in, self.b_in = nn.Parameter(torch.randn(d_model, d_mlp) * 0.02), nn.Parameter(torch.zeros(d_mlp))
        self.W_out, self.b_out = nn.Parameter(torch.randn(d_mlp, d_model) * 0.02), nn.Parameter(torch.zeros(d_model))

    def forward(self, residual):
        hidden = F.linear(residual, self.W_in.mT, self.b_in)
        return F.linear(F.gelu(hidden, approximate="tanh"), self.W_out.mT, self.b_out)


def unembed(residual, norm, W_E):
    return F.linear(norm(residual), W_E)


def head_contributions(layer, residual):
    project = "batch position model, head model width -> batch head position width"
    weights = ((layer.W_Q, layer.b_Q), (layer.W_K, layer.b_K), (layer.W_V, layer.b_V))
    q, k, v = (einsum(residual, w, project) + rearrange(b, "head width -> head 1 width") for w, b in weights)
    z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return rearrange(z @ layer.W_O, "batch head position model -> batch position head model")
