# ruff: noqa: F821 -- the parts that other exercises ask for are not written here
"""The block, the network and its weights in the stub's structure, one step and one name at a time."""

import math

import torch
from torch import nn


class TransformerBlock(nn.Module):
    def __init__(self, d_model, n_heads, d_mlp, eps=1e-5):
        super().__init__()
        self.ln1 = LayerNorm(d_model, eps=eps)
        self.ln2 = LayerNorm(d_model, eps=eps)
        self.attn = Attention(d_model=d_model, n_heads=n_heads)
        self.mlp = MLP(d_model=d_model, d_mlp=d_mlp)

    def forward(self, x):
        for norm, layer in [(self.ln1, self.attn), (self.ln2, self.mlp)]:
            x = x + layer(norm(x))
        return x


class GPT2(nn.Module):
    def __init__(self, d_vocab, n_ctx, d_model, n_heads, d_mlp, n_layers, eps=1e-5):
        super().__init__()
        self.n_layers = n_layers
        self.embed = Embed(d_vocab=d_vocab, n_ctx=n_ctx, d_model=d_model)
        blocks = []
        for layer in range(n_layers):
            blocks.append(TransformerBlock(d_model=d_model, n_heads=n_heads, d_mlp=d_mlp, eps=eps))
        self.blocks = nn.Sequential(*blocks)
        self.ln_final = LayerNorm(d_model, eps=eps)

    def forward(self, tokens):
        x = self.embed(tokens)
        for layer in range(self.n_layers):
            x = self.blocks[layer](x)
        return unembed(x, self.ln_final, self.embed.W_E)


def init_weights(model, n_layers, generator=None):
    for name, p in model.named_parameters():
        last = name.split(".")[-1]
        if last == "w":
            p.data = torch.ones_like(p)
        elif last[0] == "b":
            p.data = torch.zeros_like(p)
        elif last == "W_O" or last == "W_out":
            p.data = torch.randn(p.shape, generator=generator, dtype=p.dtype) * 0.02 / math.sqrt(2 * n_layers)
        else:
            p.data = torch.randn(p.shape, generator=generator, dtype=p.dtype) * 0.02


def load_pretrained(model, state):
    prefix = "transformer." if "transformer.wte.weight" in state else ""
    own = model.state_dict()
    own["embed.W_E"] = state[prefix + "wte.weight"]
    own["embed.W_pos"] = state[prefix + "wpe.weight"]
    for layer in range(len(model.blocks)):
        heads, width, d_head = model.blocks[layer].attn.W_Q.shape
        old, new = f"{prefix}h.{layer}.", f"blocks.{layer}."
        for i, kind in enumerate(["Q", "K", "V"]):
            matrices, biases = [], []
            for head in range(heads):
                start = i * width + head * d_head
                matrices.append(state[old + "attn.c_attn.weight"][:, start : start + d_head])
                biases.append(state[old + "attn.c_attn.bias"][start : start + d_head])
            own[new + "attn.W_" + kind] = torch.stack(matrices)
            own[new + "attn.b_" + kind] = torch.stack(biases)
        rows = state[old + "attn.c_proj.weight"]
        own[new + "attn.W_O"] = torch.stack([rows[h * d_head : (h + 1) * d_head] for h in range(heads)])
        own[new + "attn.b_O"] = state[old + "attn.c_proj.bias"]
        for a, b in [("1", "ln_1"), ("2", "ln_2")]:
            own[new + "ln" + a + ".w"] = state[old + b + ".weight"]
            own[new + "ln" + a + ".b"] = state[old + b + ".bias"]
        for a, b in [("in", "c_fc"), ("out", "c_proj")]:
            own[new + "mlp.W_" + a] = state[old + "mlp." + b + ".weight"]
            own[new + "mlp.b_" + a] = state[old + "mlp." + b + ".bias"]
    own["ln_final.w"] = state[prefix + "ln_f.weight"]
    own["ln_final.b"] = state[prefix + "ln_f.bias"]
    model.load_state_dict(own)
    return model
