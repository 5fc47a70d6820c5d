"""The same function from other weights: LayerNorm's scales and shifts, and the logits' mean, folded into what follows.

A LayerNorm scales and shifts what it normalises, and a linear map reads the result. The map can do both itself:
(x * w + b) @ W + c = x @ (w[:, None] * W) + (b @ W + c). Its weights then say what is read of a normalised stream.
Source: TransformerLens (`fold_ln`, `center_unembed`); here the tied unembedding of GPT-2 becomes one of its own.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from headwork.models.config import Config

State = dict[str, Tensor]


def fold_layer_norm(state: Mapping[str, Tensor], config: Config) -> tuple[State, Config]:
    """A state of our GPT2 whose LayerNorms only normalise: their `w` are 1 and their `b` 0. The logits are the same.

    Folded into W_Q, W_K, W_V and b_Q, b_K, b_V; W_in and b_in; W_U and b_U. Computed in float64, in the dtype of the
    weights. The configuration that is returned fits it: untied and with biases. Without LayerNorm nothing changes.
    """
    if not config.layer_norm:
        return dict(state), config
    folded, config = _with_biases(*_own_unembed(state, config))
    for layer in range(config.n_layers):
        block = f"blocks.{layer}"
        for part in "QKV":
            _fold(folded, f"{block}.ln1", f"{block}.attn.W_{part}", f"{block}.attn.b_{part}")
        _neutral(folded, f"{block}.ln1")
        if not config.attn_only:
            _fold(folded, f"{block}.ln2", f"{block}.mlp.W_in", f"{block}.mlp.b_in")
            _neutral(folded, f"{block}.ln2")
    _fold(folded, "ln_final", "unembed.W_U", "unembed.b_U")
    _neutral(folded, "ln_final")
    return folded, config


def center_unembed(state: Mapping[str, Tensor], config: Config) -> tuple[State, Config]:
    """A state of our GPT2 whose logits have mean 0 at every position: each loses their mean there and no more.

    A softmax does not see the difference, so probabilities are the same. The configuration that is returned fits it:
    untied. Computed in float64, in the dtype of the weights.
    """
    centred, config = _own_unembed(state, config)
    for name in ("unembed.W_U", "unembed.b_U"):  # (d_model, d_vocab) and (d_vocab,)
        if name in centred:
            exact = centred[name].double()
            centred[name] = (exact - exact.mean(-1, keepdim=True)).to(centred[name].dtype)
    return centred, config


def _fold(state: State, norm: str, weight: str, bias: str) -> None:
    """Folds the scale and shift of a LayerNorm into a map that reads it, (d_model, out) or (head, d_model, out)."""
    w, b, W = (state[name].double() for name in (f"{norm}.w", f"{norm}.b", weight))
    state[bias] = (state[bias].double() + b @ W).to(state[bias].dtype)
    state[weight] = (w[:, None] * W).to(state[weight].dtype)


def _neutral(state: State, norm: str) -> None:
    state[f"{norm}.w"] = torch.ones_like(state[f"{norm}.w"])
    state[f"{norm}.b"] = torch.zeros_like(state[f"{norm}.b"])


def _own_unembed(state: Mapping[str, Tensor], config: Config) -> tuple[State, Config]:
    """With an unembedding of its own where it was the embedding, transposed."""
    own = dict(state)
    if config.tied:
        own["unembed.W_U"] = own["embed.W_E"].T.contiguous()  # (d_model, d_vocab)
        if config.biases:
            own["unembed.b_U"] = torch.zeros_like(own["unembed.W_U"][0])  # (d_vocab,)
    return own, replace(config, tied=False)


def _with_biases(state: State, config: Config) -> tuple[State, Config]:
    """With biases of zero beside every map where there were none."""
    added: State = {}
    for name, weight in state.items():
        place, _, kind = name.rpartition(".")
        if not config.biases and kind.startswith("W_") and kind not in ("W_E", "W_pos"):
            like = weight[:, 0] if kind in ("W_Q", "W_K", "W_V") else weight.flatten(0, -2)[0]  # what the map gives
            added[f"{place}.{kind.replace('W', 'b')}"] = torch.zeros_like(like)
    return state | added, replace(config, biases=True)
