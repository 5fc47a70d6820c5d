"""Answers to chapter `ioi` as people write them, right and wrong: prompts, groups of heads, roles and self-repair."""

# ruff: noqa: E501 (the lines are as long as people write them)
import pytest

from headwork.tests.natural import START, assert_passed, assert_rejected, grade, in_function, listed

MORE = """
from dataclasses import dataclass, replace

from torch import Tensor


@dataclass
class Prompts:
    tokens: Tensor
    io: Tensor
    s: Tensor
    absent: Tensor
    template: Tensor
    order: Tensor
    positions: dict


"""

SIGNATURES = {
    "ioi_prompts": "tokenizer, templates, names, count, generator",
    "corrupt": "prompts, how, generator",
    "denoise_and_noise": "model, clean, corrupted, end, metric, groups",
    "attention_roles": "patterns, positions",
    "name_mover_copying": "model, tokens, at, top, negative",
    "self_repair": "model, tokens, end, correct, wrong, head, z",
    "token_or_position": "model, clean, twins, end, metric, heads",
}

PROMPTS = """
ok = [n for n in names if len(tokenizer.encode(" " + n)) == 1]
ids = {n: tokenizer.encode(" " + n)[0] for n in ok}
kinds = [(t, o) for t in range(len(templates)) for o in range(2)]
kinds = (kinds * (count // len(kinds) + 1))[:count]
rows, io, s, absent, pos = [], [], [], [], {k: [] for k in ("IO", "S1", "S1+1", "S2", "END")}
for t, o in kinds:
    perm = torch.randperm(len(ok), generator=generator).tolist()
    a, b = ok[perm[0]], ok[perm[1]]
    first, second = (a, b) if o == 0 else (b, a)
    toks = [tokenizer.bos] + tokenizer.encode(templates[t].format(A=first, B=second, S=b))
    where = [i for i, x in enumerate(toks) if x == ids[b]]
    pos["IO"].append(toks.index(ids[a])); pos["S1"].append(where[0]); pos["S1+1"].append(where[0] + 1)
    pos["S2"].append(where[1]); pos["END"].append(len(toks) - 1)
    rows.append(toks); io.append(ids[a]); s.append(ids[b]); absent.append([ids[ok[i]] for i in perm[2:]])
n = max(len(r) for r in rows)
rows = [r + [tokenizer.bos] * (n - len(r)) for r in rows]
t = torch.tensor
return Prompts(t(rows), t(io), t(s), t(absent), t([k[0] for k in kinds]), t([k[1] for k in kinds]), {k: t(v) for k, v in pos.items()})
"""

SWAP = """
n = len(prompts.tokens)
r = torch.arange(n)
p = prompts.positions
new = prompts.tokens.clone()
pick = torch.stack([prompts.absent[i, torch.randperm(prompts.absent.shape[1], generator=generator)[:3]] for i in range(n)])
def put(io=None, s1=None, s2=None):
    for k, x in (("IO", io), ("S1", s1), ("S2", s2)):
        if x is not None:
            new[r, p[k]] = x
if how == "abc":
    put(*pick.T)
elif how == "names":
    put(prompts.s, prompts.io, prompts.io)
elif how == "order":
    put(prompts.s, prompts.io)
elif how == "s2":
    put(s2=prompts.io)
elif how == "s1":
    put(s1=pick[:, 0])
return new
"""

GROUPS = """
r = torch.arange(len(end))
_, A = model.run_with_cache(clean)
_, B = model.run_with_cache(corrupted)
def one(tokens, other, group):
    def hook(z, hook):
        l = int(hook.name.split(".")[1])
        BODY
        return z
    with torch.no_grad():
        out = model.run_with_hooks(tokens, [(lambda n: n.endswith("hook_z"), hook)])
    return metric(out[r, end])
return torch.stack([one(corrupted, A, g) for g in groups]), torch.stack([one(clean, B, g) for g in groups])
"""
BODY = "for h in [h for (k, h) in group if k == l]: z[:, :, h] = other[hook.name][:, :, h]"

ROLES = """
def f(a, b):
    i = torch.arange(patterns.shape[1])
    return patterns[:, i, :, positions[a], positions[b]].mean(0)
return {"name mover": f("END", "IO"), "S-inhibition": f("END", "S2"), "duplicate token": f("S2", "S1"), "induction": f("S2", "S1+1"), "previous token": f("S1+1", "S1")}
"""

COPY = """
i = torch.arange(len(tokens))
x = model.run_with_cache(tokens)[1]["blocks.0.hook_resid_post"][i, at]
name = tokens[i, at]
out = torch.zeros(model.config.n_layers, model.config.n_heads, dtype=x.dtype)
for l, blk in enumerate(model.blocks):
    for h in range(model.config.n_heads):
        y = (blk.ln1(x) @ blk.attn.W_V[h] + blk.attn.b_V[h]) @ blk.attn.W_O[h]
        y = -y if negative else y
        lg = model.unembed(model.ln_final(y))
        k = min(top, lg.shape[-1])
        out[l, h] = (lg.topk(k).indices == name[:, None]).any(-1).to(x.dtype).mean()
return out.detach()
"""

REPAIR = """
i = torch.arange(len(end))
L = model.config.n_layers
l0, h0 = head
def hook(v, hook):
    v[:, :, h0] = z
    return v
a, ca = model.run_with_cache(tokens)
with model.hooks([(f"blocks.{l0}.attn.hook_z", hook)]):
    b, cb = model.run_with_cache(tokens)
def ld(x):
    return x[i, end, correct] - x[i, end, wrong]
last = ca[f"blocks.{L - 1}.hook_resid_post"][i, end]
d = (model.unembed.W_U[:, correct] - model.unembed.W_U[:, wrong]).T
ch = []
for l in range(L):
    n = f"blocks.{l}.attn.hook_z"
    w = torch.einsum("bhd,hdm->bhm", (cb[n] - ca[n])[i, end], model.blocks[l].attn.W_O)
    if model.config.layer_norm:
        w = (w - w.mean(-1, keepdim=True)) / (last.var(-1, unbiased=False, keepdim=True) + model.ln_final.eps).sqrt()[:, None] * model.ln_final.w
    ch.append((w * d[:, None]).sum(-1).T)
return (ld(b) - ld(a)).detach(), torch.stack(ch).detach()
"""

SIGNALS = """
r = torch.arange(len(end))
m = {}
for k, toks in {"clean": clean, **twins}.items():
    _, c = model.run_with_cache(toks)
    def hook(z, hook):
        for l, h in heads:
            if hook.name == f"blocks.{l}.attn.hook_z":
                z[r, end, h] = c[hook.name][r, end, h]
        return z
    m[k] = metric(model.run_with_hooks(clean, [(lambda n: n.endswith("hook_z"), hook)])[r, end]).detach()
return (m["names"] + m["s2"] - m["clean"] - m["order"]) / 2, (m["order"] + m["s2"] - m["clean"] - m["names"]) / 2
"""

RIGHT = [
    ("ioi_prompts", "lists and a randperm for each prompt", PROMPTS),
    ("ioi_prompts", "by single_token, shuffled at the end", PROMPTS.replace(
        'ok = [n for n in names if len(tokenizer.encode(" " + n)) == 1]',
        'def good(n):\n    try: tokenizer.single_token(" " + n)\n    except ValueError: return False\n    return True\nok = list(filter(good, names))')),
    ("corrupt", "a helper that puts names", SWAP),
    ("corrupt", "by torch.where on tokens", """
io, s, t = prompts.io[:, None], prompts.s[:, None], prompts.tokens
both = torch.where(t == io, s, torch.where(t == s, io, t))
r = torch.arange(len(t)); p2 = prompts.positions["S2"]
if how == "names": return both
if how == "order":
    both[r, p2] = prompts.s
    return both
t = t.clone()
if how == "s2": t[r, p2] = prompts.io
else:
    picked = prompts.absent.gather(1, torch.rand(prompts.absent.shape, generator=generator).argsort(1))
    for k, place in enumerate(["S1", "IO", "S2"] if how == "abc" else ["S1"]): t[r, prompts.positions[place]] = picked[:, k]
return t
"""),
    ("denoise_and_noise", "in place", GROUPS.replace("BODY", BODY)),
    ("denoise_and_noise", "by what heads write", """
r = torch.arange(len(end))
names = [f"blocks.{l}.attn.hook_result" for l in range(model.config.n_layers)]
_, A = model.run_with_cache(clean, names)
_, B = model.run_with_cache(corrupted, names)
def one(tokens, other, group):
    hooks = [(names[l], lambda v, hook, h=h: torch.cat([v[:, :, :h], other[hook.name][:, :, h:h+1], v[:, :, h+1:]], 2)) for l, h in group]
    return metric(model.run_with_hooks(tokens, hooks)[r, end])
return torch.stack([one(corrupted, A, g) for g in groups]), torch.stack([one(clean, B, g) for g in groups])
"""),
    ("attention_roles", "index tensors in front", ROLES),
    ("attention_roles", "by flat offsets", """
L, B, H, Q, K = patterns.shape
flat = patterns.flatten(3)
def f(a, b):
    i = (positions[a] * K + positions[b])[None, :, None, None].expand(L, B, H, 1)
    return flat.gather(3, i).squeeze(3).mean(1)
return {"name mover": f("END", "IO"), "S-inhibition": f("END", "S2"), "duplicate token": f("S2", "S1"), "induction": f("S2", "S1+1"), "previous token": f("S1+1", "S1")}
"""),
    ("name_mover_copying", "loops and topk", COPY),
    ("self_repair", "with gradients on, in place", REPAIR),
    ("token_or_position", "a dict of four", SIGNALS),
]  # fmt: skip

WRONG = [
    ("ioi_prompts", "no BOS", PROMPTS.replace("[tokenizer.bos] + tokenizer", "tokenizer")),
    ("ioi_prompts", "only ABBA", PROMPTS.replace("for o in range(2)", "for o in (0,)")),
    ("ioi_prompts", "kinds drawn at random", PROMPTS.replace("kinds = (kinds * (count // len(kinds) + 1))[:count]", "kinds = [kinds[i] for i in torch.randint(len(kinds), (count,), generator=generator)]")),
    ("ioi_prompts", "all names", PROMPTS.replace('if len(tokenizer.encode(" " + n)) == 1]', "]")),
    ("ioi_prompts", "no space before names", PROMPTS.replace('tokenizer.encode(" " + n)', "tokenizer.encode(n)")),
    ("ioi_prompts", "python's random", PROMPTS.replace("torch.randperm(len(ok), generator=generator).tolist()", "list(np.random.permutation(len(ok)))")),
    ("ioi_prompts", "neighbours as pairs", PROMPTS.replace("a, b = ok[perm[0]], ok[perm[1]]", "perm = sorted(perm[:2]) + perm[2:]; a, b = ok[perm[0]], ok[perm[1]]")),
    ("ioi_prompts", "padded on the left", PROMPTS.replace("r + [tokenizer.bos] * (n - len(r))", "[tokenizer.bos] * (n - len(r)) + r")),
    ("ioi_prompts", "the end after the last token", PROMPTS.replace("len(toks) - 1)", "len(toks))")),
    ("ioi_prompts", "absent from all names", PROMPTS.replace("perm[2:]]", "perm]")),
    ("ioi_prompts", "a dict", PROMPTS.replace("return Prompts(", "return dict(tokens=t(rows))\nreturn Prompts(")),
    ("corrupt", "in place", SWAP.replace("prompts.tokens.clone()", "prompts.tokens")),
    ("corrupt", "abc from two names", SWAP.replace("put(*pick.T)", "put(pick[:, 0], pick[:, 1], pick[:, 1])")),
    ("corrupt", "the same strangers for all", SWAP.replace("put(*pick.T)", "put(*pick[0])")),
    ("corrupt", "order flips S2", SWAP.replace("put(prompts.s, prompts.io)\n", "put(prompts.s, prompts.io, prompts.io)\n")),
    ("corrupt", "s1 with IO", SWAP.replace("put(s1=pick[:, 0])", "put(s1=prompts.io)")),
    ("corrupt", "with replacement", SWAP.replace("torch.randperm(prompts.absent.shape[1], generator=generator)[:3]", "torch.randint(prompts.absent.shape[1], (3,), generator=generator)")),
    ("corrupt", "global randomness", SWAP.replace(", generator=generator", "")),
    ("corrupt", "other prompts' names", SWAP.replace("put(s2=prompts.io)", "put(s2=prompts.io.roll(1))")),
    ("denoise_and_noise", "exchanged", GROUPS.replace("BODY", BODY).replace("one(corrupted, A, g)", "one(clean, B, g)", 1)),
    ("denoise_and_noise", "whole layers", GROUPS.replace("BODY", "if l in [k for k, h in group]: z[:] = other[hook.name]")),
    ("denoise_and_noise", "at the end alone", GROUPS.replace("BODY", BODY.replace("[:, :, h]", "[r, end, h]"))),
    ("denoise_and_noise", "zeros", GROUPS.replace("BODY", BODY.replace("= other[hook.name][:, :, h]", "= 0"))),
    ("denoise_and_noise", "last column", GROUPS.replace("BODY", BODY).replace("out[r, end]", "out[:, -1]")),
    ("denoise_and_noise", "means over prompts", GROUPS.replace("BODY", BODY).replace("return metric(out[r, end])", "return metric(out[r, end]).mean()")),
    ("denoise_and_noise", "one head a run", GROUPS.replace("BODY", BODY).replace("one(corrupted, A, g) for g in groups", "sum(one(corrupted, A, [h]) for h in g) if g else one(corrupted, A, g) for g in groups")),
    ("denoise_and_noise", "swapped pairs", GROUPS.replace("BODY", BODY.replace("for (k, h) in", "for (h, k) in"))),
    ("attention_roles", "transposed", ROLES.replace("positions[a], positions[b]", "positions[b], positions[a]")),
    ("attention_roles", "heads first", ROLES.replace(".mean(0)", ".mean(0).T")),
    ("attention_roles", "mean pattern", ROLES.replace("patterns[:, i, :, positions[a], positions[b]].mean(0)", "patterns.mean(1)[:, :, positions[a], positions[b]].mean(-1)")),
    ("attention_roles", "name movers at S1", ROLES.replace('f("END", "IO")', 'f("END", "S1")')),
    ("attention_roles", "a missing role", ROLES.replace(', "previous token": f("S1+1", "S1")', "")),
    ("attention_roles", "the largest head only", ROLES.replace("return patterns[:, i, :, positions[a], positions[b]].mean(0)", "return patterns[:, i, :, positions[a], positions[b]].mean(0).max()")),
    ("attention_roles", "IO over S", ROLES.replace('"name mover": f("END", "IO")', '"name mover": f("END", "IO") - f("END", "S1")')),
    ("attention_roles", "no graph", ROLES.replace("patterns[:, i", "patterns.detach()[:, i")),
    ("name_mover_copying", "raw embedding", COPY.replace('model.run_with_cache(tokens)[1]["blocks.0.hook_resid_post"][i, at]', "model.embed(tokens)[i, at]")),
    ("name_mover_copying", "its own layer's stream", COPY.replace("blk.ln1(x) @", 'blk.ln1(model.run_with_cache(tokens)[1][f"blocks.{l}.hook_resid_pre"][i, at]) @')),
    ("name_mover_copying", "no ln1", COPY.replace("blk.ln1(x)", "x")),
    ("name_mover_copying", "no b_V", COPY.replace(" + blk.attn.b_V[h]", "")),
    ("name_mover_copying", "top 5 always", COPY.replace("min(top, lg", "min(5, lg")),
    ("name_mover_copying", "negative forgotten", COPY.replace("y = -y if negative else y\n", "pass\n")),
    ("name_mover_copying", "bottom k", COPY.replace("y = -y if negative else y\n", "pass\n").replace("lg.topk(k)", "lg.topk(k, largest=not negative)")),
    ("name_mover_copying", "counts", COPY.replace(".mean()", ".sum()")),
    ("name_mover_copying", "with the residual", COPY.replace("model.ln_final(y)", "model.ln_final(x + y)")),
    ("self_repair", "at the end", REPAIR.replace("v[:, :, h0] = z", "v[i, end, h0] = z[i, end]")),
    ("self_repair", "no scale", REPAIR.replace(" / (last.var(-1, unbiased=False, keepdim=True) + model.ln_final.eps).sqrt()[:, None]", "")),
    ("self_repair", "the other run's scale", REPAIR.replace("last = ca", "last = cb")),
    ("self_repair", "one pair for all", REPAIR.replace("(model.unembed.W_U[:, correct] - model.unembed.W_U[:, wrong]).T", "(model.unembed.W_U[:, correct[:1]] - model.unembed.W_U[:, wrong[:1]]).T")),
    ("self_repair", "totals of the head", REPAIR.replace("(ld(b) - ld(a)).detach(), torch.stack(ch).detach()", "torch.stack(ch).sum((0, 1)).detach(), torch.stack(ch).detach()")),
    ("self_repair", "minus", REPAIR.replace("ld(b) - ld(a)", "ld(a) - ld(b)")),
    ("self_repair", "a hook left behind", REPAIR.replace("with model.hooks([(f\"blocks.{l0}.attn.hook_z\", hook)]):\n    b, cb", "model.blocks[l0].attn.hook_z.register_forward_hook(lambda m, inp, out: hook(out.clone(), m))\nb, cb")),
    ("self_repair", "changes as shares", REPAIR.replace("torch.stack(ch).detach()", "(torch.stack(ch) / torch.stack(ch)[l0, h0]).detach()")),
    ("token_or_position", "names alone", SIGNALS.replace('(m["names"] + m["s2"] - m["clean"] - m["order"]) / 2', 'm["names"] - m["clean"]')),
    ("token_or_position", "all positions", SIGNALS.replace("[r, end, h] = c[hook.name][r, end, h]", "[:, :, h] = c[hook.name][:, :, h]")),
    ("token_or_position", "the twins' tokens", SIGNALS.replace("run_with_hooks(clean", "run_with_hooks(toks")),
    ("token_or_position", "no half", SIGNALS.replace(" / 2", "")),
    ("token_or_position", "swapped", SIGNALS.replace('m["names"]', 'm["x"]').replace('m["order"]', 'm["names"]').replace('m["x"]', 'm["order"]')),
    ("token_or_position", "one head at a time", SIGNALS.replace("for l, h in heads:", "for l, h in heads[:1]:")),
    ("token_or_position", "the end of the batch's longest", SIGNALS.replace("[r, end, h]", "[r, -1, h]")),
    ("token_or_position", "opposite sign", SIGNALS.replace("return (m", "return -(m")),
]  # fmt: skip


def answered(grader, name, body):
    return grade(grader, f"ioi.{name}", in_function(name, SIGNATURES[name], body), START + MORE)


@pytest.mark.parametrize(("name", "body"), listed(RIGHT))
def test_a_right_answer_passes_however_it_is_written(grader, name, body):
    assert_passed(answered(grader, name, body))


@pytest.mark.parametrize(("name", "body"), listed(WRONG))
def test_a_wrong_answer_is_rejected_with_a_sentence(grader, name, body):
    assert_rejected(answered(grader, name, body))
