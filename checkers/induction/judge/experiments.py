"""Experiments on subsets of heads, many subsets in one batch.

A head is numbered layer * n_heads + head. `kept` and `cut` are booleans (subset, head).
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from headwork.checkers.induction.judge.data import Texts
from headwork.models.gpt2 import GPT2
from headwork.models.hooks import Hook, HookPoint

ROWS = 192  # texts in one run of the model

Change = Callable[[Tensor, HookPoint, Tensor, Tensor], Tensor]  # activation, its point, rows of the mask, rows of texts


def losses_with_edges_cut(model: GPT2, texts: Texts, cut: Tensor, pick: Tensor | None = None) -> Tensor:
    """The loss on what induction predicts, in nats, when nothing passes along the induction edges of the heads `cut`.

    Cut are the weights from each query to the key that follows the same token's earlier place, and no others: what
    the head takes from there is gone, all else of it stays. pick: (subset,), the text for each subset; without it, all
    texts are run for each. Returns (subset, 1) or (subset, text), for each its mean over what is scored.
    """

    def without(pattern: Tensor, point: HookPoint, mask: Tensor, rows: Tensor) -> Tensor:
        gone = mask[:, :, None, None] & texts.edge[rows][:, None]  # (row, head, query, key)
        return pattern.masked_fill(gone, 0)

    return _losses(model, texts, cut, pick, "attn.hook_pattern", without)


def losses_keeping(model: GPT2, texts: Texts, kept: Tensor, how: str) -> Tensor:
    """The loss when the heads that are not `kept` write what they write on unrepeated texts: (subset, text).

    how: "resample", what the head writes at the same position of another text; "mean", its mean over texts and
    positions after the first.
    """
    names = [f"blocks.{layer}.attn.hook_z" for layer in range(model.config.n_layers)]
    _, donors = model.run_with_cache(texts.unrepeated, names)

    def swapped(z: Tensor, point: HookPoint, mask: Tensor, rows: Tensor) -> Tensor:
        donor = donors[point.name]  # (text, position, head, d_head)
        other = donor[rows] if how == "resample" else donor[:, 1:].mean((0, 1)).expand_as(z)
        return torch.where(mask[:, None, :, None], z, other)

    return _losses(model, texts, kept, None, "attn.hook_z", swapped)


@torch.no_grad()
def _losses(model: GPT2, texts: Texts, masks: Tensor, pick: Tensor | None, place: str, change: Change) -> Tensor:
    """Runs every subset on its texts with `change` at `place` of each block, a batch of rows at a time."""
    count, layers = len(texts.tokens), model.config.n_layers
    device = texts.tokens.device
    masks = masks.to(device).reshape(len(masks), layers, -1)  # (subset, layer, head)
    subset = torch.arange(len(masks), device=device)
    text = pick.to(device) if pick is not None else torch.arange(count, device=device).repeat(len(masks))
    subset = subset if pick is not None else subset.repeat_interleave(count)  # (row,), as text
    found = []
    for rows, which in zip(text.split(ROWS), subset.split(ROWS), strict=True):
        hooks = [(f"blocks.{layer}.{place}", _hook(change, masks[which, layer], rows)) for layer in range(layers)]
        found.append(_loss(model, texts.tokens[rows], texts.scored[rows], hooks))
    return torch.cat(found).unflatten(0, (len(masks), -1))


def _hook(change: Change, mask: Tensor, rows: Tensor) -> Hook:
    return partial(_changed, change=change, mask=mask, rows=rows)


def _changed(value: Tensor, point: HookPoint, *, change: Change, mask: Tensor, rows: Tensor) -> Tensor:
    return change(value, point, mask, rows)


def _loss(model: GPT2, tokens: Tensor, scored: Tensor, hooks: list[tuple[str, Hook]]) -> Tensor:
    """The mean loss of the scored positions of each row, (row,). Only those are unembedded."""
    residual = model.run_with_hooks(tokens, hooks, stop_at_layer=model.config.n_layers)
    row, position = scored.nonzero(as_tuple=True)
    logits = model.unembed(model.ln_final(residual[row, position]))  # (scored, vocab)
    loss = torch.nn.functional.cross_entropy(logits, tokens[row, position + 1], reduction="none")
    return torch.zeros(len(tokens), device=loss.device).index_add_(0, row, loss.float()) / scored.sum(1)
