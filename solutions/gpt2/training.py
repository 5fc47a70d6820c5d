"""Chapter `gpt2`: the loss and the training loop.

Source: Loshchilov and Hutter 2017.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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
        logits = model(tokens)[:, :-1]  # (batch, position - 1, vocab): the last position has no next token
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimiser.step()
        losses.append(loss.item())
    return losses
    ### END SOLUTION
