"""Chapter `tensors`: entries picked by their indices, and indices turned into tensors.

Shapes are given with the axes' names; `batch` always comes first.
"""

import torch
from torch import Tensor


def gather_2d(values: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Picks entries of each matrix in a batch by row and column.

    values: (batch, row, column). rows, columns: (batch, pick), integers. Returns (batch, pick).
    """
    ### BEGIN SOLUTION
    batch = torch.arange(len(values), device=values.device)[:, None]  # (batch, 1)
    return values[batch, rows, columns]
    ### END SOLUTION


def last_token(residual: Tensor, lengths: Tensor) -> Tensor:
    """The vector at the last token of each sequence, of which the first `lengths` positions are real.

    residual: (batch, position, width). lengths: (batch,), integers from 1 to position. Returns (batch, width).
    """
    ### BEGIN SOLUTION
    batch = torch.arange(len(residual), device=residual.device)  # (batch,)
    return residual[batch, lengths - 1]
    ### END SOLUTION


def one_hot(tokens: Tensor, d_vocab: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """A row of zeros for each token, with a one in the place of its number.

    tokens: integers below `d_vocab`, any number of axes. Returns the same axes and one more, of length `d_vocab`.
    """
    ### BEGIN SOLUTION
    places = torch.arange(d_vocab, device=tokens.device)  # (d_vocab,)
    return (tokens[..., None] == places).to(dtype)
    ### END SOLUTION


def causal_indices(length: int, device: torch.device | str | None = None) -> Tensor:
    """Every pair (query, key) with key <= query, in reading order: by query, then by key.

    Returns integers, (pair, 2), length * (length + 1) / 2 pairs.
    """
    ### BEGIN SOLUTION
    n_pairs = length * (length + 1) // 2  # told to repeat_interleave, a GPU need not wait to learn it
    query = torch.arange(length, device=device)
    query = query.repeat_interleave(query + 1, output_size=n_pairs)  # (pair,): query q has q + 1 keys
    key = torch.arange(n_pairs, device=device) - query * (query + 1) // 2  # the row of q starts at pair q (q + 1) / 2
    return torch.stack([query, key], -1)
    ### END SOLUTION


def next_token_shift(tokens: Tensor, pad: int) -> tuple[Tensor, Tensor, Tensor]:
    """What a language model reads, what it must predict there, and where there is anything to predict.

    tokens: (batch, position), with `pad` where a sequence has no token.
    Returns inputs, targets and mask, all (batch, position): the inputs are the tokens; the target at a position is
    the next token, `pad` at the last position; the mask is True where the target is a token, not `pad`.
    """
    ### BEGIN SOLUTION
    last = torch.full_like(tokens[:, :1], pad)  # (batch, 1)
    targets = torch.cat([tokens[:, 1:], last], 1)  # (batch, position)
    return tokens, targets, targets != pad
    ### END SOLUTION
