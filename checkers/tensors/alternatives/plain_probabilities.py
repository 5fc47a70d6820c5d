"""Chapter `tensors`, probabilities in plain loops over rows."""

import math

import torch


def batched_logsumexp(x):
    out = []
    for sequence in x:
        for row in sequence:
            top = row.max()
            if top == -math.inf:
                out.append(top)
            else:
                out.append(top + torch.log(torch.exp(row - top).sum()))
    return torch.stack(out).view(x.shape[0], x.shape[1])


def softmax(x, axis):
    moved = x.movedim(axis, -1)
    rows = [torch.exp(row - row.max()) for row in moved.reshape(-1, moved.shape[-1])]
    rows = torch.stack([row / row.sum() for row in rows])
    return rows.view(moved.shape).movedim(-1, axis)


def log_softmax(x, axis):
    moved = x.movedim(axis, -1)
    rows = []
    for row in moved.reshape(-1, moved.shape[-1]):
        row = row - row.max()
        rows.append(row - torch.log(torch.exp(row).sum()))
    return torch.stack(rows).view(moved.shape).movedim(-1, axis)


def cross_entropy(logits, targets, ignore=-100):
    losses = []
    for b in range(logits.shape[0]):
        for p in range(logits.shape[1]):
            target = targets[b, p].item()
            if target == ignore:
                continue
            losses.append(-log_softmax(logits[b, p], 0)[target])
    return sum(losses) / len(losses)
