"""Texts by index arithmetic in another order of draws, and targets that are ignored where nothing is known."""

import torch
from torch import nn


def induction_batch(count, length, vocab, generator):
    order = torch.stack([torch.randperm(vocab, generator=generator) for _ in range(count)])
    size = torch.randint(2, length // 2 + 1, (count,), generator=generator)
    ends = torch.rand(count, 2, generator=generator).sort(1).values
    spare = (length - 2 * size).unsqueeze(1) + 1
    first, second = (ends * spare).long().unbind(1)
    second = second + size
    tokens = order[:, :length].clone()
    known = torch.zeros(count, length, dtype=torch.bool)
    for row in range(count):
        f, s, n = first[row].item(), second[row].item(), size[row].item()
        tokens[row, s : s + n] = order[row, f : f + n]
        known[row, s : s + n - 1] = True
    return tokens, known


def train_induction(model, make_batch, steps, learning_rate, warmup=50):
    loss_function = nn.CrossEntropyLoss(ignore_index=-100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.0, betas=(0.9, 0.98), weight_decay=0.01)
    losses = [0.0] * steps
    for step in range(steps):
        rate = learning_rate if step + 1 >= warmup else learning_rate * (step + 1) / warmup
        optimizer.param_groups[0]["lr"] = rate
        tokens, known = make_batch(step)
        targets = tokens.roll(-1, 1).masked_fill(~known, -100)
        loss = loss_function(model(tokens).transpose(1, 2), targets)
        model.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses[step] = loss.item()
    return losses
