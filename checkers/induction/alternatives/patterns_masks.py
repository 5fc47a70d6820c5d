"""Chapter `induction`: scores of patterns by masks and einsum."""

import torch
from einops import einsum


def _masked(patterns, mask):
    mask = mask.to(patterns)
    total = einsum(patterns, mask, "layer batch head q k, q k -> layer head")
    return total / mask.sum() / patterns.shape[1]


def _places(patterns):
    n = patterns.shape[-1]
    return torch.arange(n)[:, None], torch.arange(n)[None, :]


def pattern_scores(patterns):
    q, k = _places(patterns)
    where = {"first": k == 0, "current": q == k, "previous": k == q - 1}
    return {name: _masked(patterns, mask & (q > 0)) for name, mask in where.items()}


def prefix_matching_score(patterns, period, start):
    q, k = _places(patterns)
    return _masked(patterns, (q - k == period - 1) & (q >= start + period) & (q < start + 2 * period))
