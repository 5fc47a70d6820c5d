"""Answers to chapter `ioi` on circuits and their numbers, as people write them, that no checker was made from."""

# ruff: noqa: E501 (the lines are as long as people write them)
import pytest

from headwork.tests.natural import assert_passed, assert_rejected, grade, in_function, listed

SIGNATURES = {
    "mean_ablate_by_template": "model, tokens, template, end, abc, abc_template, kept",
    "completeness": "run, circuit, sets",
    "minimality": "run, circuit, sets",
    "patching_illusion": "value, donor, direction, W",
}

MEANS = """
L = model.config.n_layers
with torch.no_grad():
    _, c = model.run_with_cache(abc, lambda n: n.endswith("hook_z"))
    def hook(z, hook):
        l = int(hook.name.split(".")[1])
        z = z.clone()
        for i in range(len(tokens)):
            m = c[hook.name][abc_template == template[i]].mean(0)
            for h in range(z.shape[2]):
                off = ~kept[i, l, h]
                z[i, off, h] = m[off, h]
        return z
    hooks = [(f"blocks.{l}.attn.hook_z", hook) for l in range(L)]
    out = model.run_with_hooks(tokens, hooks)
return out[torch.arange(len(end)), end]
"""

COMPLETE = """
full = run(torch.ones_like(circuit))
none = run(torch.zeros_like(circuit))
scale = (none - full).abs().sum(-1)
out = []
for K in sets:
    d = (run(circuit & ~K) - run(~K)).abs().sum(-1)
    out.append((d / scale).max())
return torch.stack(out)
"""

MINIMAL = """
whole = run(torch.ones_like(circuit)).mean(-1)
none = run(torch.zeros_like(circuit)).mean(-1)
out = torch.zeros(len(circuit), dtype=whole.dtype)
for v in range(len(circuit)):
    for K in sets:
        if K[v] or not circuit[v]:
            continue
        left = circuit & ~K
        less = left.clone()
        less[v] = False
        e = (run(less).mean(-1) - run(left).mean(-1)) / (whole - none)
        out[v] = max(out[v], e.abs().max())
return out
"""

ILLUSION = """
U, S, Vh = torch.linalg.svd(W, full_matrices=False)
B = U[:, S > S.max() * 1e-8]
read = B @ (B.T @ direction)
def patch(d):
    u = d / d.norm()
    x = value + ((donor - value) @ u)[:, None] * u
    return x @ W
return patch(direction), patch(read)
"""

RIGHT = [
    ("mean_ablate_by_template", "loops in a hook", MEANS),
    ("mean_ablate_by_template", "prompt by prompt", """
out = []
for i in range(len(tokens)):
    _, c = model.run_with_cache(abc[abc_template == template[i]])
    hooks = []
    for l in range(model.config.n_layers):
        n = f"blocks.{l}.attn.hook_z"
        hooks.append((n, lambda z, hook, l=l, n=n: torch.where(kept[i, l].T[None, :, :, None], z, c[n].mean(0, keepdim=True))))
    out.append(model.run_with_hooks(tokens[i:i+1], hooks)[0, end[i]])
return torch.stack(out)
"""),
    ("completeness", "means in both places", COMPLETE.replace(".sum(-1)", ".mean(-1)")),
    ("completeness", "python floats", """
res = []
N, M = run(circuit & False), run(circuit | True)
for k in sets:
    best = -1.
    for j in range(len(N)):
        a = run(circuit & ~k)[j]; b = run(~k)[j]
        best = max(best, float((a - b).abs().sum() / (N[j] - M[j]).abs().sum()))
    res.append(best)
return torch.tensor(res, dtype=N.dtype)
"""),
    ("minimality", "loops", MINIMAL),
    ("minimality", "member by member", """
n = circuit.numel()
base = circuit & ~sets
m = run(base).mean(-1)
d = (run(torch.ones(n, dtype=torch.bool)) - run(torch.zeros(n, dtype=torch.bool))).mean(-1).abs()
res = []
for v in range(n):
    k = base.clone(); k[:, v] = False
    e = ((run(k).mean(-1) - m).abs() / d).amax(-1)
    res.append(torch.where(~sets[:, v] & circuit[v], e, torch.zeros_like(e)).max())
return torch.stack(res)
"""),
    ("patching_illusion", "null space by eigenvectors", """
vals, vecs = torch.linalg.eigh(W @ W.T)
null = vecs[:, vals < 1e-9 * vals.max()]
read = direction - null @ (null.T @ direction)
out = []
for d in (direction, read):
    P = torch.outer(d, d) / (d @ d)
    out.append((value - value @ P + donor @ P) @ W)
return tuple(out)
"""),
    ("patching_illusion", "least squares", """
r = (W @ torch.linalg.lstsq(W, direction[:, None], driver="gelsd").solution)[:, 0]
def f(d):
    coef = ((donor * d).sum(-1) - (value * d).sum(-1)) / d.pow(2).sum()
    return torch.matmul(value + torch.einsum("b,d->bd", coef, d), W)
return f(direction), f(r)
"""),
]  # fmt: skip

WRONG = [
    ("mean_ablate_by_template", "all templates", MEANS.replace("[abc_template == template[i]]", ""), "all templates"),
    ("mean_ablate_by_template", "MLPs too", MEANS.replace("    out = model", """
    if not model.config.attn_only:
        _, e = model.run_with_cache(abc, lambda n: n.endswith("mlp_out"))
        hooks += [(list(e), lambda m, hook: torch.stack([e[hook.name][abc_template == t].mean(0) for t in template]))]
    out = model"""), "no nodes"),
    ("mean_ablate_by_template", "frozen", MEANS.replace("with torch.no_grad():", "_, own = model.run_with_cache(tokens)\nwith torch.no_grad():").replace("z = z.clone()", "z = own[hook.name].clone()"), "compute anew"),
    ("completeness", "scale of the circuit", COMPLETE.replace("full = run(torch.ones_like(circuit))", "full = run(circuit)"), "from the whole model"),
    ("completeness", "K in the scale", COMPLETE.replace("d / scale", "d / (none - run(~K)).abs().sum(-1)"), "in the scale too"),
    ("completeness", "means first", COMPLETE.replace(".abs().sum(-1)", ".mean(-1).abs()"), "above and below"),
    ("completeness", "floats", COMPLETE.replace("circuit & ~K", "circuit.float() * (1 - K.float())"), "takes booleans"),
    ("minimality", "no K", MINIMAL.replace("for K in sets:", "for K in [torch.zeros_like(circuit)]:"), "K is not taken away"),
    ("minimality", "in the model", MINIMAL.replace("left = circuit & ~K", "left = ~K"), "from the model"),
    ("minimality", "a K with the member", MINIMAL.replace("if K[v] or not circuit[v]:", "K = K.clone(); K[v] = False\n        if not circuit[v]:"), "do not contain it"),
    ("minimality", "noise in the scale", MINIMAL.replace("(whole - none)", "(run(torch.ones_like(circuit)) - run(torch.zeros_like(circuit))).abs().mean(-1)"), "In the scale"),
    ("patching_illusion", "the rank ignored", ILLUSION.replace("U[:, S > S.max() * 1e-8]", "torch.linalg.qr(W).Q"), "rank may be smaller"),
    ("patching_illusion", "the donor's", ILLUSION.replace("return patch(direction)", "return donor @ W"), "whole activation"),
    ("patching_illusion", "the other part", ILLUSION.replace("B @ (B.T @ direction)", "direction - B @ (B.T @ direction)"), ""),
]  # fmt: skip


def answered(grader, name, body):
    return grade(grader, f"ioi.{name}", in_function(name, SIGNATURES[name], body))


@pytest.mark.parametrize(("name", "body"), listed(RIGHT))
def test_a_right_answer_passes_however_it_is_written(grader, name, body):
    assert_passed(answered(grader, name, body))


@pytest.mark.parametrize(("name", "body", "said"), listed(WRONG))
def test_a_wrong_answer_is_told_what_is_wrong_with_it(grader, name, body, said):
    assert_rejected(answered(grader, name, body), said)
