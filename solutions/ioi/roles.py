"""Chapter `ioi`: what a head looks at, and what it would say of it: two pieces of evidence for the part it plays.

Source: Wang et al. 2022, sections 3.1 to 3.3 and appendix; which normalisation the copy score uses is said below.
"""

from typing import Any

import torch
from torch import Tensor

from headwork.models import GPT2


def attention_roles(patterns: Tensor, positions: dict[str, Tensor]) -> dict[str, Tensor]:
    """How much each head looks as the heads of each role do: from one named position to another.

    patterns: (layer, batch, head, query, key). positions: "IO", "S1", "S1+1", "S2" and "END", (batch,) each. Returns,
    (layer, head) each, the mean over the prompts of the attention from END to IO ("name mover"), from END to S2
    ("S-inhibition"), from S2 to S1 ("duplicate token"), from S2 to S1+1 ("induction") and from S1+1 to S1 ("previous
    token").
    """
    ### BEGIN SOLUTION
    looks = {
        "name mover": ("END", "IO"),
        "S-inhibition": ("END", "S2"),
        "duplicate token": ("S2", "S1"),
        "induction": ("S2", "S1+1"),
        "previous token": ("S1+1", "S1"),
    }
    rows = torch.arange(patterns.shape[1], device=patterns.device)

    def mean(query: str, key: str) -> Tensor:
        found = patterns.transpose(1, 2)[:, :, rows, positions[query], positions[key]]  # (layer, head, batch)
        return found.mean(-1)

    return {role: mean(query, key) for role, (query, key) in looks.items()}
    ### END SOLUTION


def name_mover_copying(model: GPT2, tokens: Tensor, at: Tensor, top: int, negative: bool) -> Tensor:
    """How often each head, looking at a name alone, would put this name among the `top` tokens: (layer, head).

    tokens: (batch, position). at: (batch,), where a name stands. The head reads, through its own layer's `ln1`, the
    stream that block 0 leaves there; what it writes, W_O times its value without b_O, goes through `ln_final` and
    `unembed` by itself. negative: what it writes is turned round first. Returns the share of the prompts in which fewer
    than `top` tokens have a larger logit than the name.
    """
    ### BEGIN SOLUTION
    rows = torch.arange(len(tokens), device=tokens.device)
    stream = model(tokens, stop_at_layer=1)[rows, at]  # (batch, d_model)
    names = tokens[rows, at]
    shares = []
    blocks: list[Any] = list(model.blocks)
    for block in blocks:  # a layer at a time: the logits of all heads of a large model fill a memory
        values = torch.einsum("bm,hmd->hbd", block.ln1(stream), block.attn.W_V) + block.attn.b_V[:, None]
        written = torch.einsum("hbd,hdm->hbm", values, block.attn.W_O)
        logits = model.unembed(model.ln_final(-written if negative else written))  # (head, batch, d_vocab)
        larger = logits > logits[:, rows, names, None]
        shares.append((larger.sum(-1) < top).to(stream.dtype).mean(-1))
    return torch.stack(shares)
    ### END SOLUTION
