"""Chapter `tensors`, probabilities from the formulas, with helpers, and one-hot products in place of lookups."""

import torch


def safe_max(x, axis):
    top = torch.max(x, dim=axis, keepdim=True)[0]
    return torch.where(torch.isinf(top), torch.zeros_like(top), top)


def batched_logsumexp(x):
    top = safe_max(x, -1)
    return torch.add(torch.log(torch.einsum("bpv->bp", torch.exp(x - top))), top[..., 0])


def softmax(x, axis):
    return log_softmax(x, axis).exp()


def log_softmax(x, axis):
    centred = x - safe_max(x, axis)
    return centred - torch.log(torch.sum(torch.exp(centred), axis, keepdim=True))


def cross_entropy(logits, targets, ignore=-100):
    weights = (targets != ignore).to(logits.dtype)
    hot = (targets[..., None] == torch.arange(logits.shape[-1], device=logits.device)).to(logits.dtype)
    centred = logits - logits.max(-1, keepdim=True)[0]
    surprise = centred.exp().sum(-1).log() - (centred * hot).sum(-1)
    return (surprise * weights).sum() / weights.sum()
