"""The loss and the schedule of chapter `gpt2` from the formulas."""

import numpy as np
import torch


def next_token_loss(logits, tokens):
    batch, length, vocab = logits.shape
    scores = logits[:, : length - 1]
    highest = scores.max(dim=2, keepdim=True).values.detach()
    normaliser = torch.log(torch.sum(torch.exp(scores - highest), dim=2)) + highest.squeeze(2)
    chosen = torch.einsum("bpv,bpv->bp", scores, torch.eye(vocab, dtype=scores.dtype)[tokens[:, 1:]])
    return (normaliser - chosen).mean(dim=1).mean()


def learning_rate_schedule(step, peak, warmup, total, floor):
    if warmup > 0 and step <= warmup:
        return step / warmup * peak
    angle = np.pi * np.clip((step - warmup) / (total - warmup), 0, 1)
    return torch.tensor(floor + (peak - floor) * np.cos(angle / 2) ** 2, dtype=torch.float64)
