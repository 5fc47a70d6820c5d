"""Chapter `gpt2`: the loss, the training loop, and a schedule for its learning rate.

Sources: Loshchilov and Hutter 2016, 2017.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def next_token_loss(logits: Tensor, tokens: Tensor) -> Tensor:
    """The mean cross-entropy of each next token, in nats.

    logits: (batch, position, vocab); those at a position speak about the token after it. tokens: (batch, position).
    Returns a tensor without axes.
    """
    ### BEGIN SOLUTION
    predictions = logits[:, :-1].flatten(0, 1)  # (scored, vocab): nothing follows the last position
    targets = tokens[:, 1:].flatten()  # (scored,): nothing predicts the first token
    return F.cross_entropy(predictions, targets)
    ### END SOLUTION


def train(
    model: nn.Module, batches: list[Tensor], learning_rate: float, weight_decay: float = 0.01, max_norm: float = 1.0
) -> list[float]:
    """Trains `model` in place, one AdamW step a batch, and returns the loss of each batch before its step.

    model: maps tokens (batch, position) to logits (batch, position, vocab). batches: tokens, (batch, position) each.
    The loss is the mean cross-entropy of each next token; gradients longer than `max_norm` are scaled down to it.
    """
    ### BEGIN SOLUTION
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
    losses = []
    for tokens in batches:
        loss = next_token_loss(model(tokens), tokens)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimiser.step()
        losses.append(loss.item())
    return losses
    ### END SOLUTION


def learning_rate_schedule(step: int, peak: float, warmup: int, total: int, floor: float) -> float:
    """The learning rate of a step: a straight line from 0 to `peak`, then half a cosine down to `floor`.

    It is 0 at step 0, `peak` at step `warmup`, and `floor` from step `total` on. 0 <= warmup < total.
    """
    ### BEGIN SOLUTION
    if step < warmup:
        return peak * step / warmup
    progress = min((step - warmup) / (total - warmup), 1)  # from 0 to 1
    share = (1 + math.cos(math.pi * progress)) / 2  # from 1 to 0
    return floor + (peak - floor) * share
    ### END SOLUTION
