"""Chapter `induction`: texts that repeat, what heads look at in them, and what they copy.

Shapes are given with the axes' names: `batch` sequences, `position` in a sequence, `layer`, `head`, and the widths
`d_model` (residual stream) and `d_head`. A model is a `headwork.models.GPT2`. Patterns of a whole model are stacked,
(layer, batch, head, query, key). Source of the scores: Olsson et al. 2022, with definitions of our own where said.
"""

import torch
from torch import Tensor

from headwork.models import GPT2


def repeated_tokens(batch: int, period: int, d_vocab: int, bos: int, generator: torch.Generator) -> Tensor:
    """Random texts that are each said twice, after the token `bos`: (batch, 1 + 2 * period), integers.

    In a text no token occurs twice and `bos` does not occur; apart from that all tokens below d_vocab are equally
    likely, and texts are independent. Draws from `generator` alone, on its device.
    """
    ### BEGIN SOLUTION
    allowed = torch.ones(batch, d_vocab, device=generator.device)
    allowed[:, bos] = 0
    text = torch.multinomial(allowed, period, replacement=False, generator=generator)  # (batch, period)
    begin = torch.full((batch, 1), bos, device=generator.device)
    return torch.cat([begin, text, text], 1)
    ### END SOLUTION


def loss_per_token(model: GPT2, tokens: Tensor) -> Tensor:
    """The loss in nats of each token but the first, given those before it: (batch, position - 1).

    tokens: (batch, position). Column p belongs to the token at position p + 1.
    """
    ### BEGIN SOLUTION
    expected = model(tokens)[:, :-1].log_softmax(-1)  # (batch, position - 1, d_vocab)
    found = expected.gather(-1, tokens[:, 1:, None])  # (batch, position - 1, 1)
    return -found.squeeze(-1)
    ### END SOLUTION


def pattern_scores(patterns: Tensor) -> dict[str, Tensor]:
    """How much each head attends to the previous position, to its own, and to the first.

    patterns: (layer, batch, head, query, key). Returns "previous", "current" and "first", each (layer, head): the mean
    over the batch and over all queries but the one at position 0, which can only look at itself.
    """
    ### BEGIN SOLUTION
    queries = torch.arange(1, patterns.shape[-1], device=patterns.device)
    places = {"previous": queries - 1, "current": queries, "first": torch.zeros_like(queries)}
    return {name: patterns[..., queries, keys].mean((1, 3)) for name, keys in places.items()}
    ### END SOLUTION


def prefix_matching_score(patterns: Tensor, period: int, start: int) -> Tensor:
    """How much each head attends, from a token of the second copy, to what came after that token in the first copy.

    patterns: (layer, batch, head, query, key). The first copy stands at the positions from `start` up to, but not
    including, start + period; the second follows at once; what comes after it, if anything, does not count.
    Returns (layer, head): the mean over the batch and over all queries of the second copy.
    """
    ### BEGIN SOLUTION
    first = start + period
    queries = torch.arange(first, first + period, device=patterns.device)
    keys = queries - period + 1
    found = patterns[..., queries, keys]  # (layer, batch, head, period)
    return found.mean((1, 3))
    ### END SOLUTION


def copying_score(model: GPT2, tokens: Tensor) -> Tensor:
    """How much each head would raise the logit of a token by attending to it alone: (layer, head).

    tokens: (batch, position). What a head would write is its value at a position times W_O, read by the unembedding
    as the final norm leaves it. Counted is the logit of the token at that position, in standard deviations above the
    mean of all tokens' logits; the score is the mean over batch and positions. Definition: ours.
    """
    ### BEGIN SOLUTION
    _, cache = model.run_with_cache(tokens, lambda name: name.endswith("hook_v"))
    values = torch.stack(list(cache.values()))  # (layer, batch, position, head, d_head)
    W_O = torch.stack([block.attn.W_O for block in model.blocks])  # (layer, head, d_head, d_model)
    W_U = model.unembed.W_U  # (d_model, d_vocab)
    if model.config.layer_norm:  # its scale divides all logits of a position alike, so it changes no score
        centred = W_O - W_O.mean(-1, keepdim=True)  # (layer, head, d_head, d_model)
        W_O = centred * model.ln_final.w
    W_U = W_U - W_U.mean(-1, keepdim=True)  # from here on, logits are above or below the mean of all tokens
    written = torch.einsum("lbphd,lhdm->lbphm", values, W_O)  # (layer, batch, position, head, d_model)
    own = torch.einsum("lbphm,bpm->lbph", written, W_U.T[tokens])  # (layer, batch, position, head)
    spread = W_U @ W_U.T / W_U.shape[1]  # (d_model, d_model): with it, no tensor has an axis for the vocabulary
    variance = torch.einsum("lbphm,mn,lbphn->lbph", written, spread, written)
    return (own / variance.sqrt()).mean((1, 2))
    ### END SOLUTION


def in_context_learning_score(losses: Tensor, early: int, late: int) -> Tensor:
    """The mean loss of the tokens at position `late` minus that of the tokens at position `early`: one number.

    losses: (batch, position - 1), as `loss_per_token` gives them. Positions count from 0, the first token of the text.
    """
    ### BEGIN SOLUTION
    return (losses[:, late - 1] - losses[:, early - 1]).mean()
    ### END SOLUTION
