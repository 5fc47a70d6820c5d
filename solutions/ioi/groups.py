"""Chapter `ioi`: several heads patched at once: both directions beside each other, and what a group of heads says.

`metric` is called with the logits at the end positions, (..., batch, d_vocab), and returns (..., batch).
Sources: Heimersheim and Nanda 2024 (gates); Wang et al. 2022, appendix A (token and position signal).
"""

import torch
from torch import Tensor

from headwork.models import GPT2
from headwork.solutions.ioi.engine import Engine, Metric, Trace, mix

Head = tuple[int, int]  # a layer, and a head in it


@torch.no_grad()
def denoise_and_noise(
    model: GPT2, clean: Tensor, corrupted: Tensor, end: Tensor, metric: Metric, groups: list[list[Head]]
) -> tuple[Tensor, Tensor]:
    """The metric with each group of heads patched at once: clean ones in the corrupted run, and the other way round.

    clean, corrupted: tokens, (batch, position). end: (batch,), the position whose logits the metric is given,
    (batch, d_vocab), to return a number a prompt, (batch,). groups: lists of (layer, head), whose z are patched at all
    positions. Returns what denoising gives and what noising gives, (group, batch) each.
    """
    ### BEGIN SOLUTION
    engine = Engine(model, end)
    (of_clean, _), (of_corrupted, _) = engine.run(clean), engine.run(corrupted)
    denoised = patch_groups(engine, corrupted, [of_clean] * len(groups), groups, metric)
    noised = patch_groups(engine, clean, [of_corrupted] * len(groups), groups, metric)
    return denoised, noised
    ### END SOLUTION


@torch.no_grad()
def token_or_position(
    model: GPT2, clean: Tensor, twins: dict[str, Tensor], end: Tensor, metric: Metric, heads: list[Head]
) -> tuple[Tensor, Tensor]:
    """How much of what these heads say at the end is about the repeated token, and how much about its position.

    clean: (batch, position), tokens; twins: the same prompts corrupted, under "names" (another repeated token, at the
    same position), "order" (the same token, at the other position) and "s2" (both are other). The heads' z at `end`
    are patched together, from each twin's run into the clean one. end: (batch,), the position whose logits the metric
    is given, (batch, d_vocab), to return a number a prompt, (batch,). Returns the mean change of the metric when the
    token turns, and when the position does, (batch,) each.
    """
    ### BEGIN SOLUTION
    engine = Engine(model, end)
    kinds = ("names", "order", "s2")
    _, after = engine.run(clean)
    donors = [engine.run(twins[kind])[0] for kind in kinds]
    found = patch_groups(engine, clean, donors, [heads] * len(kinds), metric, at_end=True)  # (kind, batch)
    unpatched = engine.unpatched(after, metric)[0]
    names, order, both = found
    token = (names - unpatched + both - order) / 2
    position = (order - unpatched + both - names) / 2
    return token, position
    ### END SOLUTION


def patch_groups(
    engine: Engine,
    tokens: Tensor,
    donors: list[Trace],
    groups: list[list[Head]],
    metric: Metric,
    at_end: bool = False,
) -> Tensor:
    """The metric on the tokens with each group's z from its donor, at all positions or at the ends: (group, batch)."""
    stream = engine.embed(tokens[:, : engine.length]).expand(
        len(groups), -1, -1, -1
    )  # (group, batch, position, d_model)
    places = torch.arange(engine.length, device=tokens.device) == engine.end[:, None]  # (batch, position)
    places = places if at_end else torch.ones_like(places)
    for layer in engine.layers:
        z = mix(*engine.qkv(layer, stream))  # (group, batch, position, head, d_head)
        for patched, donor, group in zip(z, donors, groups, strict=True):
            for head in (head for at, head in group if at == layer):
                patched[:, :, head] = torch.where(places[..., None], donor.z[layer][:, :, head], patched[:, :, head])
        middle = stream + engine.write(layer, z)
        stream = middle + engine.mlp(layer, middle)
    return metric(engine.logits(engine.at_end(stream)))
