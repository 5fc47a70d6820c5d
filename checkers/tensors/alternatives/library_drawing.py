"""Chapter `tensors`, choosing among numbers: sort, comparisons, and the parts of the library that are allowed."""

import torch


def topk_mask(x, k):
    threshold = x.kthvalue(x.shape[-1] - k + 1, dim=-1, keepdim=True).values
    return x * (x >= threshold)


def sample_categorical(probabilities, count, generator=None):
    cdf = probabilities.cumsum(dim=-1)
    u = torch.rand(probabilities.shape[0], count, 1, generator=generator)
    return (u > cdf[:, None, :-1]).sum(dim=-1)


def straight_through(x, threshold):
    hard = torch.heaviside(x - threshold, torch.zeros_like(x))
    return hard.detach() + (x - x.detach())
