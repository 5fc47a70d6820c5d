"""Chapter `induction`: which part of the network writes what into the residual stream and into the logits.

Shapes are given with the axes' names: `batch` sequences, `position` in a sequence, `layer`, `head`, and the widths
`d_model` (residual stream) and `d_head`. A model is a `headwork.models.GPT2`. Source: Elhage et al. 2021.
"""

import torch
from torch import Tensor

from headwork.models import GPT2


def head_outputs(model: GPT2, tokens: Tensor) -> dict[str, Tensor]:
    """Everything that is added up to the residual stream before the final norm, by name, in the order of the network.

    tokens: (batch, position). Names: "embed", "pos_embed", then for each layer, here 2, its heads "2.0", "2.1", ...,
    "2.bias" for its b_O and, where the model has MLPs, "2.mlp". Each is (batch, position, d_model).
    """
    ### BEGIN SOLUTION
    kinds = ("hook_embed", "hook_pos_embed", "hook_z", "hook_mlp_out")
    _, cache = model.run_with_cache(tokens, lambda name: name.endswith(kinds))
    layers = range(model.config.n_layers)
    z = torch.stack(
        [cache[f"blocks.{layer}.attn.hook_z"] for layer in layers]
    )  # (layer, batch, position, head, d_head)
    W_O = torch.stack([block.attn.W_O for block in model.blocks])  # (layer, head, d_head, d_model)
    heads = torch.einsum("lbphd,lhdm->lhbpm", z, W_O)  # (layer, head, batch, position, d_model)
    parts = {"embed": cache["hook_embed"], "pos_embed": cache["hook_pos_embed"]}
    for layer in layers:
        parts |= {f"{layer}.{head}": output for head, output in enumerate(heads[layer])}
        parts[f"{layer}.bias"] = model.blocks[layer].attn.b_O.expand_as(parts["embed"])
        if not model.config.attn_only:
            parts[f"{layer}.mlp"] = cache[f"blocks.{layer}.hook_mlp_out"]
    return parts
    ### END SOLUTION


def logit_attribution(model: GPT2, parts: Tensor, residual: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """How much each part of the residual stream adds to the logit of a token, and what the biases add.

    parts: (part, batch, position, d_model), any vectors written to the stream. residual: (batch, position, d_model),
    the whole stream before the final norm, whose scale is taken as given. targets: (batch, position), tokens.
    Returns (part, batch, position) and (batch, position). When the parts add up to `residual`, all numbers together add
    up to the logits of the targets.
    """
    ### BEGIN SOLUTION
    read = model.unembed.W_U.T[targets]  # (batch, position, d_model)
    bias = model.unembed.b_U[targets]  # (batch, position)
    if model.config.layer_norm:
        norm = model.ln_final
        scale = (residual.var(-1, correction=0, keepdim=True) + norm.eps).sqrt()  # (batch, position, 1)
        bias = bias + read @ norm.b
        parts = (parts - parts.mean(-1, keepdim=True)) / scale * norm.w
    return torch.einsum("cbpm,bpm->cbp", parts, read), bias
    ### END SOLUTION
