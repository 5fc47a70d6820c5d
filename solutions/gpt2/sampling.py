"""Chapter `gpt2`: from logits to the next token.

Source: Holtzman et al. 2019.
"""

import torch
from torch import Tensor


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
