"""Chapter `ioi`: activation patching. What does one activation of another run change?

All of these denoise: the network reads the corrupted prompts, and one activation is the clean run's. To noise, exchange
the two. `metric` is called with the logits at the end positions, (..., batch, d_vocab), and returns (..., batch).
Sources: Vig et al. 2020; Meng et al. 2022; Wang et al. 2022; Heimersheim and Nanda 2024.
"""

import torch
from torch import Tensor

from headwork.models import GPT2
from headwork.solutions.ioi.engine import Engine, Metric, Trace, first_difference, mix, pattern_of


@torch.no_grad()
def patch_residual(model: GPT2, clean: Tensor, corrupted: Tensor, end: Tensor, metric: Metric) -> Tensor:
    """The metric on the corrupted prompts with the clean residual stream before one layer at one position.

    clean, corrupted: tokens, (batch, position). end: (batch,), the position whose logits the metric is given,
    (batch, d_vocab), to return a number a prompt, (batch,). Returns (layer, position, batch).
    """
    ### BEGIN SOLUTION
    engine = Engine(model, end)
    (donor, _), (base, after) = engine.run(clean), engine.run(corrupted)
    unpatched = engine.unpatched(after, metric)  # (1, batch)
    values = unpatched.repeat(len(engine.layers), clean.shape[1], 1)  # (layer, position, batch)
    for position in range(first_difference(clean, corrupted, end), engine.length):
        stream = after.new_empty(0, len(clean), engine.length - position, model.config.d_model)
        for layer in engine.layers:  # the patch before each layer joins those of the layers below
            patched = torch.cat([donor.pre[layer][:, position, None], base.pre[layer][:, position + 1 :]], 1)
            stream = engine.block(layer, torch.cat([stream, patched[None]]), base, position)
        found = metric(engine.logits(stream[:, :, 0]))  # (layer, batch)
        values[:, position] = torch.where(end >= position, found, unpatched)
    return values
    ### END SOLUTION


@torch.no_grad()
def patch_heads(model: GPT2, clean: Tensor, corrupted: Tensor, end: Tensor, metric: Metric) -> Tensor:
    """The metric on the corrupted prompts with one head's clean output, z at all positions.

    clean, corrupted: tokens, (batch, position). end: (batch,), the position whose logits the metric is given,
    (batch, d_vocab), to return a number a prompt, (batch,). Returns (layer, head, batch).
    """
    ### BEGIN SOLUTION
    engine = Engine(model, end)
    (donor, _), (base, _) = engine.run(clean), engine.run(corrupted)
    return replace_each_head(engine, base, donor.z, metric, first_difference(clean, corrupted, end))
    ### END SOLUTION


@torch.no_grad()
def patch_head_inputs(model: GPT2, clean: Tensor, corrupted: Tensor, end: Tensor, metric: Metric, part: str) -> Tensor:
    """The metric on the corrupted prompts with one part of one head, at all positions, from the clean run.

    part: "q", "k" or "v" (that head's queries, keys or values), or "pattern" (where it looks). The rest of the head is
    computed from the corrupted run. clean, corrupted: tokens, (batch, position). end: (batch,), the position whose
    logits the metric is given, (batch, d_vocab), to return a number a prompt, (batch,). Returns (layer, head, batch).
    """
    ### BEGIN SOLUTION
    engine = Engine(model, end)
    (donor, _), (base, _) = engine.run(clean), engine.run(corrupted)
    patched = []
    for layer in engine.layers:
        parts = {name: getattr(base, name)[layer] for name in "qkv"}
        if part == "pattern":
            pattern = pattern_of(donor.q[layer], donor.k[layer])  # (batch, head, query, key)
            patched.append(torch.einsum("bhqk,bkhd->bqhd", pattern, parts["v"]))
        else:
            patched.append(mix(**parts | {part: getattr(donor, part)[layer]}))
    return replace_each_head(engine, base, patched, metric, first_difference(clean, corrupted, end))
    ### END SOLUTION


def replace_each_head(engine: Engine, base: Trace, z: list[Tensor], metric: Metric, start: int) -> Tensor:
    """The metric with each head's z in turn replaced by the one in `z`, (batch, position, head, d_head) a layer.

    Nothing may differ before position `start`. Returns (layer, head, batch).
    """
    values = []
    for layer in engine.layers:
        change = (z[layer] - base.z[layer])[:, start:]  # (batch, position, head, d_head)
        written = torch.einsum("bphd,hdm->hbpm", change, engine.blocks[layer].attn.W_O)
        middle = base.pre[layer][:, start:] + engine.write(layer, base.z[layer][:, start:]) + written
        if layer == engine.layers[-1]:
            middle = engine.at_end(middle, start)[:, :, None]  # (head, batch, 1, d_model)
        stream = middle + engine.mlp(layer, middle)  # (head, batch, position, d_model)
        values.append(engine.finish(layer + 1, stream, base, metric, start))
    return torch.stack(values)  # (layer, head, batch)
