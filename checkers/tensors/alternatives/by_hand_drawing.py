"""Chapter `tensors`, choosing among numbers: ranks by counting, the race of exponentials, a hook on the gradient."""

import torch


def topk_mask(x, k):
    larger = (x[:, None, :] > x[:, :, None]).sum(-1)
    return torch.where(larger < k, x, torch.zeros_like(x))


def sample_categorical(probabilities, count, generator=None):
    # Whose clock rings first, when token i's rings at the rate of its probability.
    row, vocab = probabilities.shape
    times = -torch.rand(row, count, vocab, generator=generator, dtype=torch.float64).log()
    return (times / probabilities[:, None, :]).argmin(-1)


def straight_through(x, threshold):
    value = torch.zeros_like(x)
    value[x > threshold] = 1
    zero = x - x.detach()
    return value + zero
