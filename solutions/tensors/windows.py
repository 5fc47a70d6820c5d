"""Chapter `tensors`: one tensor seen in several ways: sliding windows, matrices made of diagonals, their means."""

import torch
from torch import Tensor


def windows(x: Tensor, width: int, step: int = 1) -> Tensor:
    """Every window of `width` neighbouring positions, `step` positions apart, as a view of `x`.

    x: (batch, position), in any memory layout. Returns (batch, window, width).
    """
    ### BEGIN SOLUTION
    count = (x.shape[1] - width) // step + 1
    per_row, per_position = x.stride()
    return x.as_strided((x.shape[0], count, width), (per_row, step * per_position, per_position))
    ### END SOLUTION


def toeplitz(values: Tensor) -> Tensor:
    """The matrices that are constant along their diagonals.

    values: (batch, 2 * length - 1), for the offsets row - column from -(length - 1) to length - 1.
    Returns (batch, length, length).
    """
    ### BEGIN SOLUTION
    length = (values.shape[1] + 1) // 2
    place = torch.arange(length, device=values.device)
    offset = place.unsqueeze(1) - place  # (row, column)
    return values[:, offset + length - 1]
    ### END SOLUTION


def diagonals(pattern: Tensor) -> Tensor:
    """The mean attention at each offset: how much the queries give to the key `offset` positions before them.

    pattern: (batch, query, key), as many keys as queries. Returns (batch, offset), for offsets 0 to length - 1;
    keys after the query do not count.
    """
    ### BEGIN SOLUTION
    place = torch.arange(pattern.shape[-1], device=pattern.device)
    key = place.unsqueeze(1) - place  # (query, offset)
    outside = key < 0
    found = pattern.gather(-1, key.clamp(min=0).expand_as(pattern))  # (batch, query, offset)
    return found.masked_fill(outside, 0).sum(1) / (~outside).sum(0)
    ### END SOLUTION
