"""The loss and the schedule of chapter `gpt2` with PyTorch's own classes."""

import torch
from einops import rearrange
from torch import nn


def next_token_loss(logits, tokens):
    criterion = nn.NLLLoss()
    log_probabilities = torch.log_softmax(logits[:, :-1], dim=-1)
    return criterion(rearrange(log_probabilities, "b p v -> b v p"), tokens[:, 1:])


def learning_rate_schedule(step, peak, warmup, total, floor):
    """What PyTorch's schedulers, one after the other, have arrived at."""
    if step < warmup:
        return torch.linspace(0, peak, warmup + 1, dtype=torch.float64)[step].item()
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=peak)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total - warmup, eta_min=floor)
    for _ in range(min(step, total) - warmup):
        optimizer.step()
        cosine.step()
    return optimizer.param_groups[0]["lr"]
