"""Chapter `tensors`, probabilities with the library's help wherever it is allowed."""

import torch


def batched_logsumexp(x):
    top = x.max(dim=-1, keepdim=True).values.detach()
    top = top.clamp(min=torch.finfo(x.dtype).min)
    return (torch.exp(x - top).sum(dim=-1, keepdim=True).log() + top).squeeze(-1)


def softmax(x, axis):
    return torch.exp(x - torch.logsumexp(x, dim=axis, keepdim=True))


def log_softmax(x, axis):
    return x - torch.logsumexp(x, dim=axis, keepdim=True)


def cross_entropy(logits, targets, ignore=-100):
    keep = targets.ne(ignore)
    logprobs = torch.log_softmax(logits[keep], dim=-1)
    return -logprobs[torch.arange(len(logprobs)), targets[keep]].mean()
