"""The loss, the schedule and the loop of chapter `gpt2` in plain steps."""

import math

import torch


def next_token_loss(logits, tokens):
    total, count = 0.0, 0
    for sequence, words in zip(logits, tokens):
        for position in range(len(words) - 1):
            log_probabilities = torch.log_softmax(sequence[position], dim=0)
            total = total - log_probabilities[words[position + 1]]
            count += 1
    return total / count


def train(model, batches, learning_rate, weight_decay=0.01, max_norm=1.0):
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
    losses = []
    for batch in batches:
        optimizer.zero_grad()
        loss = next_token_loss(model(batch), batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        losses.append(loss.item())
    return losses


def learning_rate_schedule(step, peak, warmup, total, floor):
    if step < warmup:
        return peak * (step / warmup)
    if step > total:
        return floor
    ratio = (step - warmup) / (total - warmup)
    coefficient = 0.5 * (1.0 + math.cos(math.pi * ratio))
    return floor + coefficient * (peak - floor)
