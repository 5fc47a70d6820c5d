"""Sampling and search of chapter `gpt2` in the manner of the libraries: masks of minus infinity, whole batches."""

import torch
import torch.nn.functional as F
from torch.distributions import Categorical


def temperature(logits, temperature, generator=None):
    if temperature < 1e-300:
        return torch.max(logits, dim=-1).indices
    shares = F.softmax(logits.double() / temperature, dim=-1)
    return torch.multinomial(shares, num_samples=1, generator=generator)[:, 0]


def top_k(logits, k, generator=None):
    k = min(k, logits.size(-1))
    threshold = torch.topk(logits, k).values[..., -1, None]
    probabilities = Categorical(logits=logits.masked_fill(logits < threshold, float("-inf"))).probs
    return torch.multinomial(probabilities, 1, generator=generator).flatten()


def repetition_penalty(logits, tokens, penalty):
    score = torch.gather(logits, 1, tokens)
    score = torch.where(score < 0, score * penalty, score / penalty)
    return logits.scatter(1, tokens, score)


@torch.inference_mode()
def beam_search(model, prompt, n_new, n_beams):
    """As many rows as beams from the start, all but the first of them out of the running."""
    input_ids = prompt.unsqueeze(0).repeat(n_beams, 1)
    beam_scores = torch.zeros(n_beams, device=prompt.device)
    beam_scores[1:] = -1e9
    for _ in range(n_new):
        next_scores = F.log_softmax(model(input_ids)[:, -1, :], dim=-1) + beam_scores[:, None]
        vocab_size = next_scores.shape[-1]
        beam_scores, index = torch.topk(next_scores.view(-1), n_beams, dim=0, largest=True, sorted=True)
        beam_idx = torch.div(index, vocab_size, rounding_mode="floor")
        input_ids = torch.cat([input_ids[beam_idx], (index % vocab_size).unsqueeze(-1)], dim=-1)
    real = beam_scores > -1e8
    return input_ids[real], beam_scores[real]
