"""Answers about reading latents as people write them, right and wrong, that no checker was made from."""

# ruff: noqa: E501 (the lines are as long as people write them)
import pytest

from headwork.tests.natural import assert_passed, assert_rejected, grade, in_frame, listed

CONTEXTS = """
flat = activity.flatten()
idx = flat.nonzero().flatten()
idx = idx[flat[idx].argsort(descending=True)]
n = len(idx)
c = min(count, n)
T, P = activity.shape
out = {"places": [], "tokens": [], "activity": []}
for d in depths:
    s = int(d * (n - c))
    rows = idx[s:s + c]
    t, p = rows // P, rows % P
    around = p[:, None] + torch.arange(-radius, radius + 1)
    ok = (around >= 0) & (around < P)
    safe = around.clamp(0, P - 1)
    out["places"].append(torch.stack([t, p], 1))
    out["tokens"].append(tokens[t[:, None], safe].masked_fill(~ok, -1))
    out["activity"].append(activity[t[:, None], safe] * ok)
return {k: torch.stack(v) for k, v in out.items()}
"""
DIRECT = """
if model.config.layer_norm:
    r = residual - residual.mean(-1, keepdim=True)
    s = (r.pow(2).mean(-1) + model.ln_final.eps).rsqrt().mean()
    d = (W_dec - W_dec.mean(1, keepdim=True)) * s
    d = d * model.ln_final.w
else:
    d = W_dec
out = d @ model.unembed.W_U
return out - out.mean(1, keepdim=True)
"""

EFFECTS = """
def act(x):
    return sae(x.reshape(-1, x.shape[-1]))[1][:, latent].view(x.shape[0], x.shape[1], 1)
store = []
def look(x):
    store.append(act(x))
    return x
logp = torch.log_softmax(run(look), -1)
f = store[0]
on = (f > 0).squeeze(-1)
def kl(new):
    logq = torch.log_softmax(new, -1)
    return (logp.exp() * (logp - logq)).sum(-1)
def ablate(v):
    k = kl(run(lambda x: x - f * v))
    return k[on].mean() if on.any() else torch.tensor(0.0, dtype=k.dtype)
def steer(v):
    return kl(run(lambda x: x + strength * v)).mean()
w = sae.W_dec[latent]
rs = [r / r.norm() * w.norm() for r in directions]
return {"ablated": ablate(w), "ablated at random": torch.stack([ablate(r) for r in rs]), "steered": steer(w), "steered at random": torch.stack([steer(r) for r in rs])}
"""

AREA = """
def draw_latents(density, count, generator):
    ids = torch.nonzero(density)[:, 0]
    return ids[torch.randperm(ids.numel(), generator=generator)][:count]


def label_and_predict(label, activity, tokens, count, generator):
    on = torch.nonzero(activity)
    off = torch.nonzero(activity == 0)
    on = on[torch.randperm(len(on), generator=generator)[:count]]
    off = off[torch.randperm(len(off), generator=generator)[:count]]
    a = np.array([label(tokens[t, :p + 1]) for t, p in on.tolist()])
    b = np.array([label(tokens[t, :p + 1]) for t, p in off.tolist()])
    d = np.subtract.outer(a, b)
    return float(np.where(d > 0, 1.0, np.where(d == 0, 0.5, 0.0)).mean())
"""
NOISE = """
KINDS = ("isotropic", "covariance", "norm")


def unit(v):
    return v / torch.norm(v, dim=-1, keepdim=True)


def same_size_noise(x, reconstruction, kind, generator):
    e = reconstruction - x
    z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
    if kind == "covariance":
        w, V = torch.linalg.eigh(e.T @ e / len(e))
        z = (z * w.clamp(min=0) ** 0.5) @ V.T
    if kind == "norm":
        u = unit(x)
        a = (e * u).sum(1, keepdim=True) * u
        z = z - (z * u).sum(1, keepdim=True) * u
        return x + a + unit(z) * (e - a).norm(dim=1, keepdim=True)
    return x + unit(z) * e.norm(dim=1, keepdim=True)


def error_against_noise(run, sae, generator):
    base = run(lambda x: x).mean()
    def loss(kind):
        def f(x):
            flat = x.flatten(0, 1)
            r = sae(flat)[0]
            if kind != "error":
                r = same_size_noise(flat, r, kind, generator)
            return r.view_as(x)
        return (run(f).mean() - base).item()
    return {k: loss(k) for k in ("error",) + KINDS}
"""

FRAMES = {
    "label_and_predict": None,
    "error_against_noise": None,
    "ablate_and_steer": "def ablate_and_steer(run, sae, latent, strength, directions):\n    BODY\n",
    "top_contexts": "def top_contexts(activity, tokens, depths, count, radius):\n    BODY\n",
    "latent_logits": "def latent_logits(model, W_dec, residual):\n    BODY\n",
}

RIGHT = [
    ("label_and_predict", "numpy's outer difference", AREA),
    ("error_against_noise", "a helper for unit vectors", NOISE),
    ("ablate_and_steer", "closures", EFFECTS),
    ("ablate_and_steer", "lists of floats to tensors", EFFECTS.replace("torch.stack([steer(r) for r in rs])", "torch.tensor([float(steer(r)) for r in rs], dtype=directions.dtype)")),
    ("top_contexts", "a loop over depths", CONTEXTS),
    ("latent_logits", "rsqrt", DIRECT),
    ("latent_logits", "a difference of two streams at a frozen scale", """
norm = model.ln_final
if not model.config.layer_norm:
    out = W_dec @ model.unembed.W_U
    return out - out.mean(-1, keepdim=True)
s = (residual.var(-1, unbiased=False, keepdim=True) + norm.eps).sqrt().flatten(0, 1)
base = residual.flatten(0, 1)
def logits(x):
    return ((x - x.mean(-1, keepdim=True)) / s * norm.w + norm.b) @ model.unembed.W_U
rows = [(logits(base + d) - logits(base)).mean(0) for d in W_dec]
out = torch.stack(rows)
return out - out.mean(-1, keepdim=True)
"""),
]  # fmt: skip

WRONG = [
    ("label_and_predict", "accuracy at one half", AREA.replace("d = np.subtract.outer(a, b)", "return float(((a > 0.5).mean() + (b <= 0.5).mean()) / 2)\n    d = 0")),
    ("label_and_predict", "the strongest", AREA.replace("on = on[torch.randperm(len(on), generator=generator)[:count]]", "on = on[activity[activity > 0].argsort(descending=True)[:count]]")),
    ("label_and_predict", "as many silent ones as active ones", AREA.replace("len(off), generator=generator)[:count]", "len(off), generator=generator)[:len(on)]")),
    ("label_and_predict", "the global generator", AREA.replace("torch.randperm(ids.numel(), generator=generator)", "torch.randperm(ids.numel())")),
    ("label_and_predict", "without the token itself", AREA.replace("tokens[t, :p + 1]) for t, p in on", "tokens[t, :max(p, 1)]) for t, p in on")),
    ("label_and_predict", "lists of tokens from the batch", AREA.replace("tokens[t, :p + 1]", "tokens[:, p]")),
    ("label_and_predict", "half of the dead", AREA.replace("torch.nonzero(density)[:, 0]", "torch.arange(len(density))")),
    ("label_and_predict", "always the first", AREA.replace("[torch.randperm(ids.numel(), generator=generator)][:count]", "[:count]")),
    ("label_and_predict", "zero for a tie", AREA.replace("0.5, 0.0)", "0.0, 0.0)")),
    ("error_against_noise", "one direction for all", NOISE.replace("z = torch.randn(x.shape,", "z = 0 * x + torch.randn(x.shape[1],")),
    ("error_against_noise", "a covariance about the mean", NOISE.replace("torch.linalg.eigh(e.T @ e / len(e))", "torch.linalg.eigh(torch.cov(e.T))")),
    ("error_against_noise", "isotropic everywhere", NOISE.replace('if kind == "covariance"', "if False")),
    ("error_against_noise", "rescaled to the activation's length", NOISE.replace("return x + a + unit(z) * (e - a).norm(dim=1, keepdim=True)", "y = x + unit(z) * e.norm(dim=1, keepdim=True)\n        return unit(y) * x.norm(dim=1, keepdim=True)")),
    ("error_against_noise", "the mean size", NOISE.replace("e.norm(dim=1, keepdim=True)\n\n", "e.norm(dim=1).mean()\n\n")),
    ("error_against_noise", "not normalised", NOISE.replace("return x + unit(z) * e.norm(dim=1, keepdim=True)", "return x + z * e.std()")),
    ("error_against_noise", "positive noise", NOISE.replace("torch.randn(x.shape", "torch.rand(x.shape")),
    ("error_against_noise", "of the whole batch", NOISE.replace("run(f).mean() - base", "run(f).sum() - base")),
    ("error_against_noise", "the error reordered", NOISE.replace("    z = torch.randn(x.shape, generator=generator, dtype=x.dtype)\n", "    z = e[torch.randperm(len(e), generator=generator)]\n")),
    ("error_against_noise", "always seeded", NOISE.replace("generator=generator, dtype", "generator=torch.Generator().manual_seed(0), dtype")),
    ("ablate_and_steer", "over all positions", EFFECTS.replace("k[on].mean()", "k.mean()")),
    ("ablate_and_steer", "controls not scaled", EFFECTS.replace("r / r.norm() * w.norm()", "r")),
    ("ablate_and_steer", "controls as long as each other's sum", EFFECTS.replace("r / r.norm() * w.norm()", "r / r.abs().sum() * w.norm()")),
    ("ablate_and_steer", "only the last position", EFFECTS.replace("return kl(run(lambda x: x + strength * v)).mean()", "return kl(run(lambda x: x + strength * v))[:, -1].mean()")),
    ("ablate_and_steer", "logits, not log-probabilities", EFFECTS.replace("torch.log_softmax(new, -1)", "new")),
    ("ablate_and_steer", "in place", EFFECTS.replace("run(lambda x: x - f * v)", "run(lambda x: x.sub_(f * v))")),
    ("ablate_and_steer", "reconstruction put in", EFFECTS.replace("run(lambda x: x - f * v)", "run(lambda x: sae(x.reshape(-1, x.shape[-1]))[0].view(x.shape) - f * v)")),
    ("ablate_and_steer", "another latent", EFFECTS.replace("[1][:, latent]", "[1][:, latent - 1]")),
    ("ablate_and_steer", "not a number", EFFECTS.replace(" if on.any() else torch.tensor(0.0, dtype=k.dtype)", "")),
    ("ablate_and_steer", "steered where active", EFFECTS.replace("x + strength * v)", "x + strength * v * on[..., None])")),
    ("top_contexts", "only the top", CONTEXTS.replace("s = int(d * (n - c))", "s = 0")),
    ("top_contexts", "quantiles of strength, not of rank", CONTEXTS.replace("s = int(d * (n - c))", "top = flat.max()\n    s = min(int((flat[idx] > top * (1 - d)).sum()), n - c)")),
    ("top_contexts", "topk of everything", CONTEXTS.replace("idx = flat.nonzero().flatten()\n", "idx = torch.arange(len(flat))\n")),
    ("top_contexts", "rounded", CONTEXTS.replace("s = int(d * (n - c))", "s = round(d * n)")),
    ("top_contexts", "only what came before", CONTEXTS.replace("torch.arange(-radius, radius + 1)", "torch.arange(-2 * radius, 1)")),
    ("top_contexts", "one neighbour short", CONTEXTS.replace("torch.arange(-radius, radius + 1)", "torch.arange(-radius, radius)")),
    ("top_contexts", "shifted by one", CONTEXTS.replace("torch.arange(-radius, radius + 1)", "torch.arange(-radius, radius + 1) + 1")),
    ("top_contexts", "floats", CONTEXTS.replace("torch.stack([t, p], 1)", "torch.stack([t, p], 1).double()")),
    ("top_contexts", "masked by zero", CONTEXTS.replace("masked_fill(~ok, -1)", "masked_fill(~ok, 0)")),
    ("latent_logits", "the raw product", "out = W_dec @ model.unembed.W_U\nreturn out - out.mean(1, keepdim=True)"),
    ("latent_logits", "not centred over tokens", DIRECT.replace("return out - out.mean(1, keepdim=True)", "return out")),
    ("latent_logits", "unit rows", DIRECT.replace("else:", "    d = F.normalize(d, dim=-1)\nelse:")),
    ("latent_logits", "the norm of the direction itself", "out = model.unembed(model.ln_final(W_dec[None]))[0]\nreturn out - out.mean(1, keepdim=True)"),
    ("latent_logits", "a stream of its own for every place, unfrozen", "base = model.unembed(model.ln_final(residual))\nout = torch.stack([(model.unembed(model.ln_final(residual + d)) - base).mean((0, 1)) for d in W_dec])\nreturn out - out.mean(1, keepdim=True)"),
    ("latent_logits", "one over the mean scale", DIRECT.replace("(r.pow(2).mean(-1) + model.ln_final.eps).rsqrt().mean()", "1 / (r.pow(2).mean(-1) + model.ln_final.eps).sqrt().mean()")),
    ("latent_logits", "numpy", DIRECT.replace("return out - out.mean(1, keepdim=True)", "out = out.detach().numpy()\nreturn torch.tensor(out - out.mean(1, keepdims=True))")),
    ("latent_logits", "the last place's scale", DIRECT.replace("rsqrt().mean()", "rsqrt()[-1, -1]")),
    ("latent_logits", "probabilities", DIRECT.replace("return out - out.mean(1, keepdim=True)", "return out.softmax(-1) - 1 / out.shape[1]")),
]  # fmt: skip


def answered(grader, name, body):
    return grade(grader, f"sae.{name}", in_frame(FRAMES[name], body) if FRAMES[name] else body)


@pytest.mark.parametrize(("name", "body"), listed(RIGHT))
def test_a_right_answer_passes_however_it_is_written(grader, name, body):
    assert_passed(answered(grader, name, body))


@pytest.mark.parametrize(("name", "body"), listed(WRONG))
def test_a_wrong_answer_is_rejected_with_a_sentence(grader, name, body):
    assert_rejected(answered(grader, name, body))
