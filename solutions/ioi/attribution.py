"""Chapter `ioi`: what each layer and each head writes towards the right name, directly.

Sources: nostalgebraist 2020 (the logit lens); Elhage et al. 2021; Wang et al. 2022.
"""

from typing import Any

import torch
from torch import Tensor, nn

from headwork.models import GPT2


def attribute_layers(model: GPT2, tokens: Tensor, end: Tensor, correct: Tensor, wrong: Tensor, frozen: bool) -> Tensor:
    """The logit difference that the residual stream holds before each layer, and after the last.

    tokens: (batch, position). end, correct, wrong: (batch,), the position to read, and two tokens. The stream there
    goes through `model.ln_final` and `model.unembed`, as if no layer followed. frozen: LayerNorm divides every stream
    by the size of the last one, in place of its own. Returns (layer + 1, batch).
    """
    ### BEGIN SOLUTION
    names = [f"blocks.{layer}.hook_resid_pre" for layer in range(model.config.n_layers)]
    rows = torch.arange(len(tokens), device=tokens.device)
    after, cache = model.run_with_cache(tokens, names, stop_at_layer=model.config.n_layers)
    streams = torch.stack([*(cache[name] for name in names), after])[:, rows, end]  # (layer + 1, batch, d_model)
    norm: Any = model.ln_final
    if frozen and not isinstance(norm, nn.Identity):
        centred = streams - streams.mean(-1, keepdim=True)
        read = centred / final_scale(model, streams[-1]) * norm.w + norm.b
    else:
        read = norm(streams)
    logits: Tensor = model.unembed(read)  # (layer + 1, batch, d_vocab)
    return logits[:, rows, correct] - logits[:, rows, wrong]
    ### END SOLUTION


def attribute_heads(model: GPT2, tokens: Tensor, end: Tensor, correct: Tensor, wrong: Tensor) -> Tensor:
    """What each head adds to the logit difference by what it writes into the stream at the end, directly.

    tokens: (batch, position). end, correct, wrong: (batch,), the position to read, and two tokens. A head's output,
    without b_O, is centred, divided by the size that the final LayerNorm found in the whole stream there, multiplied by
    its `w`, and compared with the tokens' directions in `model.unembed.W_U`. Returns (layer, head, batch).
    """
    ### BEGIN SOLUTION
    names = [f"blocks.{layer}.attn.hook_z" for layer in range(model.config.n_layers)]
    rows = torch.arange(len(tokens), device=tokens.device)
    after, cache = model.run_with_cache(tokens, names, stop_at_layer=model.config.n_layers)
    z = torch.stack([cache[name][rows, end] for name in names])  # (layer, batch, head, d_head)
    blocks: list[Any] = list(model.blocks)
    W_O = torch.stack([block.attn.W_O for block in blocks])  # (layer, head, d_head, d_model)
    written = torch.einsum("lbhd,lhdm->lhbm", z, W_O)
    norm: Any = model.ln_final
    unembed: Any = model.unembed
    W_U: Tensor = unembed.W_U
    direction = (W_U[:, correct] - W_U[:, wrong]).T  # (batch, d_model)
    if not isinstance(norm, nn.Identity):
        written = written - written.mean(-1, keepdim=True)
        direction = direction * norm.w / final_scale(model, after[rows, end])
    return (written * direction).sum(-1)
    ### END SOLUTION


def final_scale(model: GPT2, stream: Tensor) -> Tensor:
    """What the final LayerNorm divides this stream by: (..., d_model) to (..., 1)."""
    norm: Any = model.ln_final
    scale: Tensor = (stream.var(-1, correction=0, keepdim=True) + norm.eps).sqrt()
    return scale
