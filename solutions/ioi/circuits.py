"""Chapter `ioi`: a circuit as a claim, and the three numbers by which Wang et al. (2022) try it.

The circuit C is a set of nodes. m(C) are the metrics when only its nodes work, and every other one is ablated; M is the
whole model, and with no node at all m(none). Sums and means are over prompts.
Source: Wang et al. 2022, sections 2.1 and 4; the absolute differences in place of their ratios of means are ours.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from headwork.models import GPT2
from headwork.models.hooks import Hook, HookPoint

Run = Callable[[Tensor], Tensor]  # which nodes work, (..., node), to the metrics, (..., metric, prompt)


@torch.no_grad()
def mean_ablate_by_template(
    model: GPT2, tokens: Tensor, template: Tensor, end: Tensor, abc: Tensor, abc_template: Tensor, kept: Tensor
) -> Tensor:
    """The logits at the ends when some heads, at some positions, write their mean over other prompts of the template.

    tokens: (batch, position), of templates (batch,). end: (batch,). abc: (other, position), of templates (other,), at
    least one of each that occurs in `template`. kept: booleans (batch, layer, head, position), True where a head writes
    what it computes from the stream as it now is. Elsewhere it writes the mean of its z at that position in the
    unchanged runs on the abc prompts of the same template. Returns (batch, d_vocab).
    """
    ### BEGIN SOLUTION
    names = [f"blocks.{layer}.attn.hook_z" for layer in range(model.config.n_layers)]
    _, others = model.run_with_cache(abc, names)
    same = template[:, None] == abc_template  # (batch, other)
    hooks: list[tuple[str, Hook]] = []
    for layer, name in enumerate(names):
        share = same.to(others[name].dtype)
        mean = torch.einsum("bo,ophd->bphd", share / share.sum(1, keepdim=True), others[name])
        hooks.append((name, mean_where_not_kept(mean, kept[:, layer])))
    rows = torch.arange(len(tokens), device=tokens.device)
    stream = model.run_with_hooks(tokens, hooks, stop_at_layer=model.config.n_layers)
    logits: Tensor = model.unembed(model.ln_final(stream[rows, end]))
    return logits
    ### END SOLUTION


def faithfulness(circuit: Tensor, whole: Tensor, none: Tensor) -> tuple[Tensor, Tensor]:
    """How well a circuit answers as the model does: the usual ratio of means, and F, in which no errors cancel.

    circuit, none: (ablation, metric, prompt), the metrics when only the circuit's nodes work, and when none does, by
    several ways of ablating. whole: (metric, prompt). Returns the usual ratio (m(C) - m(none)) / (m(M) - m(none)) of
    means, (ablation, metric), and F, a 0-d tensor: 1 minus the sum of |m(C) - m(M)| as a share of the sum of
    |m(none) - m(M)|, for the worst of the ablations and metrics.
    """
    ### BEGIN SOLUTION
    usual = (circuit - none).mean(-1) / (whole - none).mean(-1)
    error = (circuit - whole).abs().sum(-1) / (none - whole).abs().sum(-1)  # (ablation, metric)
    return usual, 1 - error.max()
    ### END SOLUTION


def completeness(run: Run, circuit: Tensor, sets: Tensor) -> Tensor:
    """How differently the circuit and the model answer when the same nodes are taken from both: c(K), (set,).

    run: which nodes work, (..., node), to the metrics, (..., metric, prompt). circuit: booleans (node,). sets: the K,
    booleans (set, node), of which some nodes may be in the circuit and some not. c(K) is the sum of
    |m(C without K) - m(M without K)| as a share of the sum of |m(none) - m(M)|, for the worse of the metrics.
    """
    ### BEGIN SOLUTION
    away = (run(circuit & ~sets) - run(~sets)).abs().sum(-1)  # (set, metric)
    whole, none = run(torch.stack([torch.ones_like(circuit), torch.zeros_like(circuit)]))
    return (away / (none - whole).abs().sum(-1)).amax(-1)
    ### END SOLUTION


def minimality(run: Run, circuit: Tensor, sets: Tensor) -> Tensor:
    """What each member adds to the circuit, where it shows most, as a share of the whole effect: (node,).

    run: which nodes work, (..., node), to the metrics, (..., metric, prompt). circuit: booleans (node,). sets: the K,
    booleans (set, node). For a member v it is |m(C without K and v) - m(C without K)| / |m(M) - m(none)|, each a mean
    over prompts, for the K and the metric where it is largest; a K that contains v is not asked. 0 for nodes that are
    no members, and for a member that every K contains.
    """
    ### BEGIN SOLUTION
    single = torch.eye(len(circuit), dtype=torch.bool, device=circuit.device)  # (member, node)
    left = circuit & ~sets  # (set, node)
    effect = (run(left[:, None] & ~single) - run(left)[:, None]).mean(-1)  # (set, member, metric)
    whole, none = run(torch.stack([torch.ones_like(circuit), torch.zeros_like(circuit)])).mean(-1)  # (metric,)
    shares = (effect / (whole - none)).abs().amax(-1)  # (set, member)
    return torch.where(left, shares, 0).amax(0)
    ### END SOLUTION


def mean_where_not_kept(mean: Tensor, kept: Tensor) -> Hook:
    """A hook on z, (batch, position, head, d_head), for one layer's means and its `kept`, (batch, head, position)."""

    def ablate(z: Tensor, point: HookPoint) -> Tensor:
        return torch.where(kept.mT[..., None], z, mean)

    return ablate
