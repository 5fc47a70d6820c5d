"""Chapter `tensors`, windows and diagonals with `diagonal`, and windows of step 1 thinned out."""

import torch


def windows(x, width, step=1):
    every = x.as_strided((len(x), x.shape[1] - width + 1, width), (*x.stride(), x.stride(1)), x.storage_offset())
    return every[:, ::step]


def toeplitz(values):
    length = (values.shape[1] + 1) // 2
    return windows(values.flip(1), length).flip(1)


def diagonals(pattern):
    length = pattern.shape[-1]
    return torch.stack([pattern.diagonal(-o, dim1=1, dim2=2).mean(-1) for o in range(length)], dim=-1)
