"""The whole network in one class, its parameters in one flat list, its parts plain functions."""

import math

import torch
from torch import nn

PER_LAYER = 12


def normalise(x, weight, bias, eps):
    x = x - x.mean(-1, keepdim=True)
    return weight * x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps) + bias


def attend(x, qkv, qkv_bias, out, out_bias, n_heads, mask):
    q, k, v = (x @ qkv + qkv_bias).unflatten(-1, (3, n_heads, -1)).unbind(-3)  # (batch, position, head, d_head)
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(q.shape[-1])
    weights = (scores + mask[: x.shape[1], : x.shape[1]]).softmax(-1)
    return torch.einsum("bhqk,bkhd->bqhd", weights, v).flatten(2) @ out + out_bias


def think(x, into, into_bias, out, out_bias):
    x = x @ into + into_bias
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) @ out + out_bias


class GPT2(nn.Module):
    def __init__(self, d_vocab, n_ctx, d_model, n_heads, d_mlp, n_layers, eps=1e-5):
        super().__init__()
        D, M = d_model, d_mlp
        block = [(D,), (D,), (D, 3 * D), (3 * D,), (D, D), (D,), (D,), (D,), (D, M), (M,), (M, D), (D,)]
        shapes = [(d_vocab, D), (n_ctx, D), *block * n_layers, (D,), (D,)]
        self.weights = nn.ParameterList([nn.Parameter(torch.randn(shape) * 0.02) for shape in shapes])
        self.mask = nn.Parameter(torch.full((n_ctx, n_ctx), -1e9).triu(1), requires_grad=False)
        self.n_heads, self.eps = n_heads, eps

    def forward(self, tokens):
        wte, wpe, *blocks, w_final, b_final = self.weights
        x = wte[tokens] + wpe[: tokens.shape[1]]
        for start in range(0, len(blocks), PER_LAYER):
            w1, b1, qkv, bqkv, o, bo, w2, b2, fc, bfc, proj, bproj = blocks[start : start + PER_LAYER]
            x = x + attend(normalise(x, w1, b1, self.eps), qkv, bqkv, o, bo, self.n_heads, self.mask)
            x = x + think(normalise(x, w2, b2, self.eps), fc, bfc, proj, bproj)
        return normalise(x, w_final, b_final, self.eps) @ wte.T


def load_pretrained(model, state):
    state = {k.replace("transformer.", ""): v for k, v in state.items()}
    order = ["ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"]
    names = ["wte.weight", "wpe.weight"]
    for layer in range((len(model.weights) - 4) // PER_LAYER):
        names += [f"h.{layer}.{part}.{kind}" for part in order for kind in ("weight", "bias")]
    names += ["ln_f.weight", "ln_f.bias"]
    for parameter, name in zip(model.weights, names, strict=True):
        parameter.data.copy_(state[name])
    return model
