"""Indices of chapter `tensors` by counting places in memory, and by products with ones and zeros."""

import torch


def gather_2d(values, rows, columns):
    batch, n_rows, n_columns = values.shape
    start = torch.arange(batch, device=values.device).unsqueeze(1) * (n_rows * n_columns)
    return values.take(start + rows * n_columns + columns)


def last_token(residual, lengths):
    batch, length, width = residual.shape
    first = torch.arange(0, batch * length, length, device=residual.device)
    return residual.reshape(-1, width)[first + lengths - 1]


def one_hot(tokens, d_vocab, dtype=torch.float32):
    return torch.eye(d_vocab, device=tokens.device)[tokens].to(dtype)


def causal_indices(length, device=None):
    place = torch.arange(length * length, device=device)
    pairs = torch.stack((place // length, place % length), dim=1)
    return pairs[pairs[:, 1] <= pairs[:, 0]]


def next_token_shift(tokens, pad):
    targets = tokens.roll(-1, dims=1)
    targets[:, -1] = pad
    mask = torch.ones_like(tokens, dtype=torch.bool)
    mask[targets == pad] = False
    return tokens.clone(), targets, mask
