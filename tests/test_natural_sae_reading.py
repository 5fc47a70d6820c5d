"""Answers about reading latents as people write them, right and wrong, that no checker was made from."""

import textwrap

# ruff: noqa: E501 (the lines are as long as people write them)
import pytest

from headwork.grading.submission import read_text

START = "import einops\nimport numpy as np\nimport torch\nimport torch.nn.functional as F\n\n\n"

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

FRAMES = {
    "top_contexts": "def top_contexts(activity, tokens, depths, count, radius):\n    BODY\n",
    "latent_logits": "def latent_logits(model, W_dec, residual):\n    BODY\n",
}

RIGHT = [
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


def grade(grader, name, body):
    source = START + FRAMES[name].replace("    BODY", textwrap.indent(body.strip(), "    "))
    return grader.grade(read_text("exercises.py", source), [f"sae.{name}"]).verdicts[0]


@pytest.mark.parametrize(("name", "style", "body"), RIGHT, ids=[f"{name}: {style}" for name, style, _ in RIGHT])
def test_a_right_answer_passes_however_it_is_written(grader, name, style, body):
    verdict = grade(grader, name, body)
    assert verdict.passed and verdict.points == verdict.out_of, verdict


@pytest.mark.parametrize(("name", "style", "body"), WRONG, ids=[f"{name}: {style}" for name, style, _ in WRONG])
def test_a_wrong_answer_is_rejected_with_a_sentence(grader, name, style, body):
    verdict = grade(grader, name, body)
    print(f"{name}: {style}: {verdict.status}: {verdict.message}")
    assert verdict.status in ("failed", "error") and verdict.points < verdict.out_of, verdict
    assert len(verdict.message) > 20, verdict
