"""The block, the network and its weights as people write them: right in many structures, and wrong in many ways."""

import pytest

from headwork.grading.solutions import solution_source
from headwork.grading.submission import read_text

IMPORTS = """
import math
import copy
from collections import OrderedDict

import einops
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

"""

BLOCK = """
class TransformerBlock(nn.Module):
    def __init__(self, d_model, n_heads, d_mlp, eps=1e-5):
        super().__init__()
        self.ln1 = LayerNorm(d_model, eps)
        self.attn = Attention(d_model, n_heads)
        self.ln2 = LayerNorm(d_model, eps)
        self.mlp = MLP(d_model, d_mlp)

    def forward(self, residual):
"""

NET = """
class GPT2(nn.Module):
    def __init__(self, d_vocab, n_ctx, d_model, n_heads, d_mlp, n_layers, eps=1e-5):
        super().__init__()
        self.embed = Embed(d_vocab, n_ctx, d_model)
        self.blocks = nn.ModuleList(TransformerBlock(d_model, n_heads, d_mlp, eps) for _ in range(n_layers))
        self.ln_final = LayerNorm(d_model, eps)

    def forward(self, tokens):
"""

UNFINISHED = """
class Embed(nn.Module):
    def __init__(self, d_vocab, n_ctx, d_model):
        super().__init__()
        self.W_E = nn.Parameter(torch.randn(d_vocab, d_model) * 0.02)
        self.W_pos = nn.Parameter(torch.randn(n_ctx, d_model) * 0.02)

    def forward(self, tokens, start=0):
        raise NotImplementedError("write Embed.forward")


class LayerNorm(nn.Module):
    def __init__(self, width, eps=1e-5):
        super().__init__()
        self.w = nn.Parameter(torch.ones(width))
        self.b = nn.Parameter(torch.zeros(width))

    def forward(self, x):
        return x * self.w  # wrong, which is another exercise's matter


def unembed(residual, norm, W_E):
    raise NotImplementedError("write unembed")


def load_pretrained(model, state):
    raise NotImplementedError("write load_pretrained")

"""

OWN_NAMES = """
class Layer(nn.Module):
    def __init__(self, d, h, m, eps):
        super().__init__()
        self.h = h
        self.n1, self.n2 = nn.LayerNorm(d, eps), nn.LayerNorm(d, eps)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.mlp = nn.Sequential(nn.Linear(d, m), nn.GELU(approximate="tanh"), nn.Linear(m, d))

    def forward(self, x):
        q, k, v = einops.rearrange(self.qkv(self.n1(x)), "b t (three h d) -> three b h t d", three=3, h=self.h)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(einops.rearrange(y, "b h t d -> b t (h d)"))
        return x + self.mlp(self.n2(x))


class GPT2(nn.Module):
    def __init__(self, d_vocab, n_ctx, d_model, n_heads, d_mlp, n_layers, eps=1e-5):
        super().__init__()
        self.tok = nn.Embedding(d_vocab, d_model)
        self.pos = nn.Parameter(torch.zeros(1, n_ctx, d_model))
        self.layers = nn.Sequential(*[Layer(d_model, n_heads, d_mlp, eps) for _ in range(n_layers)])
        self.norm = nn.LayerNorm(d_model, eps)

    def forward(self, tokens):
        x = self.tok(tokens) + self.pos[:, : tokens.shape[1]]
        return F.linear(self.norm(self.layers(x)), self.tok.weight)

"""

OWN_LOADING = """
def load_pretrained(model, state):
    sd = {k.removeprefix("transformer."): v for k, v in state.items()}
    own = {"tok.weight": sd["wte.weight"], "pos": sd["wpe.weight"][None]}
    names = {"n1": "ln_1", "n2": "ln_2", "qkv": "attn.c_attn", "out": "attn.c_proj", "mlp.0": "mlp.c_fc"}
    names["mlp.2"] = "mlp.c_proj"
    for i in range(len(model.layers)):
        for a, b in names.items():
            weight = sd[f"h.{i}.{b}.weight"]
            own[f"layers.{i}.{a}.weight"] = weight.T if weight.ndim == 2 else weight
            own[f"layers.{i}.{a}.bias"] = sd[f"h.{i}.{b}.bias"]
    own["norm.weight"], own["norm.bias"] = sd["ln_f.weight"], sd["ln_f.bias"]
    model.load_state_dict(own)
    return model

"""

ALL_IN_ONE = """
class GPT2(nn.Module):
    def __init__(self, d_vocab, n_ctx, d_model, n_heads, d_mlp, n_layers, eps=1e-5):
        super().__init__()
        D, H, K, M = d_model, n_heads, d_model // n_heads, d_mlp
        shapes = {"embed.W_E": (d_vocab, D), "embed.W_pos": (n_ctx, D), "ln_final.w": (D,), "ln_final.b": (D,)}
        for i in range(n_layers):
            b = f"blocks.{i}."
            shapes |= {b + "attn.W_" + x: (H, D, K) for x in "QKV"} | {b + "attn.b_" + x: (H, K) for x in "QKV"}
            shapes |= {b + "attn.W_O": (H, K, D), b + "attn.b_O": (D,), b + "mlp.W_in": (D, M), b + "mlp.b_in": (M,)}
            shapes |= {b + "mlp.W_out": (M, D), b + "mlp.b_out": (D,)}
            shapes |= {b + n + x: (D,) for n in ("ln1.", "ln2.") for x in "wb"}
        self.p = nn.ParameterDict({k.replace(".", "/"): torch.zeros(s) for k, s in shapes.items()})
        self.layers, self.eps = n_layers, eps

    def norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self.p[name + "/w"], self.p[name + "/b"], self.eps)

    def forward(self, tokens):
        p = self.p
        T = tokens.shape[1]
        x = p["embed/W_E"][tokens] + p["embed/W_pos"][:T]
        for i in range(self.layers):
            a, m, y = f"blocks/{i}/attn/", f"blocks/{i}/mlp/", self.norm(x, f"blocks/{i}/ln1")
            q, k, v = (torch.einsum("btd,hdk->bhtk", y, p[a + "W_" + n]) + p[a + "b_" + n][:, None] for n in "QKV")
            s = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(torch.ones(T, T).triu(1).bool(), -torch.inf).softmax(-1)
            x = x + torch.einsum("bhtk,hkd->btd", s @ v, p[a + "W_O"]) + p[a + "b_O"]
            h = F.gelu(self.norm(x, f"blocks/{i}/ln2") @ p[m + "W_in"] + p[m + "b_in"], approximate="tanh")
            x = x + h @ p[m + "W_out"] + p[m + "b_out"]
        return self.norm(x, "ln_final") @ p["embed/W_E"].T


def load_pretrained(model, state):
    g = lambda n: state.get(n, state.get("transformer." + n))
    new = {"embed/W_E": g("wte.weight"), "embed/W_pos": g("wpe.weight")}
    new |= {"ln_final/w": g("ln_f.weight"), "ln_final/b": g("ln_f.bias")}
    for i in range(model.layers):
        H = model.p[f"blocks/{i}/attn/W_Q"].shape[0]
        for j, n in enumerate("QKV"):
            w, b = g(f"h.{i}.attn.c_attn.weight").chunk(3, 1)[j], g(f"h.{i}.attn.c_attn.bias").chunk(3)[j]
            new[f"blocks/{i}/attn/W_{n}"] = einops.rearrange(w, "d (h k) -> h d k", h=H)
            new[f"blocks/{i}/attn/b_{n}"] = einops.rearrange(b, "(h k) -> h k", h=H)
        new[f"blocks/{i}/attn/W_O"] = einops.rearrange(g(f"h.{i}.attn.c_proj.weight"), "(h k) d -> h k d", h=H)
        new[f"blocks/{i}/attn/b_O"] = g(f"h.{i}.attn.c_proj.bias")
        for a, b in (("in", "c_fc"), ("out", "c_proj")):
            new[f"blocks/{i}/mlp/W_{a}"], new[f"blocks/{i}/mlp/b_{a}"] = (
                g(f"h.{i}.mlp.{b}.weight"), g(f"h.{i}.mlp.{b}.bias"))
        for a, b in (("ln1", "ln_1"), ("ln2", "ln_2")):
            new[f"blocks/{i}/{a}/w"], new[f"blocks/{i}/{a}/b"] = g(f"h.{i}.{b}.weight"), g(f"h.{i}.{b}.bias")
    with torch.no_grad():
        [model.p[n].copy_(v) for n, v in new.items()]
    return model

"""

INIT = "def init_weights(model, n_layers, generator=None):\n"
LOAD = "def load_pretrained(model, state):\n"

RIGHT = {
    "block in one line": (
        "transformer_block",
        BLOCK
        + """
        return (y := residual + self.attn(self.ln1(residual))) + self.mlp(self.ln2(y))
""",
    ),
    "block that calls forward": (
        "transformer_block",
        BLOCK
        + """
        x = residual.clone()
        x = x + self.attn.forward(self.ln1.forward(x))
        return x.add(self.mlp.forward(self.ln2.forward(x)))
""",
    ),
    "block with functools": (
        "transformer_block",
        BLOCK
        + """
        parts = [lambda x: self.attn(self.ln1(x)), lambda x: self.mlp(self.ln2(x))]
        for part in parts:
            residual = torch.stack([residual, part(residual)]).sum(0)
        return residual
""",
    ),
    "network on unfinished parts": (
        "gpt2",
        UNFINISHED
        + NET
        + """
        x = self.embed(tokens)
        for b in self.blocks:
            x = b(x)
        return unembed(x, self.ln_final, self.embed.W_E)
""",
    ),
    "network that normalises by itself": (
        "gpt2",
        NET
        + """
        B, T = tokens.shape
        x = self.embed.W_E[tokens] + self.embed.W_pos[torch.arange(T)]
        for i in range(len(self.blocks)):
            x = self.blocks[i](x)
        return F.linear(self.ln_final(x), self.embed.W_E)
""",
    ),
    "network with one hot tokens": (
        "gpt2",
        NET
        + """
        one_hot = F.one_hot(tokens, self.embed.W_E.shape[0]).to(self.embed.W_E.dtype)
        x = one_hot @ self.embed.W_E + self.embed.W_pos[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return einops.einsum(self.ln_final(x), self.embed.W_E, "b t d, v d -> b t v")
""",
    ),
    "own names": ("gpt2", OWN_NAMES + OWN_LOADING),
    "own names, loaded": ("load_pretrained", OWN_NAMES + OWN_LOADING),
    "own names, only names with a prefix": (
        "gpt2",
        OWN_NAMES
        + OWN_LOADING.replace(
            '{k.removeprefix("transformer."): v for k, v in state.items()}',
            '{k[len("transformer."):]: v for k, v in state.items() if k.startswith("transformer.")}',
        ),
    ),
    "all in one class": ("gpt2", ALL_IN_ONE),
    "all in one class, loaded": ("load_pretrained", ALL_IN_ONE),
    "init by shape and name": (
        "init_weights",
        INIT
        + """
    std = {"W_O": 0.02 / math.sqrt(2 * n_layers), "W_out": 0.02 / math.sqrt(2 * n_layers)}
    for name, p in model.named_parameters():
        *_, last = name.split(".")
        if p.ndim >= 2 and not last.startswith("b"):
            nn.init.normal_(p, 0.0, std.get(last, 0.02), generator=generator)
        else:
            nn.init.constant_(p, float(last == "w"))
""",
    ),
    "init by einops parse and truncation far out": (
        "init_weights",
        INIT
        + """
    for name, p in model.named_parameters():
        if "W_" in name:
            s = 0.02 / (math.sqrt(2 * n_layers) if name.endswith(("W_O", "W_out")) else 1)
            nn.init.trunc_normal_(p, std=s, generator=generator)  # cut at 2, that is at 100 standard deviations
        elif name.endswith(".w"):
            nn.init.ones_(p)
        else:
            nn.init.zeros_(p)
    return model
""",
    ),
    "init from one long draw": (
        "init_weights",
        INIT
        + """
    ps = list(model.named_parameters())
    noise = torch.randn(sum(p.numel() for _, p in ps), generator=generator)
    at = 0
    with torch.no_grad():
        for name, p in ps:
            last = name.rsplit(".", 1)[-1]
            z = noise[at : at + p.numel()].reshape(p.shape)
            at += p.numel()
            scale = 0.02 / (2 * n_layers) ** 0.5 if last in {"W_O", "W_out"} else 0.02
            p.copy_(z * scale if last[0] == "W" else torch.full_like(p, 1 if last == "w" else 0))
""",
    ),
}

WRONG = {
    "block post-norm, one side": ("transformer_block", BLOCK + """
        residual = self.ln1(residual + self.attn(residual))
        return residual + self.mlp(self.ln2(residual))
"""),
    "block parallel": ("transformer_block", BLOCK + """
        return residual + self.attn(self.ln1(residual)) + self.mlp(self.ln2(residual))
"""),
    "block parallel, one norm": ("transformer_block", BLOCK + """
        y = self.ln1(residual)
        return residual + self.attn(y) + self.mlp(y)
"""),
    "block returns what it adds": ("transformer_block", BLOCK + """
        a = self.attn(self.ln1(residual))
        return a + self.mlp(self.ln2(residual + a))
"""),
    "block normalises the stream": ("transformer_block", BLOCK + """
        residual = self.ln1(residual)
        residual = residual + self.attn(residual)
        residual = self.ln2(residual)
        return residual + self.mlp(residual)
"""),
    "block in place": ("transformer_block", BLOCK + """
        residual += self.attn(self.ln1(residual))
        residual += self.mlp(self.ln2(residual))
        return residual
"""),
    "block without return": ("transformer_block", BLOCK + """
        x = residual + self.attn(self.ln1(residual))
        x = x + self.mlp(self.ln2(x))
"""),
    "block twice the stream": ("transformer_block", BLOCK + """
        x = residual + self.attn(self.ln1(residual))
        return residual + x + self.mlp(self.ln2(x))
"""),
    "block under no_grad": ("transformer_block", BLOCK + """
        with torch.no_grad():
            x = residual + self.attn(self.ln1(residual))
        return x + self.mlp(self.ln2(x))
"""),
    "block with other names": ("transformer_block", BLOCK.replace("ln1", "norm1") + """
        x = residual + self.attn(self.norm1(residual))
        return x + self.mlp(self.ln2(x))
"""),
    "network without final norm": ("gpt2", NET + """
        x = self.embed(tokens)
        for b in self.blocks:
            x = b(x)
        return x @ self.embed.W_E.T
"""),
    "network without positions": ("gpt2", NET + """
        x = self.embed.W_E[tokens]
        for b in self.blocks:
            x = b(x)
        return unembed(x, self.ln_final, self.embed.W_E)
"""),
    "network with a forgotten assignment": ("gpt2", NET + """
        x = self.embed(tokens)
        for b in self.blocks:
            b(x)
        return unembed(x, self.ln_final, self.embed.W_E)
"""),
    "network that returns in the loop": ("gpt2", NET + """
        x = self.embed(tokens)
        for b in self.blocks:
            x = b(x)
            return unembed(x, self.ln_final, self.embed.W_E)
"""),
    "network that adds twice": ("gpt2", NET + """
        x = self.embed(tokens)
        for b in self.blocks:
            x = x + b(x)
        return unembed(x, self.ln_final, self.embed.W_E)
"""),
    "network with one block many times": ("gpt2", NET.replace(
        "nn.ModuleList(TransformerBlock(d_model, n_heads, d_mlp, eps) for _ in range(n_layers))",
        "nn.ModuleList([TransformerBlock(d_model, n_heads, d_mlp, eps)] * n_layers)",
    ) + """
        x = self.embed(tokens)
        for b in self.blocks:
            x = b(x)
        return unembed(x, self.ln_final, self.embed.W_E)
"""),
    "network in a plain list": ("gpt2", NET.replace("nn.ModuleList(", "list(") + """
        x = self.embed(tokens)
        for b in self.blocks:
            x = b(x)
        return unembed(x, self.ln_final, self.embed.W_E)
"""),
    "network of the last position": ("gpt2", NET + """
        x = self.embed(tokens)
        for b in self.blocks:
            x = b(x)
        return unembed(x, self.ln_final, self.embed.W_E)[:, -1]
"""),
    "network of probabilities": ("gpt2", NET + """
        x = self.embed(tokens)
        for b in self.blocks:
            x = b(x)
        return F.softmax(unembed(x, self.ln_final, self.embed.W_E), -1)
"""),
    "network without the eps": ("gpt2", NET.replace("d_mlp, eps) for", "d_mlp) for") + """
        x = self.embed(tokens)
        for b in self.blocks:
            x = b(x)
        return unembed(x, self.ln_final, self.embed.W_E)
"""),
    "own names, untied": ("gpt2", OWN_NAMES.replace(
        "self.norm = nn", "self.head = nn.Linear(d_model, d_vocab, bias=False)\n        self.norm = nn"
    ).replace("F.linear(self.norm(self.layers(x)), self.tok.weight)", "self.head(self.norm(self.layers(x)))")
        + OWN_LOADING.replace('own = {', 'own = {"head.weight": sd["wte.weight"], ')),
    "own names, exact gelu": ("gpt2", OWN_NAMES.replace('approximate="tanh"', "") + OWN_LOADING),
    "own names, default eps": ("gpt2", OWN_NAMES.replace("nn.LayerNorm(d, eps)", "nn.LayerNorm(d)") + OWN_LOADING),
    "own names, not causal": ("gpt2", OWN_NAMES.replace(", is_causal=True", "") + OWN_LOADING),
    "own names, heads split late": ("gpt2", OWN_NAMES.replace("(three h d)", "(h three d)") + OWN_LOADING),
    "own names, no way to load them": ("gpt2", OWN_NAMES),
    "own names, loading unfinished": ("gpt2", OWN_NAMES + LOAD + "    raise NotImplementedError\n"),
    "own names, nothing loaded": ("gpt2", OWN_NAMES + LOAD + "    return model\n"),
    "loads nothing": ("load_pretrained", OWN_NAMES + LOAD + "    return model\n"),
    "loads without transposing": ("load_pretrained", OWN_NAMES + OWN_LOADING.replace(
        "weight.T if weight.ndim == 2 else weight",
        "weight.reshape(model.get_parameter(f'layers.{i}.{a}.weight').shape)",
    )),
    "loads by name, strict off": ("load_pretrained", LOAD + """
    model.load_state_dict(state, strict=False)
    return model
"""),
    "loads with setattr": ("load_pretrained", ALL_IN_ONE.replace(
        "[model.p[n].copy_(v) for", "[setattr(model.p, n, nn.Parameter(v.clone().to(model.p[n]))) for"
    )),
    "loads by reference": ("load_pretrained", ALL_IN_ONE.replace(
        "model.p[n].copy_(v)", "setattr(model.p[n], 'data', v)"
    )),
    "loads heads by view": ("load_pretrained", ALL_IN_ONE.replace(
        'einops.rearrange(w, "d (h k) -> h d k", h=H)', "w.reshape(H, w.shape[0], -1)"
    )),
    "loads a key bias that no logit sees": (
        "load_pretrained",
        ALL_IN_ONE.replace(
            'g(f"h.{i}.attn.c_attn.bias").chunk(3)[j]', 'g(f"h.{i}.attn.c_attn.bias").chunk(3)[j if n != "K" else 0]'
        ),
    ),
    "loads only names with a prefix": ("load_pretrained", OWN_NAMES + OWN_LOADING.replace(
        'k.removeprefix("transformer."): v for k, v in state.items()',
        'k[12:]: v for k, v in state.items() if k.startswith("transformer.")',
    )),
    "loads names without a prefix": ("load_pretrained", OWN_NAMES + OWN_LOADING.replace(
        'k.removeprefix("transformer.")', "k"
    )),
    "loads and forgets to return": ("load_pretrained", OWN_NAMES + OWN_LOADING.replace("return model", "pass")),
    "init default of PyTorch": ("init_weights", INIT + """
    for p in model.parameters():
        if p.dim() > 1:
            nn.init.kaiming_uniform_(p, a=math.sqrt(5))
        else:
            nn.init.zeros_(p)
"""),
    "init with unit normal": ("init_weights", INIT + """
    for name, p in model.named_parameters():
        last = name.split(".")[-1]
        p.data.normal_(generator=generator) if "W_" in last else p.data.fill_(last == "w")
"""),
    "init by dimension": ("init_weights", INIT + """
    for name, p in model.named_parameters():
        if p.dim() > 1:
            s = 0.02 / math.sqrt(2 * n_layers) if name.endswith(("W_O", "W_out")) else 0.02
            nn.init.normal_(p, 0, s, generator=generator)
        else:
            nn.init.constant_(p, float(name.endswith(".w")))
"""),
    "init scales c_proj, which is not there": ("init_weights", INIT + """
    for name, p in model.named_parameters():
        last = name.split(".")[-1]
        if last.startswith("W"):
            s = 0.02 / math.sqrt(2 * n_layers) if name.endswith("c_proj.weight") else 0.02
            nn.init.normal_(p, 0, s, generator=generator)
        else:
            nn.init.constant_(p, float(last == "w"))
"""),
    "init twice, scaled on top": ("init_weights", INIT + """
    for name, p in model.named_parameters():
        last = name.split(".")[-1]
        if last.startswith("W"):
            nn.init.normal_(p, 0, 0.02, generator=generator)
        else:
            nn.init.constant_(p, float(last == "w"))
        if last in ("W_O", "W_out"):
            p.data *= 2 * n_layers ** -0.5
"""),
    "init with a seed of its own": ("init_weights", INIT + """
    torch.manual_seed(42)
    for name, p in model.named_parameters():
        last = name.split(".")[-1]
        if last.startswith("W"):
            nn.init.normal_(p, 0, 0.02 / math.sqrt(2 * n_layers) if last in ("W_O", "W_out") else 0.02)
        else:
            nn.init.constant_(p, float(last == "w"))
"""),
    "init by numpy": ("init_weights", "SOURCE = np.random.default_rng(5)\n" + INIT + """
    for name, p in model.named_parameters():
        last = name.split(".")[-1]
        if last.startswith("W"):
            s = 0.02 / math.sqrt(2 * n_layers) if last in ("W_O", "W_out") else 0.02
            p.data = torch.tensor(SOURCE.normal(0, s, p.shape), dtype=p.dtype)
        else:
            nn.init.constant_(p, float(last == "w"))
"""),
    "init truncated at two": ("init_weights", INIT + """
    for name, p in model.named_parameters():
        last = name.split(".")[-1]
        if last.startswith("W"):
            s = 0.02 / math.sqrt(2 * n_layers) if last in ("W_O", "W_out") else 0.02
            nn.init.trunc_normal_(p, 0, s, -2 * s, 2 * s, generator=generator)
        else:
            nn.init.constant_(p, float(last == "w"))
"""),
}  # fmt: skip


SAID = {
    "block in place": "`+=` changes the stream",
    "block without return": "is a `return` missing?",
    "block with other names": "no parameter `ln1.w`",
    "network without final norm": "final LayerNorm is missing",
    "network in a plain list": "no parameter `blocks.0",
    "network with one block many times": "first block is applied again and again",
    "own names, untied": "let it be W_E itself",
    "own names, default eps": "eps is not passed on",
    "own names, loading unfinished": "Use the stub's names, or write `load_pretrained` for yours",
    "loads only names with a prefix": "with `transformer.` in front and without",
    "loads names without a prefix": "with `transformer.` in front and without",
    "loads by reference": "changing one changes the other",
    "loads with setattr": "an optimiser made before holds the old ones",
    "init by dimension": "`blocks.0.attn.b_Q` should be 0 everywhere",
    "init twice, scaled on top": "expected 0.02 / sqrt(2 n_layers)",
    "init by numpy": "The generator is not used",
}


def grade(grader, name, source):
    """The verdict on a file in which all else is right: what `source` defines stands last, and so it counts."""
    whole = solution_source("gpt2") + IMPORTS + source
    return grader.grade(read_text("exercises.py", whole), [f"gpt2.{name}"]).verdicts[0]


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_passes_in_whatever_structure_it_is_written(grader, name):
    verdict = grade(grader, *RIGHT[name])
    assert verdict.passed and verdict.points == verdict.out_of, verdict


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_rejected_with_a_sentence(grader, name):
    verdict = grade(grader, *WRONG[name])
    assert verdict.status in ("failed", "error", "not_started") and verdict.points < verdict.out_of, verdict
    assert len(verdict.message) > 20 and SAID.get(name, "") in verdict.message, verdict
