"""Chapter `tensors`, windows and diagonals by arithmetic on strides and one-hot masks."""

import torch
import torch.nn.functional as F


def windows(x, width, step=1):
    starts = range(0, x.shape[1] - width + 1, step)
    s0, s1 = x.stride()
    return x.as_strided(size=(x.shape[0], len(starts), width), stride=(s0, s1 * step, s1))


def offsets(length, device):
    i = torch.arange(length, device=device)
    return i.view(-1, 1) - i.view(1, -1)


def toeplitz(values):
    length = values.shape[1] // 2 + 1
    which = F.one_hot(offsets(length, values.device) + length - 1, values.shape[1]).to(values.dtype)
    return torch.einsum("bo,ijo->bij", values, which)


def diagonals(pattern):
    which = F.one_hot(offsets(pattern.shape[-1], pattern.device).clamp(min=0), pattern.shape[-1])
    counts = torch.arange(pattern.shape[-1], 0, -1, device=pattern.device)
    return torch.einsum("bqk,qko->bo", pattern.tril(), which.to(pattern.dtype)) / counts
