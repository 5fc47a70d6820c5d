"""Answers to chapter `ioi` on single paths, as people write them, that no checker was made from."""

# ruff: noqa: E501 (the lines are as long as people write them)
import pytest

from headwork.tests.natural import assert_passed, assert_rejected, grade, in_function, listed

SIGNATURES = {
    "path_patch": "model, clean, corrupted, end, metric, mlps",
    "path_patch_through": "model, clean, corrupted, end, metric, receivers, mlps",
    "attribution_patch_qk": "model, clean, corrupted, end, metric",
    "token_or_position": "model, clean, twins, end, metric, heads",
    "grad_drop": "model, clean, corrupted, end, metric",
}

DIRECT = """
L, H = model.config.n_layers, model.config.n_heads
with torch.no_grad():
    _, a = model.run_with_cache(clean)
    _, b = model.run_with_cache(corrupted)
    res = torch.zeros(L, H, len(clean), dtype=model.embed.W_E.dtype)
    for l in range(L):
        for h in range(H):
            hooks = []
            for i in range(L):
                z = a[f"blocks.{i}.attn.hook_z"].clone()
                if i == l:
                    z[:, :, h] = b[f"blocks.{i}.attn.hook_z"][:, :, h]
                hooks.append((f"blocks.{i}.attn.hook_z", lambda _, hook, z=z: z))
                if not mlps and not model.config.attn_only:
                    hooks.append((f"blocks.{i}.hook_mlp_out", lambda _, hook: a[hook.name]))
            out = model.run_with_hooks(clean, hooks)
            res[l, h] = metric(out[torch.arange(len(end)), end])
return res
"""

THROUGH = """
L, H = model.config.n_layers, model.config.n_heads
r = torch.arange(len(end))
with torch.no_grad():
    _, a = model.run_with_cache(clean)
    _, b = model.run_with_cache(corrupted)
    out = torch.zeros(L, H, len(clean), dtype=model.embed.W_E.dtype)
    for l in range(L):
        for h in range(H):
            def freeze(z, hook):
                z = a[hook.name].clone()
                if hook.name == f"blocks.{l}.attn.hook_z":
                    z[:, :, h] = b[hook.name][:, :, h]
                return z
            hooks = [(f"blocks.{i}.attn.hook_z", freeze) for i in range(L)]
            if not mlps and not model.config.attn_only:
                hooks += [(f"blocks.{i}.hook_mlp_out", lambda m, hook: a[hook.name]) for i in range(L)]
            with model.hooks(hooks):
                _, c = model.run_with_cache(clean)
            second = []
            for (i, j, part) in receivers:
                def put(x, hook, i=i, j=j):
                    x = x.clone()
                    x[:, :, j] = c[hook.name][:, :, j]
                    return x
                second.append((f"blocks.{i}.attn.hook_{part}", put))
            out[l, h] = metric(model.run_with_hooks(clean, second)[r, end])
return out
"""

QUERIES_AND_KEYS = """
L, H, P = model.config.n_layers, model.config.n_heads, clean.shape[1]
ns = [f"blocks.{l}.attn.hook_{x}" for l in range(L) for x in ("q", "k", "pattern")]
with torch.no_grad():
    _, good = model.run_with_cache(clean, ns)
logits, bad = model.run_with_cache(corrupted, ns)
m = metric(logits[torch.arange(len(end)), end])
pats = [bad[f"blocks.{l}.attn.hook_pattern"] for l in range(L)]
grads = torch.autograd.grad(m.sum(), pats)
mask = torch.tril(torch.ones(P, P)).bool()
def attn(q, k):
    s = q.transpose(1, 2) @ k.permute(0, 2, 3, 1) / math.sqrt(q.shape[-1])
    return s.masked_fill(~mask, -1e9).softmax(-1)
qs = torch.zeros(L, H, P, len(end), dtype=m.dtype)
ks = torch.zeros(L, H, P, len(end), dtype=m.dtype)
for l in range(L):
    q, k = bad[f"blocks.{l}.attn.hook_q"].detach(), bad[f"blocks.{l}.attn.hook_k"].detach()
    q2, k2 = good[f"blocks.{l}.attn.hook_q"], good[f"blocks.{l}.attn.hook_k"]
    old = attn(q, k)
    for p in range(P):
        qq = q.clone(); qq[:, p] = q2[:, p]
        kk = k.clone(); kk[:, p] = k2[:, p]
        qs[l, :, p] = ((attn(qq, k) - old) * grads[l]).sum((-1, -2)).T
        ks[l, :, p] = ((attn(q, kk) - old) * grads[l]).sum((-1, -2)).T
return qs, ks
"""

SIGNALS = """
r = torch.arange(len(end))
def run(kind):
    _, c = model.run_with_cache(twins[kind], lambda n: n.endswith("hook_z"))
    def hook(z, hook):
        z = z.clone()
        l = int(hook.name.split(".")[1])
        for a, h in heads:
            if a == l:
                z[r, end, h] = c[hook.name][r, end, h]
        return z
    return metric(model.run_with_hooks(clean, [(list(c), hook)])[r, end])
with torch.no_grad():
    m00 = metric(model(clean)[r, end])
    m10, m01, m11 = run("names"), run("order"), run("s2")
return (m10 - m00 + m11 - m01) / 2, (m01 - m00 + m11 - m10) / 2
"""

DROPPED = """
L, H = model.config.n_layers, model.config.n_heads
zn = [f"blocks.{i}.attn.hook_z" for i in range(L)]
with torch.no_grad():
    _, good = model.run_with_cache(clean, zn)
acc = 0
for drop in range(L):
    store = {}
    def save(z, hook):
        store[hook.name] = z
    cut = [f"blocks.{drop}.hook_attn_out"] + ([] if model.config.attn_only else [f"blocks.{drop}.hook_mlp_out"])
    out = model.run_with_hooks(corrupted, [(zn, save), (cut, lambda x, hook: x.detach())])
    m = metric(out[torch.arange(len(end)), end]).sum()
    gs = torch.autograd.grad(m, [store[n] for n in zn], allow_unused=True)
    est = []
    for n, g in zip(zn, gs):
        d = good[n] - store[n].detach()
        est.append(torch.zeros(H, len(end), dtype=d.dtype) if g is None else (d * g).sum(dim=(1, 3)).T)
    acc = acc + torch.stack(est).abs()
return acc / (L - 1)
"""

RIGHT = [
    ("path_patch", "closures over z", DIRECT),
    ("path_patch", "streams by hand, no hooks", """
L, H = model.config.n_layers, model.config.n_heads
_, a = model.run_with_cache(clean); _, b = model.run_with_cache(corrupted)
r = torch.arange(len(end))
res = []
for l in range(L):
    row = []
    for h in range(H):
        n = f"blocks.{l}.attn.hook_z"
        delta = (b[n] - a[n])[:, :, h] @ model.blocks[l].attn.W_O[h]
        if mlps and not model.config.attn_only:
            for i in range(l, L):
                mid = a[f"blocks.{i}.hook_resid_mid"] + delta
                blk = model.blocks[i]
                new = blk.mlp(blk.ln2(mid))
                delta = delta + new - a[f"blocks.{i}.hook_mlp_out"]
        final = a[f"blocks.{L-1}.hook_resid_post"] + delta
        row.append(metric(model.unembed(model.ln_final(final[r, end]))))
    res.append(torch.stack(row))
return torch.stack(res).detach()
"""),
    ("path_patch_through", "by hand from the stream", """
L, H = model.config.n_layers, model.config.n_heads
r = torch.arange(len(end))
_, a = model.run_with_cache(clean)
_, b = model.run_with_cache(corrupted)
def stream(l, h, upto):
    n = f"blocks.{l}.attn.hook_z"
    if upto <= l: return a[f"blocks.{upto}.hook_resid_pre"]
    d = torch.einsum("bpd,dm->bpm", b[n][:, :, h] - a[n][:, :, h], model.blocks[l].attn.W_O[h])
    for i in range(l, upto):
        if mlps and not model.config.attn_only:
            d = d + model.blocks[i].mlp(model.blocks[i].ln2(a[f"blocks.{i}.hook_resid_mid"] + d)) - a[f"blocks.{i}.hook_mlp_out"]
    return a[f"blocks.{upto}.hook_resid_pre"] + d
rows = []
for l in range(L):
    for h in range(H):
        new = {}
        for i, j, part in receivers:
            att = model.blocks[i].attn
            x = model.blocks[i].ln1(stream(l, h, i))
            new[i, j, part] = x @ getattr(att, "W_" + part.upper())[j] + getattr(att, "b_" + part.upper())[j]
        def put(x, hook):
            for (i, j, part), v in new.items():
                if hook.name == f"blocks.{i}.attn.hook_{part}":
                    x = x.clone(); x[:, :, j] = v
            return x
        names = list({f"blocks.{i}.attn.hook_{p}" for i, _, p in receivers})
        rows.append(metric(model.run_with_hooks(clean, [(names, put)])[r, end]).detach())
return torch.stack(rows).reshape(L, H, -1)
"""),
    ("attribution_patch_qk", "hooks recompute by the model", """
L, H, P = model.config.n_layers, model.config.n_heads, clean.shape[1]
get = lambda n: n.endswith(("hook_q", "hook_k", "hook_pattern"))
_, good = model.run_with_cache(clean, get)
logits, bad = model.run_with_cache(corrupted, get)
names = [f"blocks.{l}.attn.hook_pattern" for l in range(L)]
g = torch.autograd.grad(metric(logits[range(len(end)), end]).sum(), [bad[n] for n in names])
res = {}
for part in "qk":
    for l in range(L):
        for p in range(P):
            n = f"blocks.{l}.attn.hook_{part}"
            def put(x, hook):
                return torch.cat([x[:, :p], good[n][:, p:p+1], x[:, p+1:]], 1)
            with torch.no_grad(), model.hooks([(n, put)]):
                _, c = model.run_with_cache(corrupted, [names[l]])
            res[part, l, p] = ((c[names[l]] - bad[names[l]].detach()) * g[l]).sum((2, 3)).T
return tuple(torch.stack([torch.stack([res[part, l, p] for p in range(P)], 1) for l in range(L)]) for part in "qk")
"""),
    ("token_or_position", "masks", """
B, P = clean.shape
at = F.one_hot(end, P).bool()
L, H = model.config.n_layers, model.config.n_heads
which = torch.zeros(L, H, dtype=torch.bool)
for l, h in heads: which[l, h] = True
def f(donor):
    _, c = model.run_with_cache(donor)
    hooks = [(f"blocks.{l}.attn.hook_z", lambda z, hook, l=l: torch.where(at[:, :, None, None] & which[l][None, None, :, None], c[hook.name], z)) for l in range(L)]
    out = model.run_with_hooks(clean, hooks)
    return metric((out * at[..., None].to(out.dtype)).sum(1))
a, b, c, d = f(clean), f(twins["names"]), f(twins["order"]), f(twins["s2"])
both = d - a
inter = b - c
return (both + inter) / 2, (both - inter) / 2
"""),
    ("grad_drop", "one run, tensor hooks", """
L, H = model.config.n_layers, model.config.n_heads
zn = [f"blocks.{i}.attn.hook_z" for i in range(L)]
written = [n for n in model.hook_points if n.endswith(("hook_attn_out", "hook_mlp_out"))]
_, good = model.run_with_cache(clean, zn)
dropped = [None]
def watch(x, hook):
    layer = int(hook.name.split(".")[1])
    x = x.clone()
    x.register_hook(lambda g: g * 0 if dropped[0] == layer else g)
    return x
with model.hooks([(written, watch)]):
    out, bad = model.run_with_cache(corrupted, zn)
m = metric(out[torch.arange(len(end)), end])
total = torch.zeros(L, H, len(end), dtype=m.dtype)
for l in range(L):
    dropped[0] = l
    grads = torch.autograd.grad(m.sum(), [bad[n] for n in zn], retain_graph=True)
    for i, (n, g) in enumerate(zip(zn, grads)):
        total[i] += einops.einsum(good[n].detach() - bad[n].detach(), g, "b p h d, b p h d -> h b").abs()
return total / (L - 1)
"""),
]  # fmt: skip

WRONG = [
    ("path_patch", "a closure in a loop", DIRECT.replace("lambda _, hook, z=z: z", "lambda _, hook: z"), "the last layer's z"),
    ("path_patch", "a total effect with MLPs frozen", DIRECT.replace("for i in range(L):\n                z", "for i in [l]:\n                z").replace("                if not mlps", "            for i in range(L):\n                if not mlps"), "total effect"),
    ("path_patch", "the sender's MLP is free", DIRECT.replace("if not mlps and", "if not mlps and i != l and"), "own layer"),
    ("path_patch", "no clone", DIRECT.replace('hook_z"].clone()', 'hook_z"]'), "cache is written into"),
    ("path_patch_through", "MLPs frozen twice", THROUGH.replace("            out[l, h]", "            if not mlps and not model.config.attn_only:\n                second += [(f'blocks.{i}.hook_mlp_out', lambda m, hook: a[hook.name]) for i in range(L)]\n            out[l, h]"), "in the last run too"),
    ("path_patch_through", "corrupted inputs", THROUGH.replace("c[hook.name][:, :, j]", "b[hook.name][:, :, j]"), "whoever the sender is"),
    ("path_patch_through", "a dict of hooks", THROUGH.replace("second = []", "second = {}").replace('second.append((f"blocks.{i}.attn.hook_{part}", put))', 'second[f"blocks.{i}.attn.hook_{part}"] = put').replace("run_with_hooks(clean, second)", "run_with_hooks(clean, list(second.items()))"), "at one hook point"),
    ("path_patch_through", "at the end", THROUGH.replace("x[:, :, j] = c[hook.name][:, :, j]", "x[r, end, j] = c[hook.name][r, end, j]"), "at the end alone"),
    ("path_patch_through", "a closure in a loop", THROUGH.replace("hook, i=i, j=j", "hook"), "the last receiver's head"),
    ("attribution_patch_qk", "no mask", QUERIES_AND_KEYS.replace(".masked_fill(~mask, -1e9)", ""), "no causal mask"),
    ("attribution_patch_qk", "no scale", QUERIES_AND_KEYS.replace(" / math.sqrt(q.shape[-1])", ""), "not divided"),
    ("attribution_patch_qk", "its own column", QUERIES_AND_KEYS.replace("ks[l, :, p] = ((attn(q, kk) - old) * grads[l]).sum((-1, -2)).T", "ks[l, :, p] = ((attn(q, kk) - old) * grads[l])[..., p].sum(-1).T"), "own column"),
    ("attribution_patch_qk", "at the scores", QUERIES_AND_KEYS.replace('"pattern")]', '"pattern", "attn_scores")]').replace('pats = [bad[f"blocks.{l}.attn.hook_pattern"]', 'pats = [bad[f"blocks.{l}.attn.hook_attn_scores"]'), "at the scores"),
    ("token_or_position", "against the clean run alone", SIGNALS.replace("(m10 - m00 + m11 - m01) / 2", "m10 - m00").replace("(m01 - m00 + m11 - m10) / 2", "m01 - m00"), "each turned where"),
    ("token_or_position", "sizes", SIGNALS.replace("return (m10 - m00 + m11 - m01) / 2, (m01 - m00 + m11 - m10) / 2", "return ((m10 - m00).abs() + (m11 - m01).abs()) / 2, ((m01 - m00).abs() + (m11 - m10).abs()) / 2"), "keep their signs"),
    ("grad_drop", "the largest", DROPPED.replace("acc = acc + torch.stack(est).abs()", "acc = torch.maximum(torch.as_tensor(acc), torch.stack(est).abs())").replace("acc / (L - 1)", "acc"), "largest"),
]  # fmt: skip


def answered(grader, name, body):
    return grade(grader, f"ioi.{name}", in_function(name, SIGNATURES[name], body))


@pytest.mark.parametrize(("name", "body"), listed(RIGHT))
def test_a_right_answer_passes_however_it_is_written(grader, name, body):
    assert_passed(answered(grader, name, body))


@pytest.mark.parametrize(("name", "body", "said"), listed(WRONG))
def test_a_wrong_answer_is_told_what_is_wrong_with_it(grader, name, body, said):
    assert_rejected(answered(grader, name, body), said)
