"""Answers as people write them, right in many styles and wrong in many ways, that no checker was made from."""

import textwrap

import pytest

from headwork.grading.submission import read_text

IMPORTS = """
import math
import copy

import einops
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

"""

HEADS = {
    "gpt2.layer_norm": """
class LayerNorm(nn.Module):
    def __init__(self, width, eps=1e-5):
        super().__init__()
        self.eps = eps
        self.w = nn.Parameter(torch.ones(width))
        self.b = nn.Parameter(torch.zeros(width))

    def forward(self, x):
""",
    "gpt2.attention_pattern": "def attention_pattern(q, k):\n",
    "gpt2.top_p": "def top_p(logits, p, generator=None):\n",
    "gpt2.train": "def train(model, batches, learning_rate, weight_decay=0.01, max_norm=1.0):\n",
    "induction.run_with_hooks": "def run_with_hooks(model, tokens, hooks):\n",
}

RIGHT = [
    (
        "gpt2.layer_norm",
        "upcast typeas",
        """
        h = x.float()
        y = (h - h.mean(-1, True)) * torch.rsqrt(h.var(-1, unbiased=False, keepdim=True) + self.eps)
        return y.type_as(x) * self.w + self.b
        """,
    ),
    (
        "gpt2.layer_norm",
        "einops",
        """
        m = einops.reduce(x, "b p d -> b p 1", "mean")
        v = einops.reduce((x - m) ** 2, "b p d -> b p 1", "mean")
        return (x - m) / torch.sqrt(v + self.eps) * self.w + self.b
        """,
    ),
    (
        "gpt2.layer_norm",
        "loop rows",
        """
        out = torch.empty_like(x)
        for b in range(x.shape[0]):
            for p in range(x.shape[1]):
                r = x[b, p]
                out[b, p] = (r - r.mean()) / (
                    (r - r.mean()).pow(2).mean() + self.eps
                ).sqrt() * self.w + self.b
        return out
        """,
    ),
    (
        "gpt2.attention_pattern",
        "bias mask",
        """
        s = torch.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(q.size(-1))
        s = s + torch.full_like(s, float("-inf")).triu(1)
        return F.softmax(s, dim=-1)
        """,
    ),
    (
        "gpt2.attention_pattern",
        "arange float32 mask",
        """
        B, T, Hh, d = q.shape
        m = torch.tril(torch.ones(T, T)).view(1, 1, T, T)
        s = (q.transpose(1, 2) @ k.transpose(1, 2).transpose(-1, -2)) * (1.0 / math.sqrt(d))
        return s.masked_fill(m == 0, float("-inf")).softmax(-1)
        """,
    ),
    (
        "gpt2.attention_pattern",
        "rowloop",
        """
        B, T, Hh, d = q.shape
        out = torch.zeros(B, Hh, T, T, dtype=q.dtype)
        for i in range(T):
            s = torch.einsum("bhd,bkhd->bhk", q[:, i], k[:, : i + 1]) / d**0.5
            out[:, :, i, : i + 1] = s.softmax(-1)
        return out
        """,
    ),
    (
        "gpt2.attention_pattern",
        "renormalise right",
        """
        s = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5
        s = s.masked_fill(torch.ones_like(s).triu(1).bool(), -1e9)
        a = s.softmax(-1)
        return a / a.sum(-1, keepdim=True)
        """,
    ),
    (
        "gpt2.top_p",
        "scatter mask",
        """
        s, i = logits.sort(descending=True, dim=-1)
        c = s.softmax(-1).cumsum(-1)
        m = c >= p
        m[:, 1:] = m[:, :-1].clone()
        m[:, 0] = False
        rem = torch.zeros_like(m).scatter(1, i, m)
        return torch.multinomial(
            logits.masked_fill(rem, -float("inf")).softmax(-1), 1, generator=generator
        ).squeeze(-1)
        """,
    ),
    (
        "gpt2.top_p",
        "1-p ascending right",
        """
        s, i = logits.softmax(-1).sort(dim=-1)
        c = s.cumsum(-1)
        s = s.masked_fill(c <= 1 - p + 1e-12 if p < 1 else torch.zeros_like(s).bool(), 0)
        return i.gather(-1, torch.multinomial(s, 1, generator=generator)).squeeze(-1)
        """,
    ),
    (
        "gpt2.train",
        "betas foreach",
        """
        opt = torch.optim.AdamW(
            model.parameters(), lr=learning_rate, weight_decay=weight_decay, foreach=False
        )
        L = []
        model.train()
        for t in batches:
            opt.zero_grad()
            l = F.cross_entropy(model(t)[:, :-1].reshape(-1, model(t).shape[-1]), t[:, 1:].reshape(-1))
            l.backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            opt.step()
            L.append(l.item())
        return L
        """,
    ),
    (
        "induction.run_with_hooks",
        "dict names",
        """
        d = dict(model.named_modules())
        for n, _ in hooks:
            if n not in d:
                raise KeyError(n)
        hs = []
        try:
            for n, f in hooks:
                def g(m, i, o, f=f):
                    return f(o, m)
                hs.append(d[n].register_forward_hook(g))
            out = model(tokens)
        finally:
            [h.remove() for h in hs]
        return out
        """,
    ),
]

WRONG = [
    (
        "gpt2.layer_norm",
        "all axes",
        """
        return (x - x.mean()) / (x.var(unbiased=False) + self.eps).sqrt() * self.w + self.b
        """,
    ),
    (
        "gpt2.layer_norm",
        "axes 1 2",
        """
        m = x.mean((1, 2), keepdim=True)
        return (x - m) / (x.var((1, 2), correction=0, keepdim=True) + self.eps).sqrt() * self.w + self.b
        """,
    ),
    (
        "gpt2.layer_norm",
        "mean abs",
        """
        m = x.mean(-1, keepdim=True)
        d = (x - m).abs().mean(-1, keepdim=True)
        return (x - m) / (d + self.eps) * self.w + self.b
        """,
    ),
    (
        "gpt2.layer_norm",
        "E[x2] no mean sq",
        """
        m = x.mean(-1, keepdim=True)
        v = (x**2).mean(-1, keepdim=True)
        return (x - m) / (v + self.eps).sqrt() * self.w + self.b
        """,
    ),
    (
        "gpt2.layer_norm",
        "forgot return",
        """
        y = x - x.mean(-1, True)
        y * self.w
        """,
    ),
    (
        "gpt2.layer_norm",
        "keepdim missing",
        """
        m = x.mean(-1)
        return (x - m) * self.w
        """,
    ),
    (
        "gpt2.layer_norm",
        "nn.LayerNorm",
        """
        l = nn.LayerNorm(x.shape[-1], self.eps, dtype=x.dtype)
        l.weight = self.w
        l.bias = self.b
        return l(x)
        """,
    ),
    (
        "gpt2.layer_norm",
        "data",
        """
        m = x.data.mean(-1, True)
        return (x - m) / (
            x.data.var(-1, correction=0, keepdim=True) + self.eps
        ).sqrt() * self.w + self.b
        """,
    ),
    (
        "gpt2.layer_norm",
        "numpy",
        """

        a = x.detach().numpy()
        a = (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + self.eps)
        return torch.tensor(a) * self.w + self.b
        """,
    ),
    (
        "gpt2.layer_norm",
        "in place",
        """
        x -= x.mean(-1, keepdim=True)
        x /= (x.pow(2).mean(-1, keepdim=True) + self.eps).sqrt()
        return x * self.w + self.b
        """,
    ),
    (
        "gpt2.layer_norm",
        "mask zeros",
        """
        return torch.zeros_like(x)
        """,
    ),
    (
        "gpt2.attention_pattern",
        "rowloop float32",
        """
        B, T, Hh, d = q.shape
        out = torch.zeros(B, Hh, T, T)
        for i in range(T):
            s = torch.einsum("bhd,bkhd->bhk", q[:, i], k[:, : i + 1]) / d**0.5
            out[:, :, i, : i + 1] = s.softmax(-2)
        return out
        """,
    ),
    (
        "gpt2.attention_pattern",
        "renormalised after",
        """
        s = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5
        a = s.softmax(-1).tril()
        return a
        """,
    ),
    (
        "gpt2.attention_pattern",
        "shape order",
        """
        s = torch.einsum("bqhd,bkhd->bqhk", q, k) / q.shape[-1] ** 0.5
        m = torch.ones(q.shape[1], q.shape[1]).triu(1).bool()
        return s.masked_fill(m[:, None], -1e9).softmax(-1)
        """,
    ),
    (
        "gpt2.attention_pattern",
        "scale in exponent twice",
        """
        s = torch.einsum("bqhd,bkhd->bhqk", q / q.shape[-1] ** 0.5, k / q.shape[-1] ** 0.5)
        return s.masked_fill(torch.ones_like(s).triu(1).bool(), -1e9).softmax(-1)
        """,
    ),
    (
        "gpt2.top_p",
        "keepdim shape",
        """
        s, i = logits.softmax(-1).sort(descending=True, dim=-1)
        b = s.cumsum(-1) - s
        s = s.masked_fill(b >= p, 0)
        return i.gather(-1, torch.multinomial(s, 1, generator=generator))
        """,
    ),
    (
        "gpt2.top_p",
        "1-p ascending",
        """
        s, i = logits.softmax(-1).sort(dim=-1)
        c = s.cumsum(-1)
        s = s.masked_fill(c < p, 0)
        return i.gather(-1, torch.multinomial(s, 1, generator=generator)).squeeze(-1)
        """,
    ),
    (
        "gpt2.top_p",
        "global manual seed",
        """
        torch.manual_seed(0)
        s, i = logits.softmax(-1).sort(descending=True, dim=-1)
        b = s.cumsum(-1) - s
        s = s.masked_fill(b >= p, 0)
        return i.gather(-1, torch.multinomial(s, 1)).squeeze(-1)
        """,
    ),
    (
        "gpt2.train",
        "zero between backward and step",
        """
        opt = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
        L = []
        for t in batches:
            l = F.cross_entropy(model(t)[:, :-1].flatten(0, 1), t[:, 1:].flatten())
            l.backward()
            opt.zero_grad()
            opt.step()
            L.append(l.item())
        return L
        """,
    ),
    (
        "gpt2.train",
        "zero after step only",
        """
        opt = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
        L = []
        for t in batches:
            l = F.cross_entropy(model(t)[:, :-1].flatten(0, 1), t[:, 1:].flatten())
            l.backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            opt.step()
            opt.zero_grad()
            L.append(l.item())
        return L
        """,
    ),
    (
        "gpt2.train",
        "shift other way",
        """
        opt = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
        L = []
        for t in batches:
            opt.zero_grad()
            l = F.cross_entropy(model(t)[:, 1:].flatten(0, 1), t[:, :-1].flatten())
            l.backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            opt.step()
            L.append(l.item())
        return L
        """,
    ),
    (
        "gpt2.train",
        "loss after step",
        """
        opt = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
        L = []
        f = lambda t: F.cross_entropy(model(t)[:, :-1].flatten(0, 1), t[:, 1:].flatten())
        for t in batches:
            opt.zero_grad()
            l = f(t)
            l.backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            opt.step()
            L.append(f(t).item())
        return L
        """,
    ),
    (
        "gpt2.train",
        "lr hard",
        """
        opt = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=weight_decay)
        L = []
        for t in batches:
            opt.zero_grad()
            l = F.cross_entropy(model(t)[:, :-1].flatten(0, 1), t[:, 1:].flatten())
            l.backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            opt.step()
            L.append(l.item())
        return L
        """,
    ),
    (
        "gpt2.train",
        "no return",
        """
        opt = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
        for t in batches:
            opt.zero_grad()
            l = F.cross_entropy(model(t)[:, :-1].flatten(0, 1), t[:, 1:].flatten())
            l.backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            opt.step()
        """,
    ),
    (
        "gpt2.train",
        "mean of losses",
        """
        opt = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
        L = []
        for t in batches:
            opt.zero_grad()
            l = F.cross_entropy(model(t)[:, :-1].flatten(0, 1), t[:, 1:].flatten())
            l.backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            opt.step()
            L.append(l.item())
        return sum(L) / len(L)
        """,
    ),
    (
        "induction.run_with_hooks",
        "late binding def",
        """
        d = dict(model.named_modules())
        hs = []
        try:
            for n, f in [(d[n], f) for n, f in hooks]:
                def g(m, i, o):
                    return f(o, m)
                hs.append(n.register_forward_hook(g))
            return model(tokens)
        finally:
            for h in hs:
                h.remove()
        """,
    ),
    (
        "induction.run_with_hooks",
        "or output",
        """
        d = dict(model.named_modules())
        t = [(d[n], f) for n, f in hooks]
        hs = []
        try:
            for n, f in t:
                def g(m, i, o, f=f):
                    return f(o, m) or o
                hs.append(n.register_forward_hook(g))
            return model(tokens)
        finally:
            for h in hs:
                h.remove()
        """,
    ),
    (
        "induction.run_with_hooks",
        "attach fails leaves",
        """
        d = dict(model.named_modules())
        hs = []
        for n, f in hooks:
            hs.append(d[n].register_forward_hook(lambda m, i, o, f=f: f(o, m)))
        try:
            return model(tokens)
        finally:
            for h in hs:
                h.remove()
        """,
    ),
    (
        "induction.run_with_hooks",
        "pre hook",
        """
        d = dict(model.named_modules())
        t = [(d[n], f) for n, f in hooks]
        hs = []
        try:
            for n, f in t:
                hs.append(n.register_forward_pre_hook(lambda m, i, f=f: f(i[0], m)))
            return model(tokens)
        finally:
            for h in hs:
                h.remove()
        """,
    ),
    (
        "induction.run_with_hooks",
        "deepcopy",
        """

        m2 = copy.deepcopy(model)
        d = dict(m2.named_modules())
        for n, f in [(d[n], f) for n, f in hooks]:
            n.register_forward_hook(lambda m, i, o, f=f: f(o, m))
        return m2(tokens)
        """,
    ),
    (
        "induction.run_with_hooks",
        "args swapped",
        """
        d = dict(model.named_modules())
        t = [(d[n], f) for n, f in hooks]
        hs = []
        try:
            for n, f in t:
                hs.append(n.register_forward_hook(lambda m, i, o, f=f: f(m, o)))
            return model(tokens)
        finally:
            for h in hs:
                h.remove()
        """,
    ),
]


def grade(grader, id, body):
    indent = "        " if id == "gpt2.layer_norm" else "    "
    source = IMPORTS + HEADS[id] + textwrap.indent(textwrap.dedent(body).strip("\n"), indent)
    return grader.grade(read_text("exercises.py", source), [id]).verdicts[0]


@pytest.mark.parametrize(("id", "name", "body"), RIGHT, ids=[name for _, name, _ in RIGHT])
def test_a_right_answer_passes_however_it_is_written(grader, id, name, body):
    verdict = grade(grader, id, body)
    assert verdict.passed and verdict.points == verdict.out_of, verdict


@pytest.mark.parametrize(("id", "name", "body"), WRONG, ids=[name for _, name, _ in WRONG])
def test_a_wrong_answer_is_rejected_with_a_sentence(grader, id, name, body):
    verdict = grade(grader, id, body)
    assert verdict.status in ("failed", "error", "forbidden") and verdict.points < verdict.out_of, verdict
    assert len(verdict.message) > 20, verdict
