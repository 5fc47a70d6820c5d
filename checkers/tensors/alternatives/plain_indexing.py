"""Indices of chapter `tensors` in loops."""

import torch


def gather_2d(values, rows, columns):
    picked = []
    for b in range(values.shape[0]):
        picked.append(torch.stack([values[b, r, c] for r, c in zip(rows[b], columns[b])]))
    return torch.stack(picked)


def last_token(residual, lengths):
    return torch.stack([sequence[length - 1] for sequence, length in zip(residual, lengths)])


def one_hot(tokens, d_vocab, dtype=torch.float32):
    rows = []
    for token in tokens.flatten().tolist():
        row = [0] * d_vocab
        row[token] = 1
        rows.append(row)
    return torch.tensor(rows, dtype=dtype, device=tokens.device).reshape(*tokens.shape, d_vocab)


def causal_indices(length, device=None):
    pairs = [(query, key) for query in range(length) for key in range(query + 1)]
    return torch.tensor(pairs, device=device)


def next_token_shift(tokens, pad):
    batch, length = tokens.shape
    targets = torch.full((batch, length), pad, device=tokens.device)
    mask = torch.zeros(batch, length, dtype=torch.bool, device=tokens.device)
    for b in range(batch):
        for p in range(length - 1):
            if tokens[b, p + 1] != pad:
                targets[b, p] = tokens[b, p + 1]
                mask[b, p] = True
    return tokens, targets, mask
