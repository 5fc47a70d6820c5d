"""Answers to `kv_cache` as people write them, right and wrong, that no checker was made from."""

# ruff: noqa: E501 (the lines are as long as people write them)

import pytest

from headwork.grading.submission import read_text

START = """
import copy
import math

import einops
import torch
import torch.nn.functional as F

STORE = None

def attend(attn, h, k, v, start):
    q = torch.einsum("bpm,hmd->bphd", h, attn.W_Q) + attn.b_Q
    s = torch.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(q.shape[-1])
    n, m = s.shape[-2:]
    allowed = torch.arange(m)[None, :] <= torch.arange(start, start + n)[:, None]
    s = s.masked_fill(~allowed, -1e9)
    z = torch.einsum("bhqk,bkhd->bqhd", s.softmax(-1), v)
    return torch.einsum("bqhd,hdm->bqm", z, attn.W_O) + attn.b_O

def kv(attn, h):
    return (torch.einsum("bpm,hmd->bphd", h, attn.W_K) + attn.b_K, torch.einsum("bpm,hmd->bphd", h, attn.W_V) + attn.b_V)


def forward_with_cache(model, tokens, cache=None):
"""

RIGHT = [
    (
        "dict of lists",
        """
    if cache is None:
        cache = {"k": [None] * len(model.blocks), "v": [None] * len(model.blocks), "n": 0}
    n = cache["n"]
    x = model.embed(tokens, start=n)
    ks, vs = [], []
    for i, b in enumerate(model.blocks):
        h = b.ln1(x)
        k, v = kv(b.attn, h)
        if cache["k"][i] is not None:
            k = torch.cat((cache["k"][i], k), dim=1)
            v = torch.cat((cache["v"][i], v), dim=1)
        ks.append(k); vs.append(v)
        x = x + attend(b.attn, h, k, v, n)
        x = x + b.mlp(b.ln2(x))
    return model.ln_final(x) @ model.embed.W_E.t(), {"k": ks, "v": vs, "n": n + tokens.shape[1]}
""",
    ),
    (
        "deepcopy then in place",
        """
    cache = copy.deepcopy(cache) if cache is not None else [[] for _ in model.blocks]
    past = cache[0][0].shape[1] if cache[0] else 0
    x = model.embed.W_E[tokens] + model.embed.W_pos[past : past + tokens.shape[1]]
    for b, layer in zip(model.blocks, cache):
        h = b.ln1(x)
        k, v = kv(b.attn, h)
        if layer:
            layer[0] = torch.cat([layer[0], k], 1)
            layer[1] = torch.cat([layer[1], v], 1)
        else:
            layer += [k, v]
        x = x + attend(b.attn, h, layer[0], layer[1], past)
        x = x + b.mlp(b.ln2(x))
    return einops.einsum(model.ln_final(x), model.embed.W_E, "b p m, v m -> b p v"), cache
""",
    ),
    (
        "sdpa, no mask for one",
        """
    past = 0 if cache is None else cache[0][0].shape[2]
    x, new = model.embed(tokens, past), []
    for i, b in enumerate(model.blocks):
        h = b.ln1(x); a = b.attn
        q, k, v = ((torch.einsum("bpm,hmd->bhpd", h, w) + c[:, None]) for w, c in ((a.W_Q, a.b_Q), (a.W_K, a.b_K), (a.W_V, a.b_V)))
        if cache is not None:
            k, v = torch.cat([cache[i][0], k], 2), torch.cat([cache[i][1], v], 2)
        new.append((k, v))
        n, m = q.shape[2], k.shape[2]
        z = F.scaled_dot_product_attention(q, k, v, attn_mask=None if n == 1 else torch.ones(n, m, dtype=torch.bool).tril(m - n))
        x = x + torch.einsum("bhpd,hdm->bpm", z, a.W_O) + a.b_O
        x = x + b.mlp(b.ln2(x))
    return model.ln_final(x) @ model.embed.W_E.T, tuple(new)
""",
    ),
    (
        "token by token",
        """
    state = list(cache) if cache is not None else []
    outs = []
    for t in range(tokens.shape[1]):
        x = model.embed(tokens[:, t:t + 1], start=state[-1] if state else 0)
        layers = state[:-1] if state else [None] * len(model.blocks)
        new = []
        for b, old in zip(model.blocks, layers):
            h = b.ln1(x)
            k, v = kv(b.attn, h)
            if old is not None:
                k, v = torch.cat([old[0], k], 1), torch.cat([old[1], v], 1)
            new.append((k, v))
            x = x + attend(b.attn, h, k, v, k.shape[1] - 1)
            x = x + b.mlp(b.ln2(x))
        state = new + [(state[-1] if state else 0) + 1]
        outs.append(model.ln_final(x) @ model.embed.W_E.T)
    return torch.cat(outs, 1), state
""",
    ),
]

WRONG = [
    (
        "calls model",
        """
    return model(tokens), tokens
""",
    ),
    (
        "calls attn",
        """
    past = cache[0][0].shape[1] if cache else 0
    x, new = model.embed(tokens, start=past), []
    for i, b in enumerate(model.blocks):
        h = b.ln1(x)
        k, v = kv(b.attn, h)
        if cache:
            k, v = torch.cat([cache[i][0], k], 1), torch.cat([cache[i][1], v], 1)
        new.append((k, v))
        x = x + b.attn(h)
        x = x + b.mlp(b.ln2(x))
    return model.ln_final(x) @ model.embed.W_E.T, new
""",
    ),
    (
        "cat dim 0",
        """
    past = cache[0][0].shape[1] if cache else 0
    x, new = model.embed(tokens, start=past), []
    for i, b in enumerate(model.blocks):
        h = b.ln1(x)
        k, v = kv(b.attn, h)
        if cache:
            k, v = torch.cat([cache[i][0], k], 0), torch.cat([cache[i][1], v], 0)
        new.append((k, v))
        x = x + attend(b.attn, h, k, v, past)
        x = x + b.mlp(b.ln2(x))
    return model.ln_final(x) @ model.embed.W_E.T, new
""",
    ),
    (
        "mask start 0",
        """
    past = cache[0][0].shape[1] if cache else 0
    x, new = model.embed(tokens, start=past), []
    for i, b in enumerate(model.blocks):
        h = b.ln1(x)
        k, v = kv(b.attn, h)
        if cache:
            k, v = torch.cat([cache[i][0], k], 1), torch.cat([cache[i][1], v], 1)
        new.append((k, v))
        x = x + attend(b.attn, h, k, v, 0)
        x = x + b.mlp(b.ln2(x))
    return model.ln_final(x) @ model.embed.W_E.T, new
""",
    ),
    (
        "mask future",
        """
    past = cache[0][0].shape[1] if cache else 0
    x, new = model.embed(tokens, start=past), []
    for i, b in enumerate(model.blocks):
        h = b.ln1(x)
        k, v = kv(b.attn, h)
        if cache:
            k, v = torch.cat([cache[i][0], k], 1), torch.cat([cache[i][1], v], 1)
        new.append((k, v))
        x = x + attend(b.attn, h, k, v, past + 1)
        x = x + b.mlp(b.ln2(x))
    return model.ln_final(x) @ model.embed.W_E.T, new
""",
    ),
    (
        "list aliasing",
        """
    past = cache[0][0].shape[1] if cache else 0
    x = model.embed(tokens, start=past)
    new = cache if cache is not None else []
    for i, b in enumerate(model.blocks):
        h = b.ln1(x)
        k, v = kv(b.attn, h)
        if cache:
            k, v = torch.cat([cache[i][0], k], 1), torch.cat([cache[i][1], v], 1)
        new[i:i+1] = [(k, v)]
        x = x + attend(b.attn, h, k, v, past)
        x = x + b.mlp(b.ln2(x))
    return model.ln_final(x) @ model.embed.W_E.T, new
""",
    ),
    (
        "extend append",
        """
    past = cache[0][0].shape[1] if cache else 0
    x, new = model.embed(tokens, start=past), []
    for i, b in enumerate(model.blocks):
        h = b.ln1(x)
        k, v = kv(b.attn, h)
        if cache:
            k, v = torch.cat([cache[i][0], k], 1), torch.cat([cache[i][1], v], 1)
        new.append((k, v)) if cache is None else cache.__setitem__(i, (k, v))
        x = x + attend(b.attn, h, k, v, past)
        x = x + b.mlp(b.ln2(x))
    return model.ln_final(x) @ model.embed.W_E.T, cache if cache is not None else new
""",
    ),
    (
        "global cache",
        """
    global STORE
    if cache is None and tokens.shape[1] > 1:
        STORE = None
    cache = STORE

    past = cache[0][0].shape[1] if cache else 0
    x, new = model.embed(tokens, start=past), []
    for i, b in enumerate(model.blocks):
        h = b.ln1(x)
        k, v = kv(b.attn, h)
        if cache:
            k, v = torch.cat([cache[i][0], k], 1), torch.cat([cache[i][1], v], 1)
        new.append((k, v))
        x = x + attend(b.attn, h, k, v, past)
        x = x + b.mlp(b.ln2(x))
    STORE = new
    return model.ln_final(x) @ model.embed.W_E.T, None
""",
    ),
    (
        "last logits",
        """
    past = cache[0][0].shape[1] if cache else 0
    x, new = model.embed(tokens, start=past), []
    for i, b in enumerate(model.blocks):
        h = b.ln1(x)
        k, v = kv(b.attn, h)
        if cache:
            k, v = torch.cat([cache[i][0], k], 1), torch.cat([cache[i][1], v], 1)
        new.append((k, v))
        x = x + attend(b.attn, h, k, v, past)
        x = x + b.mlp(b.ln2(x))
    return model.ln_final(x)[:, -1] @ model.embed.W_E.T, new
""",
    ),
    (
        "logits only",
        """
    past = cache[0][0].shape[1] if cache else 0
    x, new = model.embed(tokens, start=past), []
    for i, b in enumerate(model.blocks):
        h = b.ln1(x)
        k, v = kv(b.attn, h)
        if cache:
            k, v = torch.cat([cache[i][0], k], 1), torch.cat([cache[i][1], v], 1)
        new.append((k, v))
        x = x + attend(b.attn, h, k, v, past)
        x = x + b.mlp(b.ln2(x))
    return model.ln_final(x) @ model.embed.W_E.T
""",
    ),
    (
        "swapped return",
        """
    past = cache[0][0].shape[1] if cache else 0
    x, new = model.embed(tokens, start=past), []
    for i, b in enumerate(model.blocks):
        h = b.ln1(x)
        k, v = kv(b.attn, h)
        if cache:
            k, v = torch.cat([cache[i][0], k], 1), torch.cat([cache[i][1], v], 1)
        new.append((k, v))
        x = x + attend(b.attn, h, k, v, past)
        x = x + b.mlp(b.ln2(x))
    return new, model.ln_final(x) @ model.embed.W_E.T
""",
    ),
    (
        "only last kv",
        """
    past = cache[0][0].shape[1] if cache else 0
    x, new = model.embed(tokens, start=past), []
    for i, b in enumerate(model.blocks):
        h = b.ln1(x)
        k, v = kv(b.attn, h)
        if cache:
            k, v = torch.cat([cache[i][0], k], 1), torch.cat([cache[i][1], v], 1)
        new.append((k[:, -1:], v[:, -1:]))
        x = x + attend(b.attn, h, k, v, past)
        x = x + b.mlp(b.ln2(x))
    return model.ln_final(x) @ model.embed.W_E.T, new
""",
    ),
    (
        "cache q",
        """
    past = cache[0][0].shape[1] if cache else 0
    x, new = model.embed(tokens, start=past), []
    for i, b in enumerate(model.blocks):
        h = b.ln1(x)
        k, v = kv(b.attn, h)
        if cache:
            k, v = torch.cat([cache[i][0], k], 1), torch.cat([cache[i][1], v], 1)
        new.append((h, v))
        x = x + attend(b.attn, h, k, v, past)
        x = x + b.mlp(b.ln2(x))
    return model.ln_final(x) @ model.embed.W_E.T, new
""",
    ),
    (
        "reproject",
        """
    past = cache[0].shape[1] if cache else 0
    x, new = model.embed(tokens, start=past), []
    for i, b in enumerate(model.blocks):
        h = b.ln1(x)
        full = torch.cat([cache[i], h], 1) if cache else h
        new.append(full)
        k, v = kv(b.attn, full)
        x = x + attend(b.attn, h, k, v, past)
        x = x + b.mlp(b.ln2(x))
    return model.ln_final(x) @ model.embed.W_E.T, new
""",
    ),
    (
        "reproject residual",
        """
    past = cache[0].shape[1] if cache else 0
    x, new = model.embed(tokens, start=past), []
    for i, b in enumerate(model.blocks):
        full = torch.cat([cache[i], x], 1) if cache else x
        new.append(full)
        k, v = kv(b.attn, b.ln1(full))
        x = x + attend(b.attn, b.ln1(x), k, v, past)
        x = x + b.mlp(b.ln2(x))
    return model.ln_final(x) @ model.embed.W_E.T, new
""",
    ),
    (
        "recompute last unembed only",
        """
    full = tokens if cache is None else torch.cat([cache, tokens], 1)
    x = model.embed(full)
    for b in model.blocks:
        h = b.ln1(x)
        k, v = kv(b.attn, h)
        x = x + attend(b.attn, h, k, v, 0)
        x = x + b.mlp(b.ln2(x))
    return model.ln_final(x[:, -tokens.shape[1]:]) @ model.embed.W_E.T, full
""",
    ),
    (
        "recompute whenever several",
        """
    if cache is not None and tokens.shape[1] > 1:
        outs = []
        for t in range(tokens.shape[1]):
            o, _ = forward_with_cache(model, tokens[:, t:t+1], cache)
            outs.append(o)
        return torch.cat(outs, 1), cache
    past = cache[0][0].shape[1] if cache else 0
    x, new = model.embed(tokens, start=past), []
    for i, b in enumerate(model.blocks):
        h = b.ln1(x)
        k, v = kv(b.attn, h)
        if cache:
            k, v = torch.cat([cache[i][0], k], 1), torch.cat([cache[i][1], v], 1)
        new.append((k, v))
        x = x + attend(b.attn, h, k, v, past)
        x = x + b.mlp(b.ln2(x))
    return model.ln_final(x) @ model.embed.W_E.T, new
""",
    ),
    (
        "static wrong inplace",
        """
    if cache is None:
        a = model.blocks[0].attn.W_K
        shape = (len(model.blocks), tokens.shape[0], model.embed.W_pos.shape[0], a.shape[0], a.shape[2])
        cache = [torch.zeros(shape, dtype=a.dtype), torch.zeros(shape, dtype=a.dtype), 0]
    K, V, past = cache
    n = past + tokens.shape[1]
    x = model.embed(tokens, start=past)
    for i, b in enumerate(model.blocks):
        h = b.ln1(x)
        K[i, :, past:n], V[i, :, past:n] = kv(b.attn, h)
        x = x + attend(b.attn, h, K[i, :, :n], V[i, :, :n], past)
        x = x + b.mlp(b.ln2(x))
    return model.ln_final(x) @ model.embed.W_E.T, [K, V, n]
""",
    ),
]


def grade(grader, body):
    return grader.grade(read_text("exercises.py", START + body.strip("\n") + "\n"), ["gpt2.kv_cache"]).verdicts[0]


@pytest.mark.parametrize(("name", "body"), RIGHT, ids=[name for name, _ in RIGHT])
def test_a_right_answer_passes_however_it_is_written(grader, name, body):
    verdict = grade(grader, body)
    assert verdict.passed and verdict.points == verdict.out_of, verdict


@pytest.mark.parametrize(("name", "body"), WRONG, ids=[name for name, _ in WRONG])
def test_a_wrong_answer_is_rejected_with_a_sentence(grader, name, body):
    verdict = grade(grader, body)
    assert verdict.status in ("failed", "error") and verdict.points < verdict.out_of, verdict
    assert len(verdict.message) > 20, verdict
