"""Sampling and search of chapter `gpt2` from the formulas: uniform numbers, noise, and products of probabilities."""

import torch


def temperature(logits, temperature, generator=None):
    """By Gumbel's trick: the largest of logits with noise is a draw from their softmax."""
    uniform = torch.rand(logits.shape, generator=generator, dtype=torch.float64, device=logits.device)
    noise = -torch.log(-torch.log(uniform))
    return (logits.double() + temperature * noise).argmax(dim=1)


def top_k(logits, k, generator=None):
    larger = (logits[:, None, :] > logits[:, :, None]).sum(-1)
    weights = torch.exp(logits - logits.max(dim=-1, keepdim=True).values) * (larger < k)
    edges = weights.cumsum(-1)
    point = torch.rand(len(logits), 1, generator=generator, dtype=edges.dtype, device=edges.device) * edges[:, -1:]
    return (edges <= point).sum(-1)


def repetition_penalty(logits, tokens, penalty):
    counts = torch.zeros_like(logits)
    counts = counts.scatter_add(1, tokens, torch.ones_like(tokens).to(logits))
    factor = penalty ** -torch.sign(logits)
    return logits * torch.where(counts > 0, factor, 1.0)


def beam_search(model, prompt, n_new, n_beams):
    """With probabilities multiplied, and their logarithm at the end; the best of each beam, then of all."""
    beams = prompt.reshape(1, -1)
    chances = torch.ones(1, dtype=torch.float64, device=prompt.device)
    with torch.no_grad():
        for _ in range(n_new):
            following = torch.softmax(model(beams)[:, -1].double(), dim=-1)
            width = min(n_beams, following.shape[1])
            values, tokens = following.topk(width, dim=-1)
            values = (chances[:, None] * values).reshape(-1)
            order = values.argsort(descending=True)[:n_beams]
            beams = torch.cat([beams[order // width], tokens.reshape(-1)[order].unsqueeze(1)], dim=1)
            chances = values[order]
    return beams, chances.log()
