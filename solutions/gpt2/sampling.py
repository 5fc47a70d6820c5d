"""Chapter `gpt2`: from logits to the next token, and to the likeliest text.

Sources: Fan et al. 2018; Holtzman et al. 2019; Keskar et al. 2019.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def temperature(logits: Tensor, temperature: float, generator: torch.Generator | None = None) -> Tensor:
    """Draws one token a row from the softmax of the logits divided by `temperature`; 0 takes the likeliest token.

    logits: (row, vocab). Returns (row,), integers. Randomness comes from `generator` alone.
    """
    ### BEGIN SOLUTION
    if temperature == 0:
        return logits.argmax(-1)
    below = logits - logits.amax(-1, keepdim=True)  # (row, vocab): 0 for the likeliest, so no quotient grows too large
    probabilities = (below / temperature).softmax(-1)  # (row, vocab)
    return torch.multinomial(probabilities, 1, generator=generator).squeeze(-1)
    ### END SOLUTION


def top_k(logits: Tensor, k: int, generator: torch.Generator | None = None) -> Tensor:
    """Draws one token a row from its `k` likeliest tokens, by their own shares; from all of them when there are fewer.

    logits: (row, vocab). Returns (row,), integers. Randomness comes from `generator` alone.
    """
    ### BEGIN SOLUTION
    largest, tokens = logits.topk(min(k, logits.shape[-1]))  # (row, rank), (row, rank)
    probabilities = largest.softmax(-1)  # (row, rank)
    rank = torch.multinomial(probabilities, 1, generator=generator)  # (row, 1)
    return tokens.gather(-1, rank).squeeze(-1)
    ### END SOLUTION


def top_p(logits: Tensor, p: float, generator: torch.Generator | None = None) -> Tensor:
    """Draws one token a row from the nucleus: the fewest most likely tokens whose probabilities reach `p` together.

    logits: (row, vocab). Returns (row,), integers. Randomness comes from `generator` alone.
    """
    ### BEGIN SOLUTION
    probabilities, tokens = logits.softmax(-1).sort(-1, descending=True)  # (row, rank), (row, rank)
    before = probabilities.cumsum(-1) - probabilities  # what the likelier tokens already hold
    nucleus = probabilities.masked_fill(before >= p, 0)  # (row, rank)
    rank = torch.multinomial(nucleus, 1, generator=generator)  # (row, 1)
    return tokens.gather(-1, rank).squeeze(-1)
    ### END SOLUTION


def repetition_penalty(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    """The logits, lowered for every token that the row has seen: positive ones divided, negative ones multiplied.

    logits: (row, vocab). tokens: (row, position), what stands in the text so far; each counts once. Returns the
    shape of `logits`, in a new tensor.
    """
    ### BEGIN SOLUTION
    seen = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, tokens, True)  # (row, vocab)
    lowered = torch.where(logits > 0, logits / penalty, logits * penalty)  # (row, vocab)
    return torch.where(seen, lowered, logits)
    ### END SOLUTION


@torch.no_grad()
def beam_search(model: Callable[[Tensor], Tensor], prompt: Tensor, n_new: int, n_beams: int) -> tuple[Tensor, Tensor]:
    """The `n_beams` likeliest continuations that are found by keeping only that many at every length, best first.

    model: maps tokens (row, position) to logits (row, position, vocab). prompt: (position,).
    Returns sequences, (beam, position + n_new), and the log-probabilities of their new tokens, (beam,). There are
    fewer beams when there are fewer sequences.
    """
    ### BEGIN SOLUTION
    sequences, scores = prompt[None], torch.zeros(1, device=prompt.device)  # one beam: nothing to choose from yet
    for _ in range(n_new):
        steps = model(sequences)[:, -1].log_softmax(-1)  # (beam, vocab)
        candidates = (scores[:, None] + steps).flatten()  # (beam * vocab,)
        scores, best = candidates.topk(min(n_beams, len(candidates)))  # (next beam,), (next beam,)
        parents, tokens = best // steps.shape[-1], best % steps.shape[-1]
        sequences = torch.cat([sequences[parents], tokens[:, None]], -1)  # (next beam, position)
    return sequences, scores
    ### END SOLUTION
