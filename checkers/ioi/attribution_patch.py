"""`ioi.attribution_patch`: all patches of two sweeps, estimated with one gradient."""

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise
from headwork.checkers.ioi.questions import NOTHING_LEFT, of, sweep_cases

ask = Exercise("attribution_patch", batch=["clean", "corrupted", "end", "directions"], seconds=30)
ask.cases(sweep_cases)

ask.checks(
    equal("streams", title="estimates each patch of the residual stream to first order", weight=2),
    equal("heads", title="estimates each patch of a head to first order", weight=2),
    equal("the model is as it was", title=NOTHING_LEFT, weight=0.5),
)

HOOKED = """
import torch

def attribution_patch(model, clean, corrupted, end, metric):
    rows = torch.arange(len(end), device=end.device)
    depth = model.config.n_layers
    names = [f"blocks.{layer}.hook_resid_pre" for layer in range(depth)]
    names += [f"blocks.{layer}.attn.hook_z" for layer in range(depth)]
    clean_logits, donor = model.run_with_cache(clean, names)
    logits, base = model.run_with_cache(corrupted, names)
    slopes = torch.autograd.grad(metric(logits[rows, end]).sum(), [base[name] for name in names])
    effects = [((donor[name] - base[name]) * slope).detach() for name, slope in zip(names, slopes)]
    streams = torch.stack([effect.sum(-1).T for effect in effects[:depth]])
    heads = torch.stack([effect.sum((1, 3)).T for effect in effects[depth:]])
    return streams, heads
"""
wrong = of(HOOKED)
SLOPES = "slopes = torch.autograd.grad(metric(logits[rows, end]).sum(), [base[name] for name in names])"
EFFECT = "((donor[name] - base[name]) * slope).detach()"

ask.mistakes(
    wrong(
        SLOPES,
        "slopes = torch.autograd.grad(metric(clean_logits[rows, end]).sum(), [donor[name] for name in names])",
        "The gradient is taken at the clean run: the patches go into the corrupted run, so take it there.",
    ),
    wrong(
        EFFECT,
        "((base[name] - donor[name]) * slope).detach()",
        "The difference is corrupted minus clean: a patch moves the activation to the clean one, clean minus "
        "corrupted.",
    ),
    wrong(
        EFFECT,
        "(donor[name] * slope).detach()",
        "The clean activation itself is multiplied by the gradient: a patch changes it by clean minus corrupted.",
    ),
    wrong(
        EFFECT,
        "(base[name] * slope).detach()",
        "This is gradient times activation: a patch changes the activation by clean minus corrupted.",
    ),
    wrong(
        EFFECT,
        "((donor[name] - base[name]) * slope).abs().detach()",
        "Absolute values are taken before the sum: terms of a vector product may cancel, and an effect has a sign.",
    ),
    wrong(
        "metric(logits[rows, end]).sum()",
        "metric(logits[rows, end]).mean()",
        "The gradient is that of the mean, which divides every prompt's effect by the batch: take that of "
        "the sum, since "
        "each prompt's metric depends on its own activations alone.",
    ),
    wrong(
        "metric(logits[rows, end]).sum()",
        "metric(logits[:, -1]).sum()",
        "The last column is read for every prompt: shorter prompts end before it, and `end` says where.",
    ),
    wrong(
        "metric(logits[rows, end]).sum()",
        "metric(logits[rows, end - 1]).sum()",
        "The logits of the position before `end` are read: the metric is for those at `end`.",
    ),
    wrong(
        SLOPES,
        "for value in base.values():\n        value.retain_grad()\n    metric(logits[rows, end]).sum().backward()\n"
        "    slopes = [base[name].grad for name in names]",
        "`backward` leaves a gradient on every weight of the model: take `torch.autograd.grad` for the activations.",
    ),
    wrong(
        "effect.sum((1, 3)).T",
        "effect.sum(3)[rows, end].T",
        "Only the head's output at the end is counted: a patch changes it at all positions.",
    ),
    wrong("effect.sum((1, 3)).T", "effect.sum(3).mean(1).T", "The positions of a head are averaged: add them up."),
    wrong(
        "effect.sum(-1).T", "effect.mean(-1).T", "The mean over d_model is taken: the product of two vectors is a sum."
    ),
    wrong(
        "return streams, heads",
        "return heads, streams",
        "Heads come before streams: return the residual stream's first.",
    ),
    wrong(
        "return streams, heads",
        "unpatched = metric(logits[rows, end]).detach()\n    return streams + unpatched, heads + unpatched",
        "The unpatched metric is added: the estimates are of the change.",
    ),
    wrong(
        "return streams, heads",
        "return streams.mean(-1), heads.mean(-1)",
        "The mean over the prompts is taken: keep a number for each prompt.",
    ),
    wrong(
        'names = [f"blocks.{layer}.hook_resid_pre"',
        'names = [f"blocks.{layer}.hook_resid_post"',
        "The stream after each layer is taken: row l is the patch before layer l, `hook_resid_pre`.",
    ),
)

ONE_LENGTH = "The two are of one length, so nothing is left out without it either."

ask.survives(
    "moved = [new - old for new, old in zip(donor.pre + donor.z, base.pre + base.z, strict=True)]",
    "moved = [new - old for new, old in zip(donor.pre + donor.z, base.pre + base.z, strict=False)]",
    ONE_LENGTH,
)
ask.survives(
    "first_order = [change * slope for change, slope in zip(moved, slopes, strict=True)]",
    "first_order = [change * slope for change, slope in zip(moved, slopes, strict=False)]",
    ONE_LENGTH,
)
