"""Answers to the exercises on circuits as people write them, right and wrong, that no checker was made from."""

import textwrap

# ruff: noqa: E501 (the lines are as long as people write them)
import pytest

from headwork.grading.submission import read_text

START = """
import numpy as np
import torch
import torch.nn.functional as F


"""
SIGNATURES = {
    "mean_ablate_by_template": "model, tokens, template, end, abc, abc_template, kept",
    "faithfulness": "circuit, whole, none",
    "completeness": "run, circuit, sets",
    "minimality": "run, circuit, sets",
}
ABLATE = """
out = []
for i in range(len(tokens)):
    _, cache = model.run_with_cache(abc[abc_template == template[i]])
    def hook(z, hook):
        l = int(hook.name.split(".")[1])
        m = MEAN
        k = kept[i, l].T[None, :, :, None]
        return RETURN
    names = [f"blocks.{l}.attn.hook_z" for l in range(model.config.n_layers)]
    logits = model.run_with_hooks(tokens[i : i + 1], [(names, hook)])
    out.append(logits[0, end[i]])
return torch.stack(out)
"""


def ablate(mean="cache[hook.name].mean(0, keepdim=True)", result="z * k + m * ~k"):
    return ABLATE.replace("MEAN", mean).replace("RETURN", result)


RIGHT = [
    ("mean_ablate_by_template", "a prompt at a time", ablate()),
    ("mean_ablate_by_template", "with torch.where", ablate(result="torch.where(k, z, m)")),
    ("mean_ablate_by_template", "in place", ablate(result="z.copy_(torch.where(k, z, m))")),
    ("faithfulness", "through numpy for the ratio", """
u = (np.asarray(circuit.detach()) - np.asarray(none)).mean(-1) / (np.asarray(whole) - np.asarray(none)).mean(-1)
E = ((circuit - whole).abs().mean(-1) / (none - whole).abs().mean(-1)).flatten()
return torch.tensor(u), 1 - E[E.argmax()]
"""),
    ("faithfulness", "the least of 1 - E", """
E = F.l1_loss(circuit, whole[None].expand_as(circuit), reduction="none").sum(2)
return (circuit.sum(2) - none.sum(2)) / (whole.sum(1) - none.sum(2)), (1 - E / (whole - none).abs().sum(2)).min()
"""),
    ("completeness", "set by set", """
one = torch.ones(len(circuit), dtype=torch.bool)
scale = (run(~one) - run(one)).abs().sum(-1)
c = []
for K in sets:
    c.append(((run(circuit & ~K) - run(one & ~K)).abs().sum(-1) / scale).max())
return torch.stack(c)
"""),
    ("minimality", "with a dict", """
n = run(torch.zeros_like(circuit)).mean(-1)
scale = (run(torch.ones_like(circuit)).mean(-1) - n).abs()
best = {v: torch.zeros((), dtype=n.dtype) for v in range(len(circuit))}
for K in sets:
    c = circuit & ~K
    for v in c.nonzero().flatten().tolist():
        d = c.clone(); d[v] = False
        e = (run(d).mean(-1) - run(c).mean(-1)).abs() / scale
        best[v] = max(best[v], e.max())
return torch.stack(list(best.values()))
"""),
]  # fmt: skip

WRONG = [
    ("mean_ablate_by_template", "mean over prompts and positions", ablate("cache[hook.name].mean((0, 1), keepdim=True)")),
    ("mean_ablate_by_template", "the first abc prompt", ablate("cache[hook.name][:1]")),
    ("mean_ablate_by_template", "the median", ablate("cache[hook.name].median(0, keepdim=True).values")),
    ("mean_ablate_by_template", "wrong way round", ablate(result="z * ~k + m * k")),
    ("mean_ablate_by_template", "half of each", ablate(result="torch.where(k, z, (z + m) / 2)")),
    ("mean_ablate_by_template", "mean added", ablate(result="torch.where(k, z, z - m)")),
    ("mean_ablate_by_template", "by the order of templates", ablate().replace(
        "abc_template == template[i]", "abc_template == abc_template[i % len(abc)]")),
    ("mean_ablate_by_template", "last position", ablate().replace("logits[0, end[i]]", "logits[0, -1]")),
    ("faithfulness", "no absolute value", """
return (circuit - none).mean(-1) / (whole - none).mean(-1), 1 - ((circuit - whole).sum(-1) / (none - whole).sum(-1)).max()
"""),
    ("faithfulness", "root mean square", """
E = ((circuit - whole) ** 2).mean(-1).sqrt() / ((none - whole) ** 2).mean(-1).sqrt()
return (circuit - none).mean(-1) / (whole - none).mean(-1), 1 - E.max()
"""),
    ("faithfulness", "all in one sum", """
E = (circuit - whole).abs().sum() / (none - whole).abs().sum()
return (circuit - none).mean(-1) / (whole - none).mean(-1), 1 - E
"""),
    ("faithfulness", "wrong order", """
usual = (circuit - none).mean(-1) / (whole - none).mean(-1)
return 1 - ((circuit - whole).abs().sum(-1) / (none - whole).abs().sum(-1)).max(), usual
"""),
    ("faithfulness", "a float", """
E = (circuit - whole).abs().sum(-1) / (none - whole).abs().sum(-1)
return (circuit - none).mean(-1) / (whole - none).mean(-1), 1 - E.max().item()
"""),
    ("completeness", "only members leave", """
z = torch.zeros_like(circuit)
d = (run(circuit & ~(sets & circuit)) - run(~(sets & circuit))).abs().sum(-1)
return (d / (run(z) - run(~z)).abs().sum(-1)).max(-1).values
"""),
    ("completeness", "set minus circuit", """
z = torch.zeros_like(circuit)
d = (run(sets & ~circuit) - run(~sets)).abs().sum(-1)
return (d / (run(z) - run(~z)).abs().sum(-1)).max(-1).values
"""),
    ("completeness", "scaled by each prompt", """
z = torch.zeros_like(circuit)
d = (run(circuit & ~sets) - run(~sets)).abs() / (run(z) - run(~z)).abs()
return d.mean(-1).max(-1).values
"""),
    ("completeness", "scaled by the circuit", """
z = torch.zeros_like(circuit)
d = (run(circuit & ~sets) - run(~sets)).abs().sum(-1)
return (d / ((run(z) - run(circuit)).abs().sum(-1) + 1e-9)).max(-1).values
"""),
    ("minimality", "of the model", """
z = torch.zeros_like(circuit)
scale = (run(~z) - run(z)).mean(-1)
out = []
for v in range(len(circuit)):
    e = [((run(~K) - run(~K & ~F.one_hot(torch.tensor(v), len(circuit)).bool())).mean(-1) / scale).abs().max()
         for K in sets if circuit[v] and not K[v]]
    out.append(max(e) if e else torch.zeros((), dtype=scale.dtype))
return torch.stack(out)
"""),
    ("minimality", "the empty set alone", """
z = torch.zeros_like(circuit)
scale = (run(~z) - run(z)).mean(-1)
out = []
for v in range(len(circuit)):
    d = circuit.clone(); d[v] = False
    out.append(((run(circuit) - run(d)).mean(-1) / scale).abs().max())
return torch.stack(out)
"""),
    ("minimality", "K that hold the member too", """
z = torch.zeros_like(circuit)
scale = (run(~z) - run(z)).mean(-1)
out = []
for v in range(len(circuit)):
    e = []
    for K in sets:
        c = circuit & ~K
        d = circuit & ~K; d[v] = False
        c = c.clone(); c[v] = circuit[v]
        e.append(((run(c) - run(d)).mean(-1) / scale).abs().max())
    out.append(max(e))
return torch.stack(out)
"""),
]  # fmt: skip


def grade(grader, name, body):
    source = f"{START}def {name}({SIGNATURES[name]}):\n{textwrap.indent(body.strip(), '    ')}\n"
    return grader.grade(read_text("exercises.py", source), [f"ioi.{name}"]).verdicts[0]


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
