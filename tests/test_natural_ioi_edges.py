"""Answers to chapter `ioi` on gradients by layer and on edges, as people write them, that no checker was made from."""

# ruff: noqa: E501 (the lines are as long as people write them)
import pytest

from headwork.tests.natural import assert_passed, assert_rejected, grade, in_function, listed

SIGNATURES = {
    "grad_drop": "model, clean, corrupted, end, metric",
    "acdc": "run, edges, threshold",
    "edge_attribution": "model, clean, corrupted, end, metric",
}

DROP = """
L, H = model.config.n_layers, model.config.n_heads
zs = [f"blocks.{l}.attn.hook_z" for l in range(L)]
_, donor = model.run_with_cache(clean, zs)
out = torch.zeros(L, H, len(end), dtype=model.embed.W_E.dtype)
for l in range(L):
    stop = [n for n in model.hook_points if n in (f"blocks.{l}.hook_attn_out", f"blocks.{l}.hook_mlp_out")]
    cache = {}
    def save(z, hook):
        cache[hook.name] = z
    logits = model.run_with_hooks(corrupted, [(stop, lambda x, hook: STOP), (zs, save)])
    m = metric(logits[torch.arange(len(end)), end])
    for i in range(L):
        g = torch.autograd.grad(m.sum(), cache[zs[i]], retain_graph=True, allow_unused=True)[0]
        if g is not None:
            e = ((donor[zs[i]] - cache[zs[i]]) * g).detach().sum(-1).sum(1).T
            out[i] += e.abs()
return out / (L - 1)
"""

EDGES = """
from headwork.models.edges import every_edge
n = model.config.n_layers
w = [h for h in model.hook_points if h.endswith(("embed", "result", "mlp_out"))]
r = [h for h in model.hook_points if h.endswith(("_input", "resid_mid", "resid_post"))]
_, bad = model.run_with_cache(corrupted, w)
out, good = model.run_with_cache(clean, w + r)
m = metric(out[torch.arange(len(end)), end]).sum()
G = dict(zip(r, torch.autograd.grad(m, [good[h] for h in r])))
def get(c, node):
    if node == "embed": return c["hook_embed"]
    if node == "pos": return c["hook_pos_embed"]
    kind, at = node.split()
    if kind == "mlp": return c[f"blocks.{at}.hook_mlp_out"]
    a, b = at.split(".")
    return c[f"blocks.{a}.attn.hook_result"][..., int(b), :]
def grad(e):
    if e.receiver == "logits": return G[f"blocks.{n - 1}.hook_resid_post"]
    kind, at = e.receiver.split()
    if kind == "mlp": return G[f"blocks.{at}.hook_resid_mid"] - G[f"blocks.{at}.hook_resid_post"]
    a, b = at.split(".")
    return G[f"blocks.{a}.hook_{e.input}_input"][..., int(b), :]
d = {}
for e in every_edge(model.config):
    x = get(bad, e.sender) - get(good, e.sender)
    d[tuple(e)] = torch.einsum("bpd,bpd->b", x, grad(e))
return d
"""

PRUNE = """
kept = edges.clone()
best = run(kept)
R, S = edges.shape
for r in range(R - 1, -1, -1):
    for s in range(S - 1, -1, -1):
        if kept[r, s]:
            kept[r, s] = False
            new = run(kept)
            if new - best >= threshold:
                kept[r, s] = True
            else:
                best = new
return kept
"""

RIGHT = [
    ("acdc", "put back in place", PRUNE),
    ("acdc", "by item", PRUNE.replace("run(kept)", "run(kept).item()")),
    ("acdc", "the loss run anew each time", PRUNE.replace("new = run(kept)", "new = run(kept); kept[r, s] = True; best = run(kept); kept[r, s] = False")),
    ("edge_attribution", "by names and a dict of gradients", EDGES),
    ("edge_attribution", "all prompts at their own", EDGES.replace("m, [good[h] for h in r])", "m, [good[h] for h in r], torch.ones_like(m))")),
    ("grad_drop", "detached in a hook", DROP.replace("STOP", "x.detach()")),
    ("grad_drop", "a fresh tensor of the same numbers", DROP.replace("STOP", "torch.tensor(x.tolist(), dtype=x.dtype)")),
    ("grad_drop", "own layer skipped", DROP.replace("STOP", "x.detach()").replace("for i in range(L):", "for i in [i for i in range(L) if i != l]:")),
]  # fmt: skip

WRONG = [
    ("acdc", "the input is pruned", PRUNE.replace("edges.clone()", "edges")),
    ("acdc", "sorted by effect", """
kept = edges.clone()
whole = run(kept)
places = edges.nonzero().tolist()
def effect(p):
    k = edges.clone(); k[p[0], p[1]] = False
    return float(run(k) - whole)
best = whole
for r, s in sorted(places, key=effect):
    kept[r, s] = False
    new = run(kept)
    if new - best < threshold: best = new
    else: kept[r, s] = True
return kept
"""),
    ("acdc", "all edges of a receiver at once", """
kept = edges.clone()
best = run(kept)
for r in reversed(range(len(edges))):
    k = kept.clone(); k[r] = False
    new = run(k)
    if new - best < threshold: kept, best = k, new
return kept
"""),
    ("acdc", "stops at the first that stays", PRUNE.replace("kept[r, s] = True\n", "kept[r, s] = True\n                break\n")),
    ("acdc", "asks about every pair", PRUNE.replace("edges.clone()", "torch.ones_like(edges)")),
    ("acdc", "numbers", PRUNE.replace("return kept", "return kept.double()")),
    ("acdc", "the rise so far adds up", PRUNE.replace("else:\n                best = new", "")),
    ("edge_attribution", "a gradient where it is written", EDGES.replace("zip(r, torch.autograd.grad(m, [good[h] for h in r]))", "zip(w, torch.autograd.grad(m, [good[h] for h in w]))").replace("grad(e))", "get(G, e.sender))")),
    ("edge_attribution", "text for keys", EDGES.replace("d[tuple(e)]", "d[str(e)]")),
    ("edge_attribution", "floats", EDGES.replace('torch.einsum("bpd,bpd->b", x, grad(e))', "float((x * grad(e)).sum())")),
    ("edge_attribution", "cosine", EDGES.replace('torch.einsum("bpd,bpd->b", x, grad(e))', "F.cosine_similarity(x.flatten(1), grad(e).flatten(1))")),
    ("edge_attribution", "only edges that carry something", EDGES.replace("    d[tuple(e)]", "    if x.abs().max() > 0: d[tuple(e)]")),
    ("edge_attribution", "what the sender wrote, clean", EDGES.replace('get(bad, e.sender) - get(good, e.sender)', "get(good, e.sender)")),
    ("edge_attribution", "heads of one layer hear each other", EDGES.replace("return d", 'd["head 0.0", "head 0.0", "q"] = x.sum((1, 2))\nreturn d')),
    ("grad_drop", "z detached instead", DROP.replace("STOP", "x").replace("def save(z, hook):\n        cache[hook.name] = z", "def save(z, hook):\n        cache[hook.name] = z\n        return z.detach() if hook.name == zs[l] else z")),
    ("grad_drop", "plain sizes", DROP.replace("STOP", "x")),
    ("grad_drop", "clean outputs frozen in", DROP.replace("STOP", "full[hook.name]").replace("zs)\nout", "zs)\n_, full = model.run_with_cache(clean)\nout")),
    ("grad_drop", "root of the mean square", DROP.replace("STOP", "x.detach()").replace("e.abs()", "e ** 2").replace("return out / (L - 1)", "return (out / (L - 1)).sqrt()")),
    ("grad_drop", "relu for abs", DROP.replace("STOP", "x.detach()").replace("e.abs()", "F.relu(e)")),
    ("grad_drop", "noising", DROP.replace("STOP", "x.detach()").replace("run_with_cache(clean, zs)", "run_with_cache(corrupted, zs)").replace("run_with_hooks(corrupted", "run_with_hooks(clean")),
    ("grad_drop", "summed over the prompts", DROP.replace("STOP", "x.detach()").replace("return out / (L - 1)", "return out.sum(-1) / (L - 1)")),
    ("grad_drop", "the last pass alone", DROP.replace("STOP", "x.detach()").replace("out[i] +=", "out[i] =")),
    ("grad_drop", "not started: attribution patching", """
names = [f"blocks.{l}.attn.hook_z" for l in range(model.config.n_layers)]
_, donor = model.run_with_cache(clean, names)
logits, base = model.run_with_cache(corrupted, names)
g = torch.autograd.grad(metric(logits[range(len(end)), end]).sum(), [base[n] for n in names])
return torch.stack([((donor[n] - base[n]) * s).sum((1, 3)).T.detach() for n, s in zip(names, g)])
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
