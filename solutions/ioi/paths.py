"""Chapter `ioi`: path patching. What reaches a receiver from a sender on the direct path alone?

The network reads the clean prompts, and one head, the sender, is as in the corrupted run. Every other head is frozen:
its z is the clean run's, so nothing goes from the sender through another head. LayerNorms are recomputed. About the
MLPs there are two conventions, and `mlps` says which: with it they are recomputed, and what they make of the sender's
change belongs to the direct path (Wang et al. 2022); without, they are frozen like the heads.
Sources: Wang et al. 2022, section 3.1; Goldowsky-Dill et al. 2023.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from headwork.models import GPT2
from headwork.solutions.ioi.engine import Engine, Metric, Trace, first_difference

Receiver = tuple[int, int, str]  # a layer, a head, and which of its inputs: "q", "k" or "v"


def path_patch_by_hand(
    sender: Callable[[Tensor], Tensor],
    middle: Callable[[Tensor, Tensor], Tensor],
    output: Callable[[Tensor, Tensor, Tensor], Tensor],
    clean: Tensor,
    corrupted: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """What the sender changes in a graph of three nodes: in all, on the direct path, and through the middle.

    The clean run is `a = sender(clean)`, `b = middle(clean, a)`, `y = output(clean, a, b)`. Returns three values of the
    output, where only the sender is as on the corrupted input: with both its edges patched, with the edge to the output
    patched alone, and with the edge to the middle patched alone.
    """
    ### BEGIN SOLUTION
    a, patched = sender(clean), sender(corrupted)
    b, recomputed = middle(clean, a), middle(clean, patched)
    return output(clean, patched, recomputed), output(clean, patched, b), output(clean, a, recomputed)
    ### END SOLUTION


@torch.no_grad()
def path_patch(model: GPT2, clean: Tensor, corrupted: Tensor, end: Tensor, metric: Metric, mlps: bool) -> Tensor:
    """The metric on the clean prompts with each head in turn corrupted, on its direct path to the logits alone.

    All other heads keep their clean z. mlps: they are recomputed; otherwise each writes what it wrote in the clean run.
    clean, corrupted: tokens, (batch, position). end: (batch,), the position whose logits the metric is given,
    (batch, d_vocab), to return a number a prompt, (batch,). Returns (layer, head, batch).
    """
    ### BEGIN SOLUTION
    engine = Engine(model, end)
    (base, after), (donor, _) = engine.run(clean), engine.run(corrupted)
    *_, change = direct_changes(engine, base, donor, 0, mlps, at_end=True)  # (layer * head, batch, 1, d_model)
    ends = engine.at_end(after[None]) + change[:, :, 0]
    return metric(engine.logits(ends)).unflatten(0, (len(engine.layers), -1))
    ### END SOLUTION


@torch.no_grad()
def path_patch_through(
    model: GPT2,
    clean: Tensor,
    corrupted: Tensor,
    end: Tensor,
    metric: Metric,
    receivers: list[Receiver],
    mlps: bool,
) -> Tensor:
    """The metric on the clean prompts where each head in turn is corrupted, on its direct paths to the receivers alone.

    receivers: (layer, head, part), with part "q", "k" or "v". Their inputs are recorded in a run with the sender
    corrupted and every other head frozen to its clean z (mlps: MLPs are recomputed; otherwise frozen as well); then put
    into a clean run in which all else is computed as usual. A sender that is before no receiver changes nothing.
    clean, corrupted: tokens, (batch, position). end: (batch,), the position whose logits the metric is given,
    (batch, d_vocab), to return a number a prompt, (batch,). Returns (layer, head, batch).
    """
    ### BEGIN SOLUTION
    engine, start = Engine(model, end), first_difference(clean, corrupted, end)
    (base, after), (donor, _) = engine.run(clean), engine.run(corrupted)
    heads, first, last = model.config.n_heads, min(receivers)[0], max(receivers)[0]
    values = engine.unpatched(after, metric).repeat(len(engine.layers) * heads, 1)  # (layer * head, batch)
    if last == 0:
        return values.unflatten(0, (-1, heads))
    changes = list(direct_changes(engine, base, donor, start, mlps))[: last + 1]
    stream = base.pre[first][:, start:].expand(last * heads, -1, -1, -1)  # (sender, batch, position, d_model)
    for layer in engine.layers[first:]:
        parts = dict(zip("qkv", engine.qkv(layer, stream), strict=True))
        for _, head, part in (each for each in receivers if each[0] == layer):
            reached = engine.qkv(layer, base.pre[layer][:, start:] + changes[layer])["qkv".index(part)]
            parts[part][: len(reached), ..., head, :] = reached[..., head, :]
            parts[part][len(reached) :, ..., head, :] = getattr(base, part)[layer][:, start:, head]
        stream = engine.block(layer, stream, base, start, (parts["q"], parts["k"], parts["v"]))
    values[: last * heads] = metric(engine.logits(stream[:, :, 0]))
    return values.unflatten(0, (-1, heads))
    ### END SOLUTION


def direct_changes(
    engine: Engine, base: Trace, donor: Trace, start: int, mlps: bool, at_end: bool = False
) -> Iterator[Tensor]:
    """Before each layer, and after the last, what a change of each earlier head has made of the stream directly.

    Since all heads are frozen, each position stands alone: `at_end` takes only the ends. Yields
    (earlier layer * head, batch, position, d_model).
    """

    def taken(stream: Tensor) -> Tensor:  # (patch, batch, position, ...)
        return engine.at_end(stream)[:, :, None] if at_end else stream[:, :, start:]

    change = taken(torch.zeros_like(base.pre[0])[None])[:0]
    for layer in engine.layers:
        yield change
        moved = taken((donor.z[layer] - base.z[layer])[None])[0]  # (batch, position, head, d_head)
        written = torch.einsum("bphd,hdm->hbpm", moved, engine.blocks[layer].attn.W_O)
        change = torch.cat([change, written])
        if mlps:
            middle = taken((base.pre[layer] + engine.write(layer, base.z[layer]))[None])
            change = change + engine.mlp(layer, middle + change) - taken(base.mlp[layer][None])
    yield change
