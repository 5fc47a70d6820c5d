"""Chapter `ioi`: every patch at once, by a gradient: patching to first order, and where that is wrong.

All of these estimate denoising: how the metric on the corrupted prompts would change if one activation were the clean
run's. `metric` is called with the logits at the end positions, (..., batch, d_vocab), and returns (..., batch).
Sources: Nanda 2023 (attribution patching); Kramar et al. 2024 (AtP*: the recomputed softmax, and GradDrop).
"""

import torch
from torch import Tensor

from headwork.models import GPT2
from headwork.solutions.ioi.engine import Engine, Metric


def attribution_patch(
    model: GPT2, clean: Tensor, corrupted: Tensor, end: Tensor, metric: Metric
) -> tuple[Tensor, Tensor]:
    """First-order estimates of what each patch of `patch_residual` and of `patch_heads` adds to the corrupted metric.

    clean, corrupted: tokens, (batch, position). end: (batch,), the position whose logits the metric is given,
    (batch, d_vocab), to return a number a prompt, (batch,). Returns (layer, position, batch) for the residual stream
    before each layer and (layer, head, batch) for each head's z at all positions.
    """
    ### BEGIN SOLUTION
    engine = Engine(model, end)
    with torch.no_grad():
        donor, _ = engine.run(clean)
    with torch.enable_grad():
        base, after = engine.run(corrupted)
        slopes = torch.autograd.grad(engine.unpatched(after, metric).sum(), base.pre + base.z)
    with torch.no_grad():
        moved = [new - old for new, old in zip(donor.pre + donor.z, base.pre + base.z, strict=True)]
        first_order = [change * slope for change, slope in zip(moved, slopes, strict=True)]
    streams, heads = first_order[: len(engine.layers)], first_order[len(engine.layers) :]
    found = torch.stack([each.sum(-1).T for each in streams])  # (layer, position, batch)
    after_end = found.new_zeros(len(found), clean.shape[1] - engine.length, len(clean))
    return torch.cat([found, after_end], 1), torch.stack([each.sum((1, 3)).T for each in heads])
    ### END SOLUTION


def attribution_patch_qk(
    model: GPT2, clean: Tensor, corrupted: Tensor, end: Tensor, metric: Metric
) -> tuple[Tensor, Tensor]:
    """Estimates of what patching one head's query, or its key, at one position adds to the corrupted metric.

    The pattern is recomputed with that one clean query or key, softmax and all; only from the pattern on is the metric
    taken to first order. clean, corrupted: tokens, (batch, position). end: (batch,), the position whose logits the
    metric is given, (batch, d_vocab), to return a number a prompt, (batch,). Returns queries and keys, each
    (layer, head, position, batch).
    """
    ### BEGIN SOLUTION
    engine = Engine(model, end)
    with torch.no_grad():
        donor, _ = engine.run(clean)
    with torch.enable_grad():
        base, after = engine.run(corrupted)
        slopes = torch.autograd.grad(engine.unpatched(after, metric).sum(), base.z)
    with torch.no_grad():
        found = [_by_layer(base.q[l], base.k[l], base.v[l], donor.q[l], donor.k[l], slopes[l]) for l in engine.layers]
    later = (0, 0, 0, clean.shape[1] - engine.length)
    queries, keys = (torch.nn.functional.pad(torch.stack(each), later) for each in zip(*found, strict=True))
    return queries, keys
    ### END SOLUTION


def grad_drop(model: GPT2, clean: Tensor, corrupted: Tensor, end: Tensor, metric: Metric) -> Tensor:
    """How much each head may matter: the mean size of its first-order estimates with one layer's gradient dropped each.

    For every layer in turn, no gradient goes through what this layer's heads and its MLP write; the head's estimate is
    then that of `attribution_patch`, and its absolute value is taken. A head's own layer gives 0, so the sum over the
    layers is divided by their number less one. The model has two layers or more. clean, corrupted: tokens,
    (batch, position). end: (batch,), the position whose logits the metric is given, (batch, d_vocab), to return a
    number a prompt, (batch,). Returns (layer, head, batch).
    """
    ### BEGIN SOLUTION
    engine = Engine(model, end)
    with torch.no_grad():
        donor, _ = engine.run(clean)
    with torch.enable_grad():
        base, after = engine.run(corrupted)
        total = engine.unpatched(after, metric).sum()
    moved = torch.stack(donor.z) - torch.stack(base.z).detach()  # (layer, batch, position, head, d_head)
    found = moved.new_zeros(len(moved), model.config.n_heads, len(clean))
    for dropped in engine.layers:
        written = [each for each in (base.attn[dropped], base.mlp[dropped]) if each.requires_grad]
        hooks = [each.register_hook(torch.zeros_like) for each in written]
        slopes = torch.autograd.grad(total, base.z, retain_graph=True)
        for hook in hooks:
            hook.remove()
        found += torch.einsum("lbphd,lbphd->lhb", moved, torch.stack(slopes)).abs()
    return found / (len(engine.layers) - 1)
    ### END SOLUTION


def _by_layer(q: Tensor, k: Tensor, v: Tensor, new_q: Tensor, new_k: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    """The effects of each new query, and of each new key, in one layer: (head, position, batch) each.

    All but the result: (batch, position, head, d_head). slope: the metric's gradient for z.
    """
    later = torch.ones(q.shape[1], q.shape[1], dtype=torch.bool, device=q.device).triu(1)  # (query, key)
    by_pattern = torch.einsum("bqhd,bkhd->bhqk", slope, v)  # the metric's gradient for the pattern
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5
    with_q = torch.einsum("bqhd,bkhd->bhqk", new_q, k) / q.shape[-1] ** 0.5
    with_k = torch.einsum("bqhd,bkhd->bhqk", q, new_k) / q.shape[-1] ** 0.5

    def pattern(scores: Tensor) -> Tensor:
        return scores.masked_fill(later, float("-inf")).softmax(-1)

    queries = ((pattern(with_q) - pattern(scores)) * by_pattern).sum(-1)  # (batch, head, query)
    one_key = torch.eye(q.shape[1], dtype=torch.bool, device=q.device)[:, None]  # (changed key, 1, key)
    each = torch.where(one_key, with_k.unsqueeze(2), scores.unsqueeze(2))  # (batch, head, changed key, query, key)
    keys = ((pattern(each) - pattern(scores).unsqueeze(2)) * by_pattern.unsqueeze(2)).sum((-1, -2))
    return queries.permute(1, 2, 0), keys.permute(1, 2, 0)
