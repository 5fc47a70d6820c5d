"""Chapter `induction`: a network that learns to do induction.

Shapes are given with the axes' names: `batch` sequences, `position` in a sequence, `layer`, `head`, and the widths
`d_model` (residual stream) and `d_head`. A model is a `headwork.models.GPT2`.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def induction_batch(count: int, length: int, vocab: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Texts of random tokens in which one stretch comes again later: (batch, position), and what can be known of them.

    In each text no token comes twice but for those of the stretch, which has from 2 to length // 2 tokens. Its size,
    its place and that of its copy, anywhere behind it, are drawn for each text anew. 4 <= length <= vocab.
    Returns tokens, and booleans of the same shape: True where induction knows the next token, which is at every token
    of the copy but its last.
    """
    ### BEGIN SOLUTION
    tokens = torch.rand(count, vocab, generator=generator).argsort(1)[:, :length]  # (batch, position), none twice
    size = torch.randint(2, length // 2 + 1, (count, 1), generator=generator)
    spare = length - 2 * size  # positions that belong to neither
    first = (torch.rand(count, 1, generator=generator) * (spare + 1)).long()
    gap = (torch.rand(count, 1, generator=generator) * (spare - first + 1)).long()
    second = first + size + gap
    place = torch.arange(length)
    copied = (place >= second) & (place < second + size)
    tokens = tokens.gather(1, torch.where(copied, place - second + first, place.expand_as(tokens)))
    return tokens, copied & (place < second + size - 1)
    ### END SOLUTION


def train_induction(
    model: nn.Module,
    make_batch: Callable[[int], tuple[Tensor, Tensor]],
    steps: int,
    learning_rate: float,
    warmup: int = 50,
) -> list[float]:
    """Trains `model` in place on what induction can know, and returns the loss of each step, before it.

    model: maps tokens (batch, position) to logits (batch, position, vocab). make_batch(step), for step from 0 on, gives
    tokens and booleans as `induction_batch` does: the loss is the mean cross-entropy of the next token where they are
    True. AdamW with betas 0.9 and 0.98 and weight decay 0.01; the gradient is clipped to the norm 1; the learning rate
    of step s is min(1, (s + 1) / warmup) times `learning_rate`.
    """
    ### BEGIN SOLUTION
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    losses = []
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * min(1, (step + 1) / warmup)
        tokens, known = make_batch(step)
        logits = model(tokens)[:, :-1][known[:, :-1]]  # (known, vocab)
        loss = F.cross_entropy(logits, tokens[:, 1:][known[:, :-1]])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimiser.step()
        losses.append(loss.item())
    return losses
    ### END SOLUTION
