"""Chapter `tensors`: choosing among numbers: the largest, one at random, and a choice that gradients pass.

Sources: Bengio et al. 2013 (the straight-through estimator).
"""

import torch
from torch import Tensor


def topk_mask(x: Tensor, k: int) -> Tensor:
    """The `k` largest entries of each row, in their places; 0 everywhere else. x: (row, width). The shape of `x`."""
    ### BEGIN SOLUTION
    values, places = x.topk(k, dim=-1)  # (row, k), (row, k)
    return torch.zeros_like(x).scatter(-1, places, values)
    ### END SOLUTION


def sample_categorical(probabilities: Tensor, count: int, generator: torch.Generator | None = None) -> Tensor:
    """Draws `count` tokens from each row, independently, by inverting the running sum of its probabilities.

    probabilities: (row, vocab), each row sums to 1. Returns (row, count), integers. Randomness comes from
    `generator` alone.
    """
    ### BEGIN SOLUTION
    edges = probabilities.cumsum(-1)  # (row, vocab): where each token's share of the unit interval ends
    size = (probabilities.shape[0], count)
    points = torch.rand(size, generator=generator, dtype=edges.dtype, device=edges.device)  # (row, count)
    return torch.searchsorted(edges, points * edges[:, -1:], right=True)  # the first edge beyond each point
    ### END SOLUTION


def straight_through(x: Tensor, threshold: float) -> Tensor:
    """1 where `x` is above `threshold`, else 0; the gradient passes as if this function returned `x`. Any shape."""
    ### BEGIN SOLUTION
    step = (x > threshold).to(x.dtype)
    return step + (x - x.detach())  # the bracket is exactly 0, and has the gradient 1
    ### END SOLUTION
