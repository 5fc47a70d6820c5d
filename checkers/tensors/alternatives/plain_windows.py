"""Chapter `tensors`, windows and diagonals: counting by hand, loops over offsets."""

import torch


def windows(x, width, step=1):
    n_rows, n_positions = x.size()
    n_windows = 0
    while n_windows * step + width <= n_positions:
        n_windows += 1
    return torch.as_strided(x, [n_rows, n_windows, width], [x.stride(0), x.stride(1) * step, x.stride(1)])


def toeplitz(values):
    length = (values.shape[1] + 1) // 2
    rows = []
    for i in range(length):
        rows.append(torch.stack([values[:, i - j + length - 1] for j in range(length)], dim=1))
    return torch.stack(rows, dim=1)


def diagonals(pattern):
    batch, length, _ = pattern.shape
    out = torch.zeros(batch, length, dtype=pattern.dtype, device=pattern.device)
    for offset in range(length):
        for query in range(offset, length):
            out[:, offset] += pattern[:, query, query - offset] / (length - offset)
    return out
