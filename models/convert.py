"""A state of our GPT-2 to and from one of transformers' GPT2LMHeadModel: other names and layouts, the same numbers.

There the queries, keys and values of all heads are one matrix, (d_model, 3 * head * d_head), and matrices are stored
as (in, out), as ours are (Conv1D). Nothing is computed, so that going there and back changes no bit.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from einops import rearrange
from torch import Tensor

from headwork.models.config import Config

State = dict[str, Tensor]
PREFIX = "transformer."
NOT_WEIGHTS = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)")  # the causal mask, stored by older versions


class Pair(NamedTuple):
    """One of their tensors, and those of ours that it is cut into."""

    theirs: str
    shape: tuple[int, ...]  # of theirs
    ours: tuple[str, ...]
    pattern: str  # theirs on the left; on the right ours, with the axis `part` for one after the other


def from_transformers(state: Mapping[str, Tensor], config: Config) -> State:
    """A state dict of GPT2LMHeadModel, with or without the prefix `transformer.`, as one of our GPT2.

    Raises ValueError that names the tensors which are missing, left over or of the wrong shape.
    """
    named = {name.removeprefix(PREFIX): tensor for name, tensor in state.items()}
    if len(named) < len(state):
        raise ValueError("some tensors are there twice, with the prefix transformer. and without")
    named = {name: tensor for name, tensor in named.items() if not NOT_WEIGHTS.fullmatch(name)}
    head = named.pop("lm_head.weight", None) if config.tied else None
    pairs = list(_pairs(config))
    _compare(named, {pair.theirs: pair.shape for pair in pairs})
    if head is not None and not torch.equal(head, named["wte.weight"]):
        raise ValueError("lm_head.weight is not wte.weight, but the configuration ties them")
    ours: State = {}
    for pair in pairs:
        parts = rearrange(named[pair.theirs], pair.pattern, **_sizes(pair, config))
        ours |= {name: part.contiguous() for name, part in zip(pair.ours, parts, strict=True)}
    if not config.tied and config.biases:
        ours["unembed.b_U"] = torch.zeros_like(ours["unembed.W_U"][0])  # (d_vocab,): theirs has none
    return ours


def to_transformers(state: Mapping[str, Tensor], config: Config) -> State:
    """A state dict of our GPT2 as one of GPT2LMHeadModel, all its names with the prefix `transformer.`.

    Raises ValueError that names the tensors which are missing, left over or of the wrong shape, and for a bias of the
    unembedding that is not zero: theirs has none.
    """
    named = dict(state)
    b_U = named.pop("unembed.b_U", None)
    if b_U is not None and b_U.any():
        raise ValueError("unembed.b_U is not zero, and GPT2LMHeadModel has no bias there")
    pairs = list(_pairs(config))
    _compare(named, {name: shape for pair in pairs for name, shape in _our_shapes(pair, config).items()})
    theirs: State = {}
    for pair in pairs:
        pattern = " -> ".join(reversed(pair.pattern.split(" -> ")))
        whole = rearrange([named[name] for name in pair.ours], pattern, **_sizes(pair, config))
        theirs[pair.theirs if pair.theirs == "lm_head.weight" else PREFIX + pair.theirs] = whole.contiguous()
    if config.tied:
        theirs["lm_head.weight"] = theirs[PREFIX + "wte.weight"]
    return theirs


def read_config(settings: Mapping[str, Any]) -> Config:
    """The configuration that transformers writes in config.json. Raises ValueError for one that this GPT-2 lacks."""
    expected = {
        "model_type": "gpt2",
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
    }
    for name, value in expected.items():
        if settings.get(name, value) != value:
            raise ValueError(f"the configuration says {name}: {settings[name]!r}, and this GPT-2 has only {value!r}")
    activation = settings.get("activation_function", "gelu_new")
    activations = {"gelu_new": "gelu", "gelu_pytorch_tanh": "gelu", "relu": "relu"}
    if activation not in activations:
        raise ValueError(f"this GPT-2 has no activation_function {activation!r}: it has {', '.join(activations)}")
    return Config(
        d_vocab=settings.get("vocab_size", 50257),
        n_ctx=settings.get("n_positions", 1024),
        d_model=settings.get("n_embd", 768),
        n_heads=settings.get("n_head", 12),
        d_mlp=settings.get("n_inner") or 4 * settings.get("n_embd", 768),
        n_layers=settings.get("n_layer", 12),
        eps=settings.get("layer_norm_epsilon", 1e-5),
        activation=activations[activation],
        tied=settings.get("tie_word_embeddings", True),
    )


def write_config(config: Config) -> dict[str, Any]:
    """What transformers has in config.json for such a model. Raises ValueError when GPT2LMHeadModel is never such."""
    _check_gpt2(config)
    return {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": config.d_vocab,
        "n_positions": config.n_ctx,
        "n_embd": config.d_model,
        "n_head": config.n_heads,
        "n_inner": config.d_mlp,
        "n_layer": config.n_layers,
        "layer_norm_epsilon": config.eps,
        "activation_function": {"gelu": "gelu_new"}.get(config.activation, config.activation),
        "tie_word_embeddings": config.tied,
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
    }


def _check_gpt2(config: Config) -> None:
    """Raises ValueError, saying why, when transformers' GPT-2 has no such configuration."""
    lacking = {
        "attn_only": config.attn_only,
        "layer_norm=False": not config.layer_norm,
        "biases=False": not config.biases,
        "causal=False": not config.causal,
        "d_vocab_out": config.d_vocab_out not in (None, config.d_vocab),
    }
    if any(lacking.values()):
        raise ValueError(f"GPT2LMHeadModel has no {', '.join(name for name, lacks in lacking.items() if lacks)}")


def _pairs(config: Config) -> Iterator[Pair]:
    """Every tensor of theirs, with its own of ours."""
    _check_gpt2(config)
    wide, mlp = config.d_model, config.d_mlp
    matrix, vector = "(part a) b -> part a b", "(part a) -> part a"
    heads = ("W_Q", "W_K", "W_V"), ("b_Q", "b_K", "b_V")

    def norm(theirs: str, ours: str) -> Iterator[Pair]:
        yield Pair(f"{theirs}.weight", (wide,), (f"{ours}.w",), vector)
        yield Pair(f"{theirs}.bias", (wide,), (f"{ours}.b",), vector)

    yield Pair("wte.weight", (config.d_vocab, wide), ("embed.W_E",), matrix)
    yield Pair("wpe.weight", (config.n_ctx, wide), ("pos_embed.W_pos",), matrix)
    for layer in range(config.n_layers):
        h, block = f"h.{layer}", f"blocks.{layer}"
        weights, biases = (tuple(f"{block}.attn.{name}" for name in names) for names in heads)
        yield from norm(f"{h}.ln_1", f"{block}.ln1")
        yield Pair(f"{h}.attn.c_attn.weight", (wide, 3 * wide), weights, "m (part h d) -> part h m d")
        yield Pair(f"{h}.attn.c_attn.bias", (3 * wide,), biases, "(part h d) -> part h d")
        yield Pair(f"{h}.attn.c_proj.weight", (wide, wide), (f"{block}.attn.W_O",), "(part h d) m -> part h d m")
        yield Pair(f"{h}.attn.c_proj.bias", (wide,), (f"{block}.attn.b_O",), vector)
        yield from norm(f"{h}.ln_2", f"{block}.ln2")
        yield Pair(f"{h}.mlp.c_fc.weight", (wide, mlp), (f"{block}.mlp.W_in",), matrix)
        yield Pair(f"{h}.mlp.c_fc.bias", (mlp,), (f"{block}.mlp.b_in",), vector)
        yield Pair(f"{h}.mlp.c_proj.weight", (mlp, wide), (f"{block}.mlp.W_out",), matrix)
        yield Pair(f"{h}.mlp.c_proj.bias", (wide,), (f"{block}.mlp.b_out",), vector)
    yield from norm("ln_f", "ln_final")
    if not config.tied:
        yield Pair("lm_head.weight", (config.d_vocab, wide), ("unembed.W_U",), "(part v) m -> part m v")


def _sizes(pair: Pair, config: Config) -> dict[str, int]:
    """The sizes of the axes that a pattern leaves open."""
    sizes = {"part": len(pair.ours)}
    return sizes | {"h": config.n_heads} if " h " in pair.pattern else sizes


def _our_shapes(pair: Pair, config: Config) -> dict[str, tuple[int, ...]]:
    parts = rearrange(torch.empty(pair.shape, device="meta"), pair.pattern, **_sizes(pair, config))
    return {name: tuple(part.shape) for name, part in zip(pair.ours, parts, strict=True)}


def _compare(state: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises ValueError when `state` has other names or shapes than these."""
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    wrong = [name for name, shape in shapes.items() if found.get(name, shape) != shape]
    faults = {
        "missing": [name for name in shapes if name not in found],
        "left over": [name for name in found if name not in shapes],
        "of the wrong shape": [f"{name} {found[name]} for {shapes[name]}" for name in wrong],
    }
    said = "; ".join(f"{fault}: {', '.join(names)}" for fault, names in faults.items() if names)
    if said:
        raise ValueError(f"these are not the weights of this configuration. {said[0].upper()}{said[1:]}")
