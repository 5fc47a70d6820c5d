"""Indices of chapter `tensors` with gather, scatter, padding and nonzero."""

import torch
import torch.nn.functional as F
from einops import repeat


def gather_2d(values, rows, columns):
    found = values.gather(1, repeat(rows, "batch pick -> batch pick column", column=values.shape[2]))
    return found.gather(2, columns.unsqueeze(-1)).squeeze(-1)


def last_token(residual, lengths):
    index = (lengths - 1).view(-1, 1, 1).expand(-1, 1, residual.size(-1))
    return residual.gather(1, index).squeeze(1)


def one_hot(tokens, d_vocab, dtype=torch.float32):
    out = torch.zeros(*tokens.shape, d_vocab, dtype=dtype, device=tokens.device)
    return out.scatter(-1, tokens.unsqueeze(-1), 1)


def causal_indices(length, device=None):
    return torch.ones(length, length, device=device).tril().nonzero()


def next_token_shift(tokens, pad):
    targets = F.pad(tokens, (0, 1), value=pad)[:, 1:]
    return tokens, targets, targets.ne(pad)
