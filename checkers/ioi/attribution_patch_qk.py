"""`ioi.attribution_patch_qk`: patches of queries and keys, with the softmax recomputed."""

from collections.abc import Iterator

import torch
from torch import Tensor

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise
from headwork.checkers.inputs import Rng
from headwork.checkers.ioi.questions import NOTHING_LEFT, of, questions
from headwork.checkers.probing import Case

ask = Exercise("attribution_patch_qk", batch=["clean", "corrupted", "end", "directions"], seconds=60)


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    for name, inputs in questions(rng):
        yield Case(name, **inputs)
    for name, inputs in questions(rng, house=False):
        sharp = {key: _sharper(key, value) for key, value in inputs["model"]["state"].items()}
        yield Case(f"{name}, a saturated softmax", **{**inputs, "model": {**inputs["model"], "state": sharp}})


def _sharper(name: str, weight: Tensor) -> Tensor:
    """Queries five times as large: most patterns are 0 or 1 to many digits."""
    return torch.mul(weight, 5) if name.endswith(("W_Q", "b_Q")) else weight


ask.checks(
    equal("queries", title="estimates the patch of each query, with its row of the pattern recomputed", weight=2),
    equal("keys", title="estimates the patch of each key by itself, with the pattern recomputed", weight=2),
    equal("the model is as it was", title=NOTHING_LEFT, weight=0.5),
)

HOOKED = """
import torch

def pattern(q, k):
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5
    later = torch.ones_like(scores, dtype=torch.bool).triu(1)
    return scores.masked_fill(later, float("-inf")).softmax(-1)

def attribution_patch_qk(model, clean, corrupted, end, metric):
    rows = torch.arange(len(end), device=end.device)
    wanted = [name for name in model.hook_points if name.endswith(("hook_q", "hook_k", "hook_pattern", "_scores"))]
    clean_logits, donor = model.run_with_cache(clean, wanted)
    logits, base = model.run_with_cache(corrupted, wanted)
    total = metric(logits[rows, end]).sum()
    queries, keys = [], []
    for layer in range(model.config.n_layers):
        name = f"blocks.{layer}.attn.hook_"
        slope, = torch.autograd.grad(total, [base[name + "pattern"]], retain_graph=True)
        q, k, new_q, new_k = (run[name + part].detach() for run in (base, donor) for part in "qk")
        old = base[name + "pattern"].detach()
        effect = ((pattern(new_q, k) - old) * slope).sum(-1)
        queries.append(effect.permute(1, 2, 0))
        each = []
        for position in range(clean.shape[1]):
            mixed = k.clone()
            mixed[:, position] = new_k[:, position]
            each.append(((pattern(q, mixed) - old) * slope).sum((-1, -2)).T)
        keys.append(torch.stack(each, 1))
    return torch.stack(queries), torch.stack(keys)
"""
wrong = of(HOOKED)
QUERY = "effect = ((pattern(new_q, k) - old) * slope).sum(-1)"
KEY = "each.append(((pattern(q, mixed) - old) * slope).sum((-1, -2)).T)"
MIXED = "mixed[:, position] = new_k[:, position]"
SLOPE = 'slope, = torch.autograd.grad(total, [base[name + "pattern"]], retain_graph=True)'
FIRST_ORDER = """
import torch

def attribution_patch_qk(model, clean, corrupted, end, metric):
    rows = torch.arange(len(end), device=end.device)
    found = []
    for part in "qk":
        names = [f"blocks.{layer}.attn.hook_{part}" for layer in range(model.config.n_layers)]
        _, donor = model.run_with_cache(clean, names)
        logits, base = model.run_with_cache(corrupted, names)
        slopes = torch.autograd.grad(metric(logits[rows, end]).sum(), [base[name] for name in names])
        changes = [((donor[name] - base[name]) * slope).detach() for name, slope in zip(names, slopes)]
        found.append(torch.stack([change.sum(-1).permute(2, 1, 0) for change in changes]))
    return tuple(found)
"""
ALL_KEYS = "All keys are patched at once: each key is patched by itself, with all others corrupted."

ask.mistakes(
    of(FIRST_ORDER)(
        "return tuple(found)",
        "return found[0], found[1]",
        "This is the gradient at the queries and keys times their change: a saturated softmax has no "
        "gradient. Recompute "
        "the pattern with the clean query or key, and take the gradient at the pattern.",
    ),
    wrong(
        QUERY,
        QUERY.replace("pattern(new_q, k)", "pattern(new_q, new_k)"),
        "The clean queries meet the clean keys: the keys stay corrupted, or you cannot say which of the two it was.",
    ),
    wrong(
        "pattern(q, mixed)",
        "pattern(new_q, mixed)",
        "The clean keys meet the clean queries: the queries stay corrupted.",
    ),
    wrong(MIXED, "mixed[:] = new_k", ALL_KEYS),
    wrong(KEY, "each.append(((pattern(q, new_k) - old) * slope)[..., position].sum(-1).T)", ALL_KEYS),
    wrong(
        KEY,
        "each.append(((pattern(q, mixed) - old) * slope)[..., position].sum(-1).T)",
        "Only the patched key's own column is counted: the softmax changes every entry of the rows that see it, so add "
        "up over queries and keys.",
    ),
    of(HOOKED.replace('[base[name + "pattern"]], retain', '[base[name + "attn_scores"]], retain'))(
        "slope, =",
        "(slope,) =",
        "The gradient is taken at the scores, before the softmax that is recomputed: take it at `hook_pattern`.",
    ),
    wrong(
        MIXED,
        "mixed[:, : position + 1] = new_k[:, : position + 1]",
        "The keys before it stay patched: each key is patched by itself, with all others corrupted.",
    ),
    *(
        mistake
        for wrong in (of(HOOKED), of(HOOKED.replace('old = base[name + "pattern"].detach()', "old = pattern(q, k)")))
        for mistake in (
            wrong(
                'scores.masked_fill(later, float("-inf")).softmax(-1)',
                "scores.softmax(-1)",
                "The recomputed pattern has no causal mask: no query sees a later key.",
            ),
            wrong(
                " / q.shape[-1] ** 0.5",
                "",
                "The recomputed scores are not divided by the root of d_head, as the network's are.",
            ),
        )
    ),
    of(HOOKED.replace('old = base[name + "pattern"].detach()', "old = pattern(q, k)"))(
        " / q.shape[-1] ** 0.5",
        " / (q.shape[-2] * q.shape[-1]) ** 0.5",
        "The recomputed scores are divided by the root of d_model: divide by that of d_head.",
    ),
    wrong(
        " / q.shape[-1] ** 0.5",
        " / q.shape[-1]",
        "The recomputed scores are divided by d_head: divide by its root.",
    ),
    of(HOOKED.replace("pattern(new_q, k) - old", "old - pattern(new_q, k)"))(
        "pattern(q, mixed) - old",
        "old - pattern(q, mixed)",
        "The difference is old minus new: the pattern changes by new minus old.",
    ),
    of(HOOKED.replace("((pattern(new_q, k) - old) * slope)", "((pattern(new_q, k) - old) * slope).abs()"))(
        "((pattern(q, mixed) - old) * slope)",
        "((pattern(q, mixed) - old) * slope).abs()",
        "Absolute values are taken before the sum: what one key gains another loses, and the sum has to see both.",
    ),
    wrong(
        "total = metric(logits[rows, end]).sum()",
        "total = metric(logits[rows, end]).mean()",
        "The gradient is that of the mean, which divides every prompt's effect by the batch: take that of the sum.",
    ),
    wrong(
        "total = metric(logits[rows, end]).sum()",
        "total = metric(logits[:, -1]).sum()",
        "The last column is read for every prompt: shorter prompts end before it, and `end` says where.",
    ),
    of(HOOKED.replace("total = metric(logits[rows, end])", "total = metric(clean_logits[rows, end])"))(
        'torch.autograd.grad(total, [base[name + "pattern"]]',
        'torch.autograd.grad(total, [donor[name + "pattern"]]',
        "The gradient is taken at the clean run: the patches go into the corrupted run, so take it there.",
    ),
    wrong(
        "return torch.stack(queries), torch.stack(keys)",
        "return torch.stack(keys), torch.stack(queries)",
        "Keys come before queries: return the queries first.",
    ),
    wrong(
        "queries.append(effect.permute(1, 2, 0))",
        "queries.append(effect.permute(2, 1, 0))",
        "The queries are (position, head, batch) in each layer: heads come before positions.",
    ),
)

ask.survives(
    "queries, keys = (torch.nn.functional.pad(torch.stack(each), later) for each in zip(*found, strict=True))",
    "queries, keys = (torch.nn.functional.pad(torch.stack(each), later) for each in zip(*found, strict=False))",
    "Every layer gives two tensors.",
)
