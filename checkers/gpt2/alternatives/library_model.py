# ruff: noqa: F821 -- the parts that other exercises ask for are not written here
"""The network as minimal GPTs are often written: nn.Linear, fused queries, keys, values, transformers' names."""

import torch
import torch.nn.functional as F
from torch import nn


class TransformerBlock(nn.Module):
    def __init__(self, d_model: int, n_heads: int, d_mlp: int, eps: float = 1e-5):
        super().__init__()
        self.ln1, self.ln2 = LayerNorm(d_model, eps), LayerNorm(d_model, eps)
        self.attn, self.mlp = Attention(d_model, n_heads), MLP(d_model, d_mlp)

    def forward(self, residual):
        residual = torch.add(residual, self.attn(self.ln1(residual)))
        return torch.add(residual, self.mlp(self.ln2(residual)))


class CausalSelfAttention(nn.Module):
    def __init__(self, n_embd, n_head):
        super().__init__()
        self.n_head = n_head
        self.c_attn = nn.Linear(n_embd, 3 * n_embd)
        self.c_proj = nn.Linear(n_embd, n_embd)

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = (y.view(B, T, self.n_head, C // self.n_head).transpose(1, 2) for y in self.c_attn(x).split(C, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))


class Block(nn.Module):
    def __init__(self, n_embd, n_head, n_inner, eps):
        super().__init__()
        self.ln_1 = nn.LayerNorm(n_embd, eps=eps)
        self.attn = CausalSelfAttention(n_embd, n_head)
        self.ln_2 = nn.LayerNorm(n_embd, eps=eps)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(n_embd, n_inner), "c_proj": nn.Linear(n_inner, n_embd)})

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(x)), approximate="tanh"))


class GPT2(nn.Module):
    def __init__(self, d_vocab, n_ctx, d_model, n_heads, d_mlp, n_layers, eps=1e-5):
        super().__init__()
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(d_vocab, d_model),
                "wpe": nn.Embedding(n_ctx, d_model),
                "h": nn.ModuleList([Block(d_model, n_heads, d_mlp, eps) for _ in range(n_layers)]),
                "ln_f": nn.LayerNorm(d_model, eps=eps),
            }
        )
        self.lm_head = nn.Linear(d_model, d_vocab, bias=False)
        self.lm_head.weight = self.transformer["wte"].weight
        self.register_buffer("positions", torch.arange(n_ctx), persistent=False)

    def forward(self, tokens):
        x = self.transformer["wte"](tokens) + self.transformer["wpe"](self.positions[: tokens.size(1)])
        for block in self.transformer["h"]:
            x = block(x)
        return self.lm_head(self.transformer["ln_f"](x))


@torch.no_grad()
def init_weights(model, n_layers, generator=None):
    for name, p in model.named_parameters():
        if name.endswith(("W_O", "W_out")):
            nn.init.normal_(p, mean=0.0, std=0.02 / (2 * n_layers) ** 0.5, generator=generator)
        elif ".W_" in name:
            nn.init.normal_(p, std=0.02, generator=generator)
        elif name.endswith(".w"):
            nn.init.ones_(p)
        else:
            nn.init.zeros_(p)


def load_pretrained(model, state):
    transposed = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
    own = model.state_dict()
    for name, value in state.items():
        name = "transformer." + name.removeprefix("transformer.")
        if name in own:
            with torch.no_grad():
                own[name].copy_(value.t() if name.endswith(transposed) else value)
    return model
