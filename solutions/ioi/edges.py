"""Chapter `ioi`: edges between heads. Every edge by one gradient, and the edges that are left after pruning.

An edge says by which input a node reads what another wrote: see `headwork.models.edges`. To noise an edge is to give
the receiver, in a run on the clean prompts, what the sender wrote on the corrupted ones.
Sources: Syed et al. 2023 (edge attribution patching); Conmy et al. 2023 (ACDC).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from headwork.models import GPT2
from headwork.models.edges import Edge, nodes
from headwork.solutions.ioi.engine import Metric

Loss = Callable[[Tensor], Tensor]  # which edges are kept, (..., receiver, sender) booleans, to a loss, (...)


def edge_attribution(model: GPT2, clean: Tensor, corrupted: Tensor, end: Tensor, metric: Metric) -> dict[Edge, Tensor]:
    """First-order estimates of what noising each edge by itself adds to the clean metric.

    clean, corrupted: tokens, (batch, position). end: (batch,), the position whose logits the metric is given,
    (batch, d_vocab), to return a number a prompt, (batch,). Returns (batch,) for each of `every_edge(model.config)`.
    """
    ### BEGIN SOLUTION
    config, layers = model.config, range(model.config.n_layers)
    writes = ["hook_embed", "hook_pos_embed", *(f"blocks.{layer}.attn.hook_result" for layer in layers)]
    reads = [f"blocks.{layer}.hook_{part}_input" for layer in layers for part in "qkv"]
    around = [f"blocks.{layer}.hook_resid_{place}" for layer in layers for place in ("mid", "post")]
    mlps = [f"blocks.{layer}.hook_mlp_out" for layer in layers]
    if config.attn_only:
        around, mlps = [f"blocks.{layer}.hook_resid_post" for layer in layers], []

    with torch.no_grad():
        _, donor = model.run_with_cache(corrupted, [*writes, *mlps])
    with torch.enable_grad(), model.hooks([("hook_embed", lambda value, _: value.detach().requires_grad_())]):
        logits, base = model.run_with_cache(clean, [*writes, *mlps, *reads, *around])
        total = metric(logits[torch.arange(len(end), device=end.device), end]).sum()
        slopes = torch.autograd.grad(total, [base[name] for name in (*reads, *around)])
    slope = dict(zip((*reads, *around), slopes, strict=True))

    moved = [donor[name] - base[name].detach() for name in writes[:2]]
    names, found = nodes(config), {}

    def add(receivers: list[str], part: str, slope: Tensor) -> None:  # slope: (batch, position, receiver, d_model)
        effects = torch.einsum("sbpm,bprm->srb", torch.stack(moved), slope)
        for sender, row in zip(names, effects, strict=False):
            for receiver, effect in zip(receivers, row, strict=True):
                found[Edge(sender, receiver, part)] = effect  # type: ignore[arg-type]

    for layer in layers:
        heads, block = [f"head {layer}.{head}" for head in range(config.n_heads)], f"blocks.{layer}"
        for part in "qkv":
            add(heads, part, slope[f"{block}.hook_{part}_input"])
        result = f"{block}.attn.hook_result"
        moved += (donor[result] - base[result].detach()).unbind(2)
        if not config.attn_only:  # what the MLP reads goes on beside it too: that part of the slope is not the MLP's
            by_mlp = slope[f"{block}.hook_resid_mid"] - slope[f"{block}.hook_resid_post"]
            add([f"mlp {layer}"], "", by_mlp.unsqueeze(2))
            moved.append(donor[mlps[layer]] - base[mlps[layer]].detach())
    add(["logits"], "", slope[f"blocks.{layers[-1]}.hook_resid_post"].unsqueeze(2))
    return found
    ### END SOLUTION


@torch.no_grad()
def acdc(run: Loss, edges: Tensor, threshold: float) -> Tensor:
    """The edges that are left when all have gone without which the loss rises by less than `threshold`.

    edges: (receiver, sender), booleans; both axes are in the order of the computation. From the last receiver to the
    first, and for each from its last sender to the first, an edge is left out for good when the loss without it, less
    the loss with all that are still kept, is below the threshold. Returns (receiver, sender), booleans.
    """
    ### BEGIN SOLUTION
    return pruned(run, edges, torch.tensor([threshold], device=edges.device))[0]
    ### END SOLUTION


@torch.no_grad()
def pruned(run: Loss, edges: Tensor, thresholds: Tensor) -> Tensor:
    """As `acdc`, for several thresholds at once: (threshold, receiver, sender). Every edge costs one run for all."""
    kept = edges.expand(len(thresholds), *edges.shape)
    loss = run(kept)  # (threshold,)
    for receiver, sender in edges.nonzero().flip(0).tolist():
        fewer = kept.clone()
        fewer[:, receiver, sender] = False
        without = run(fewer)
        goes = without - loss < thresholds
        kept, loss = torch.where(goes[:, None, None], fewer, kept), torch.where(goes, without, loss)
    return kept
