"""Answers to chapter `ioi` as people write them, right and wrong, that no checker was made from."""

# ruff: noqa: E501 (the lines are as long as people write them)
import pytest

from headwork.tests.natural import assert_passed, assert_rejected, grade, in_function, listed

SIGNATURES = {
    "logit_difference": "logits, correct, wrong, end",
    "name_retrieval": "logits, correct, absent, end",
    "normalise_metric": "patched, clean, corrupted, noising",
    "attribute_layers": "model, tokens, end, correct, wrong, frozen",
    "attribute_heads": "model, tokens, end, correct, wrong",
    "patch_residual": "model, clean, corrupted, end, metric",
    "patch_heads": "model, clean, corrupted, end, metric",
    "patch_head_inputs": "model, clean, corrupted, end, metric, part",
    "path_patch_by_hand": "sender, middle, output, clean, corrupted",
    "path_patch": "model, clean, corrupted, end, metric, mlps",
    "path_patch_through": "model, clean, corrupted, end, metric, receivers, mlps",
    "attribution_patch": "model, clean, corrupted, end, metric",
    "attribution_patch_qk": "model, clean, corrupted, end, metric",
}

SWEEP = """
_, cache = model.run_with_cache(clean)
L, H = model.config.n_layers, model.config.n_heads
out = torch.zeros(L, H, len(clean), dtype=model.embed.W_E.dtype)
for l in range(L):
    for h in range(H):
        def hook(z, hook):
            BODY
        logits = model.run_with_hooks(corrupted, [(f"blocks.{l}.attn.hook_z", hook)])
        out[l, h] = metric(logits[torch.arange(len(end)), end])
return out
"""

LENS = """
r = torch.arange(len(tokens))
logits, cache = model.run_with_cache(tokens)
depth = model.config.n_layers
xs = [cache[f"blocks.{i}.hook_resid_pre"][r, end] for i in range(depth)]
xs.append(cache[f"blocks.{depth - 1}.hook_resid_post"][r, end])
x = torch.stack(xs)
d = (model.unembed.W_U[:, correct] - model.unembed.W_U[:, wrong]).T
"""

DIRECT = """
r = torch.arange(len(end))
_, a = model.run_with_cache(clean)
_, b = model.run_with_cache(corrupted)
out = []
for l in range(model.config.n_layers):
    for h in range(model.config.n_heads):
        def z(v, hook):
            n = a[hook.name].clone()
            if hook.name == f"blocks.{l}.attn.hook_z":
                n[:, :, h] = b[hook.name][:, :, h]
            return n
        hooks = [([n for n in a if n.endswith("hook_z")], z)]
        MLPS
        out.append(metric(model.run_with_hooks(clean, hooks)[r, end]))
return torch.stack(out).view(model.config.n_layers, model.config.n_heads, -1)
"""
FREEZE = 'hooks += [] if mlps else [([n for n in a if n.endswith("mlp_out")], lambda v, hook: a[hook.name])]'

FIRST = """
names = [n for n in model.hook_points if n.endswith(("resid_pre", "hook_z"))]
_, donor = model.run_with_cache(clean, names)
logits, base = model.run_with_cache(corrupted, names)
m = metric(logits[torch.arange(len(end)), end])
GRADS
d = {n: ((donor[n] - base[n]) * g[n]).detach() for n in names}
x = torch.stack([d[n].sum(-1).T for n in names if "resid" in n])
z = torch.stack([d[n].sum(-1).sum(1).T for n in names if "hook_z" in n])
return x, z
"""
GRADS = "g = dict(zip(names, torch.autograd.grad(m.sum(), [base[n] for n in names])))"

RIGHT = [
    ("logit_difference", "one-hot products", """
e = F.one_hot(end, logits.shape[1]).to(logits.dtype)
d = F.one_hot(correct, logits.shape[2]) - F.one_hot(wrong, logits.shape[2])
return einops.einsum(logits, e, d.to(logits.dtype), "b p v, b p, b v -> b")
"""),
    ("logit_difference", "log-softmax first", """
lp = logits.log_softmax(-1)
b = range(len(end))
return torch.stack([lp[i, end[i], correct[i]] - lp[i, end[i], wrong[i]] for i in b])
"""),
    ("name_retrieval", "mean of differences", """
b = torch.arange(len(end))
s = logits[b, end]
return (s[b, correct][:, None] - s[b[:, None], absent]).mean(-1)
"""),
    ("normalise_metric", "with a helper", """
def scale(x, zero, one):
    return (x - zero) / (one - zero)
share = scale(patched.mean(-1), corrupted.mean(), clean.mean())
return share - 1 if noising else share
"""),
    ("patch_heads", "in place, without a clone", SWEEP.replace("BODY", "z[:, :, h] = cache[hook.name][:, :, h]; return z")),
    ("patch_heads", "by torch.where", SWEEP.replace(
        "BODY", "return torch.where((torch.arange(H) == h)[:, None], cache[hook.name], z)")),
    ("patch_heads", "by what the head writes", SWEEP.replace("attn.hook_z", "attn.hook_result").replace(
        "model.run_with_cache(clean)", 'model.run_with_cache(clean, lambda n: n.endswith("hook_result"))').replace(
        "BODY", "z = z.clone(); z[..., h, :] = cache[hook.name][..., h, :]; return z")),
    ("attribute_layers", "a dot product with b_U and b", LENS + """
if model.config.layer_norm:
    ln = model.ln_final
    s = (x.var(-1, unbiased=False, keepdim=True) + ln.eps).sqrt()
    s = s[-1:] if frozen else s
    x = (x - x.mean(-1, keepdim=True)) / s * ln.w + ln.b
return ((x * d).sum(-1) + model.unembed.b_U[correct] - model.unembed.b_U[wrong]).detach()
"""),
    ("path_patch", "hooks for each kind", DIRECT.replace("MLPS", FREEZE)),
    ("attribution_patch", "row by row", FIRST.replace("GRADS", """
rows = [torch.autograd.grad(each, [base[n] for n in names], retain_graph=True) for each in m]
g = {n: sum(row[i] for row in rows) for i, n in enumerate(names)}
""")),
]  # fmt: skip

WRONG = [
    ("logit_difference", "end counted from the back", "return logits[range(len(end)), -end, correct] - logits[range(len(end)), -end, wrong]"),
    ("logit_difference", "argmax", "return (logits[range(len(end)), end].argmax(-1) == correct).to(logits.dtype)"),
    ("logit_difference", "a python list", "return [float(l[e, c] - l[e, w]) for l, c, w, e in zip(logits, correct, wrong, end)]"),
    ("logit_difference", "log probability of the answer", "return logits.log_softmax(-1)[range(len(end)), end, correct]"),
    ("logit_difference", "tokens taken for positions", "b = range(len(end)); return logits[b, correct % logits.shape[1], end % logits.shape[2]] - logits[b, wrong % logits.shape[1], end % logits.shape[2]]"),
    ("name_retrieval", "against all other tokens", "b = torch.arange(len(end)); s = logits[b, end]; return s[b, correct] - (s.sum(-1) - s[b, correct]) / (s.shape[-1] - 1)"),
    ("name_retrieval", "the right name among the absent", "b = torch.arange(len(end)); s = logits[b, end]; a = torch.cat([absent, correct[:, None]], 1); return s[b, correct] - s.gather(1, a).mean(1)"),
    ("name_retrieval", "logit of the mean token", "b = torch.arange(len(end)); s = logits[b, end]; return s[b, correct] - s[b, absent.double().mean(1).long()]"),
    ("normalise_metric", "noising up to one", "return (patched.mean(-1) - (clean if noising else corrupted).mean()) / ((corrupted - clean) if noising else (clean - corrupted)).mean()"),
    ("normalise_metric", "over clean in both", "return patched.mean(-1) / clean.mean() - (1 if noising else 0)"),
    ("normalise_metric", "with an epsilon", "return (patched - (clean if noising else corrupted)).mean(-1) / ((clean - corrupted).mean() + 1e-4)"),
    ("normalise_metric", "absolute difference", "return (patched - (clean if noising else corrupted)).mean(-1) / (clean - corrupted).mean().abs()"),
    ("patch_heads", "the same head of all layers", SWEEP.replace('f"blocks.{l}.attn.hook_z"', 'lambda n: n.endswith("hook_z")').replace("BODY", "z = z.clone(); z[:, :, h] = cache[hook.name][:, :, h]; return z")),
    ("patch_heads", "the cache is written to", SWEEP.replace("BODY", "c = cache[hook.name]; c[:, :, [i for i in range(H) if i != h]] = z[:, :, [i for i in range(H) if i != h]]; return c")),
    ("patch_heads", "nothing returned", SWEEP.replace("BODY", "z = z.clone(); z[:, :, h] = cache[hook.name][:, :, h]")),
    ("patch_heads", "half of the way", SWEEP.replace("BODY", "z = z.clone(); z[:, :, h] = (z[:, :, h] + cache[hook.name][:, :, h]) / 2; return z")),
    ("patch_heads", "the last hook counts", """
_, cache = model.run_with_cache(clean)
L, H = model.config.n_layers, model.config.n_heads
hooks = []
for l in range(L):
    for h in range(H):
        def hook(z, point):
            z = z.clone()
            z[:, :, h] = cache[point.name][:, :, h]
            return z
        hooks.append((f"blocks.{l}.attn.hook_z", hook))
out = [metric(model.run_with_hooks(corrupted, [hook])[range(len(end)), end]) for hook in hooks]
return torch.stack(out).view(L, H, -1)
"""),
    ("patch_heads", "a hook that stays", """
_, cache = model.run_with_cache(clean)
L, H = model.config.n_layers, model.config.n_heads
out = torch.zeros(L, H, len(clean), dtype=model.embed.W_E.dtype)
for l in range(L):
    for h in range(H):
        def hook(module, args, z, l=l, h=h):
            z = z.clone()
            z[:, :, h] = cache[f"blocks.{l}.attn.hook_z"][:, :, h]
            return z
        handle = model.blocks[l].attn.hook_z.register_forward_hook(hook)
        out[l, h] = metric(model(corrupted)[range(len(end)), end])
        if (l, h) != (L - 1, H - 1):
            handle.remove()
return out
"""),
    ("patch_heads", "W_O changed", SWEEP.replace("BODY", "z = z.clone(); z[:, :, h] = cache[hook.name][:, :, h]; return z").replace("return out", "model.blocks[0].attn.W_O.data.mul_(1.5)\nreturn out")),
    ("patch_residual", "one position for all layers at once", """
_, cache = model.run_with_cache(clean)
L, P = model.config.n_layers, clean.shape[1]
out = torch.zeros(L, P, len(clean), dtype=model.embed.W_E.dtype)
for p in range(P):
    def hook(x, hook):
        x = x.clone(); x[:, p] = cache[hook.name][:, p]; return x
    for l in range(L):
        names = [f"blocks.{i}.hook_resid_pre" for i in range(l, L)]
        out[l, p] = metric(model.run_with_hooks(corrupted, [(names, hook)])[range(len(end)), end])
return out
"""),
    ("patch_residual", "tokens patched", """
L, P = model.config.n_layers, clean.shape[1]
out = torch.zeros(L, P, len(clean), dtype=model.embed.W_E.dtype)
for p in range(P):
    t = corrupted.clone(); t[:, p] = clean[:, p]
    out[:, p] = metric(model(t)[range(len(end)), end])
return out
"""),
    ("patch_head_inputs", "scores for patterns", """
_, cache = model.run_with_cache(clean)
L, H = model.config.n_layers, model.config.n_heads
out = torch.zeros(L, H, len(clean), dtype=model.embed.W_E.dtype)
for l in range(L):
    for h in range(H):
        def hook(x, hook):
            x = x.clone()
            x[:, :, h] = cache[hook.name][:, :, h]
            return x
        name = f"blocks.{l}.attn.hook_" + ("q" if part == "pattern" else part)
        out[l, h] = metric(model.run_with_hooks(corrupted, [(name, hook)])[range(len(end)), end])
return out
"""),
    ("attribute_layers", "b_U forgotten and no bias", LENS + """
if model.config.layer_norm:
    ln = model.ln_final
    s = (x.var(-1, unbiased=False, keepdim=True) + ln.eps).sqrt()
    x = (x - x.mean(-1, keepdim=True)) / (s[-1:] if frozen else s) * ln.w
return (x * d).sum(-1)
"""),
    ("attribute_layers", "the tuned scale of the middle", LENS + """
if model.config.layer_norm:
    ln = model.ln_final
    s = (x.var(-1, unbiased=False, keepdim=True) + ln.eps).sqrt()
    s = s.mean(0, keepdim=True) if frozen else s
    x = (x - x.mean(-1, keepdim=True)) / s * ln.w + ln.b
return ((x * d).sum(-1) + model.unembed.b_U[correct] - model.unembed.b_U[wrong])
"""),
    ("attribute_heads", "no final norm at all", """
r = torch.arange(len(tokens))
_, c = model.run_with_cache(tokens)
d = (model.unembed.W_U[:, correct] - model.unembed.W_U[:, wrong]).T
return torch.stack([torch.einsum("bhd,hdm,bm->hb", c[f"blocks.{l}.attn.hook_z"][r, end], model.blocks[l].attn.W_O, d) for l in range(model.config.n_layers)])
"""),
    ("path_patch_by_hand", "all corrupted", "a = sender(corrupted); b = middle(corrupted, a); y = output(corrupted, a, b); return y, output(clean, a, middle(clean, sender(clean))), output(clean, sender(clean), middle(clean, a))"),
    ("path_patch_by_hand", "two values", "a, z = sender(clean), sender(corrupted); return output(clean, z, middle(clean, a)), output(clean, a, middle(clean, z))"),
    ("path_patch", "the total effect", SWEEP.replace("run_with_cache(clean)", "run_with_cache(corrupted)").replace("run_with_hooks(corrupted", "run_with_hooks(clean").replace("BODY", "z = z.clone(); z[:, :, h] = cache[hook.name][:, :, h]; return z")),
    ("path_patch", "MLPs always recomputed", DIRECT.replace("MLPS", "pass")),
    ("path_patch", "MLPs frozen to the corrupted run", DIRECT.replace("MLPS", FREEZE.replace("a[hook.name])", "b[hook.name])"))),
    ("path_patch", "by attribution", """
r = torch.arange(len(end))
_, a = model.run_with_cache(clean)
_, b = model.run_with_cache(corrupted)
final = model(clean, stop_at_layer=model.config.n_layers)
out = []
for l in range(model.config.n_layers):
    for h in range(model.config.n_heads):
        n = f"blocks.{l}.attn.hook_z"
        d = (b[n] - a[n])[:, :, h] @ model.blocks[l].attn.W_O[h]
        out.append(metric(model.unembed(model.ln_final(final + d))[r, end]))
return torch.stack(out).view(model.config.n_layers, model.config.n_heads, -1)
"""),
    ("path_patch_through", "the direct effect", DIRECT.replace("MLPS", FREEZE)),
    ("path_patch_through", "receivers from the corrupted run", """
_, b = model.run_with_cache(corrupted)
def put(v, hook):
    v = v.clone()
    for l, h, part in receivers:
        if hook.name == f"blocks.{l}.attn.hook_{part}":
            v[:, :, h] = b[hook.name][:, :, h]
    return v
names = {f"blocks.{l}.attn.hook_{part}" for l, _, part in receivers}
m = metric(model.run_with_hooks(clean, [(names, put)])[range(len(end)), end])
return m.expand(model.config.n_layers, model.config.n_heads, -1).clone()
"""),
    ("attribution_patch", "gradients stay behind", FIRST.replace("GRADS", "for n in names: base[n].retain_grad()\nm.sum().backward()\ng = {n: base[n].grad for n in names}")),
    ("attribution_patch", "only the first prompt", FIRST.replace("GRADS", GRADS.replace("m.sum()", "m[0]"))),
    ("attribution_patch", "heads at the end alone", FIRST.replace("GRADS", GRADS).replace("d[n].sum(-1).sum(1).T", "d[n].sum(-1)[range(len(end)), end].T")),
    ("attribution_patch_qk", "first order", """
out = []
for part in "qk":
    names = [f"blocks.{l}.attn.hook_{part}" for l in range(model.config.n_layers)]
    _, donor = model.run_with_cache(clean, names)
    logits, base = model.run_with_cache(corrupted, names)
    g = torch.autograd.grad(metric(logits[range(len(end)), end]).sum(), [base[n] for n in names])
    out.append(torch.stack([((donor[n] - base[n]) * s).sum(-1).permute(2, 1, 0).detach() for n, s in zip(names, g)]))
return out[0], out[1]
"""),
]  # fmt: skip


def answered(grader, name, body):
    return grade(grader, f"ioi.{name}", in_function(name, SIGNATURES[name], body))


@pytest.mark.parametrize(("name", "body"), listed(RIGHT))
def test_a_right_answer_passes_however_it_is_written(grader, name, body):
    assert_passed(answered(grader, name, body))


@pytest.mark.parametrize(("name", "body"), listed(WRONG))
def test_a_wrong_answer_is_rejected_with_a_sentence(grader, name, body):
    assert_rejected(answered(grader, name, body))
