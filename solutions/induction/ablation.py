"""Chapter `induction`: what the network does without a head, or without a connection between two.

Shapes are given with the axes' names: `batch` sequences, `position` in a sequence, `layer`, `head`, and the widths
`d_model` (residual stream) and `d_head`. A model is a `headwork.models.GPT2`. Replacements of what heads compute are
given for hook_z, by the hook point's name: {"blocks.0.attn.hook_z": (batch, position, head, d_head), ...}.
"""

from typing import Any

import torch
from torch import Tensor

from headwork.models import GPT2

Head = tuple[int, int]  # layer, head
Edge = tuple[Head, Head, str]  # from, to, and the input that is meant: "q", "k" or "v"


def ablation_values(values: Tensor, how: str, generator: torch.Generator | None = None) -> Tensor:
    """What to put in the place of an activation: a tensor of the shape of `values`.

    values: (batch, position, ...), the activation on a batch of texts. how: "zero"; "mean", over batch and positions,
    the same everywhere; "position mean", over the batch, at each position its own; "resample", for each text all of
    another text's values, each other text as likely as the next, drawn from `generator`.
    """
    ### BEGIN SOLUTION
    if how == "zero":
        return torch.zeros_like(values)
    if how == "mean":
        return values.mean((0, 1), keepdim=True).expand_as(values)
    if how == "position mean":
        return values.mean(0, keepdim=True).expand_as(values)
    if how == "resample":
        batch = len(values)
        steps = torch.randint(1, batch, (batch,), generator=generator, device=generator.device if generator else "cpu")
        donors = (torch.arange(batch, device=steps.device) + steps) % batch
        return values[donors.to(values.device)]
    raise ValueError(f"there is no ablation {how!r}")
    ### END SOLUTION


def ablate_heads(
    model: GPT2, tokens: Tensor, heads: list[Head], values: dict[str, Tensor], positions: list[int] | None = None
) -> Tensor:
    """The logits on `tokens` when hook_z of these heads is replaced: (batch, position, d_vocab).

    heads: pairs (layer, head). values: replacements by the hook point's name, each for all heads of a layer, (batch,
    position, head, d_head). positions: where to replace, everywhere for None.
    """
    ### BEGIN SOLUTION
    where = torch.zeros(tokens.shape[1], dtype=torch.bool, device=tokens.device)  # (position,)
    where[slice(None) if positions is None else positions] = True
    ablated = torch.zeros(model.config.n_layers, model.config.n_heads, dtype=torch.bool, device=tokens.device)
    for layer, head in heads:
        ablated[layer, head] = True

    def replace(z: Tensor, point: Any) -> Tensor:
        layer = int(point.name.split(".")[1])
        chosen = where[:, None, None] & ablated[layer, :, None]  # (position, head, 1)
        return torch.where(chosen, values[point.name], z)

    names = {f"blocks.{layer}.attn.hook_z" for layer, _ in heads}
    return model.run_with_hooks(tokens, [(names, replace)])
    ### END SOLUTION


def ablate_pairs(model: GPT2, tokens: Tensor, heads: list[Head], values: dict[str, Tensor], start: int) -> Tensor:
    """How much the loss rises without each pair of heads, and on the diagonal without each one: (head, head), in nats.

    heads: pairs (layer, head), n of them, in the order of rows and columns. values: as for `ablate_heads`. The loss is
    the mean over the batch and over the columns of `loss_per_token` from `start` on.
    """
    ### BEGIN SOLUTION
    pairs = torch.combinations(torch.arange(len(heads)), with_replacement=True)  # (pair, 2)
    masks = torch.zeros(1 + len(pairs), model.config.n_layers, model.config.n_heads, dtype=torch.bool)
    for index, pair in enumerate(pairs.tolist(), start=1):  # the first is left without any, for comparison
        for each in pair:
            masks[index, heads[each][0], heads[each][1]] = True
    masks = masks.to(tokens.device)
    batch = len(tokens)

    def replace(z: Tensor, point: Any) -> Tensor:
        layer = int(point.name.split(".")[1])
        chosen = masks[:, layer].repeat_interleave(batch, 0)[:, None, :, None]  # (run * batch, 1, head, 1)
        return torch.where(chosen, values[point.name].repeat(len(masks), 1, 1, 1), z)

    names = {f"blocks.{layer}.attn.hook_z" for layer, _ in heads}
    many = tokens.repeat(len(masks), 1)  # (run * batch, position)
    logits = model.run_with_hooks(many, [(names, replace)])[:, :-1]
    losses = -logits.log_softmax(-1).gather(-1, many[:, 1:, None]).squeeze(-1)  # (run * batch, position - 1)
    means = losses[:, start:].reshape(len(masks), -1).mean(1)  # (run,)
    rises = means.new_zeros(len(heads), len(heads))
    rows, columns = pairs.to(means.device).T
    rises[rows, columns] = means[1:] - means[0]
    rises[columns, rows] = means[1:] - means[0]
    return rises
    ### END SOLUTION


def cut_edges(model: GPT2, tokens: Tensor, edges: list[Edge], values: dict[str, Tensor]) -> Tensor:
    """The logits on `tokens` when these connections between heads are cut, (batch, position, d_vocab).

    edges: (sender, receiver, input), heads as pairs (layer, head), input "q", "k" or "v". In that input of the
    receiver, what the sender wrote in this very run is replaced by what it would have written with `values`, as in
    `ablate_heads`, in the place of its hook_z. Nobody else notices. Raises ValueError for a receiver in no later layer.
    """
    ### BEGIN SOLUTION
    count = model.config.n_heads
    masks: dict[str, dict[int, Tensor]] = {}  # by the receiving hook point, then by the sender's layer
    for (layer, head), (later, to), kind in edges:
        if later <= layer:
            raise ValueError(f"head {later}.{to} reads nothing of {layer}.{head}: it is in no later layer")
        of_point = masks.setdefault(f"blocks.{later}.hook_{kind}_input", {})
        of_point.setdefault(layer, torch.zeros(count, count).to(model.blocks[0].attn.W_O))[head, to] = 1
    missing = {}  # by layer, what the heads would write less what they write, (batch, position, head, d_model)

    def send(z: Tensor, point: Any) -> None:
        layer = int(point.name.split(".")[1])
        missing[layer] = torch.einsum("bphd,hdm->bphm", values[point.name] - z, model.blocks[layer].attn.W_O)

    def receive(stream: Tensor, point: Any) -> Tensor:  # stream: (batch, position, head, d_model)
        changes = [torch.einsum("bpsm,sr->bprm", missing[layer], mask) for layer, mask in masks[point.name].items()]
        return stream + sum(changes)

    senders = {f"blocks.{layer}.attn.hook_z" for (layer, _), _, _ in edges}
    return model.run_with_hooks(tokens, [(senders, send), (list(masks), receive)])
    ### END SOLUTION
