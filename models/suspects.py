"""Suspects: small GPT-2s that hide one bug, drawn at random, or none.

    from headwork.models.suspects import suspects

    first = suspects(case=17)[0]
    logits = first(tokens)          # (batch, position, d_vocab), from tokens (batch, position)
    first.config, first.state       # the sizes, and the weights under transformers' names

The weights are right; what is done with them may not be. Which bug a suspect hides is drawn from its case and its
place. Reading this file for it is looking up the answer.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

BUGS = {
    "none": "nothing is wrong",
    "no_final_norm": "the stream is unembedded without the final LayerNorm",
    "mask_off_by_one": "every query also sees the next position",
    "scale_by_d_model": "the scores are divided by the root of d_model",
    "softmax_over_queries": "the softmax of the scores runs over the queries",
    "late_positions": "the last quarter of the positions all get the position vector that stands before it",
    "blank_token_zero": "token 0 is embedded as zeros",
    "swapped_heads": "the first two heads write through each other's part of the output matrix",
    "value_bias_missing": "the values are computed without their bias",
    "parallel_mlp": "the MLP reads the stream from before the attention layer",
    "exact_gelu": "the MLP bends with the exact GELU in place of GPT-2's",
    "sample_variance": "the LayerNorms divide by n - 1",
    "last_block_twice": "the last block runs twice",
}
COUNT = 8  # suspects in a case
CASES = 1000
SIZES = {"n_embd": 24, "n_head": 3, "n_layer": 2, "n_ctx": 16, "vocab_size": 31, "n_inner": 40}
EPS = 1e-5


@dataclass(frozen=True)
class Suspect:
    """One model: call it with tokens. `state` holds its weights in float64 under transformers' names."""

    state: dict[str, Tensor]
    config: dict[str, int] = field(default_factory=lambda: dict(SIZES))
    _bug: str = field(default="none", repr=False)

    def __call__(self, tokens: Tensor) -> Tensor:
        """tokens: (batch, position). Returns logits, (batch, position, vocab)."""
        return forward(self.state, tokens, self._bug)


def suspects(case: int) -> list[Suspect]:
    """The suspects of a case, a number from 0 to 999. Raises ValueError for another."""
    return [Suspect(weights(case, place), _bug=bug_of(case, place)) for place in range(COUNT)]


def bug_of(case: int, place: int) -> str:
    """What the suspect at `place` of a case hides, each name of BUGS with the same chance."""
    if not isinstance(case, int) or isinstance(case, bool) or not 0 <= case < CASES:
        raise ValueError(f"there is no case {case!r}: a case is a whole number from 0 to {CASES - 1}")
    return list(BUGS)[_seed(case, place, "bug") % len(BUGS)]


def _seed(case: int, place: int, what: str) -> int:
    digest = hashlib.blake2b(f"{what} of suspect {place} in case {case}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "little")


def weights(case: int, place: int) -> dict[str, Tensor]:
    """A suspect's weights: random, with biases that are not zero and attention that is not even."""
    source = torch.Generator().manual_seed(_seed(case, place, "weights"))

    def normal(*shape: int, spread: float, centre: float = 0) -> Tensor:
        return centre + spread * torch.randn(shape, generator=source, dtype=torch.float64)

    width, inner = SIZES["n_embd"], SIZES["n_inner"]
    state = {
        "wte.weight": normal(SIZES["vocab_size"], width, spread=1),
        "wpe.weight": normal(SIZES["n_ctx"], width, spread=0.7),
    }
    for layer in range(SIZES["n_layer"]):
        block = f"h.{layer}."
        for norm in ("ln_1", "ln_2"):
            state[f"{block}{norm}.weight"] = normal(width, spread=0.2, centre=1)
            state[f"{block}{norm}.bias"] = normal(width, spread=0.2)
        for name, rows, columns in [
            ("attn.c_attn", width, 3 * width),
            ("attn.c_proj", width, width),
            ("mlp.c_fc", width, inner),
            ("mlp.c_proj", inner, width),
        ]:
            state[f"{block}{name}.weight"] = normal(rows, columns, spread=1.3 / math.sqrt(rows))
            state[f"{block}{name}.bias"] = normal(columns, spread=0.3)
    state |= {"ln_f.weight": normal(width, spread=0.2, centre=1), "ln_f.bias": normal(width, spread=0.2)}
    return {f"transformer.{name}": value for name, value in state.items()}


def forward(state: dict[str, Tensor], tokens: Tensor, bug: str = "none") -> Tensor:
    """A GPT-2 with transformers' names for its weights, and with a bug."""
    length, cut = tokens.shape[1], SIZES["n_ctx"] * 3 // 4
    positions = torch.arange(length, device=tokens.device)
    embedding = state["transformer.wte.weight"]
    residual = embedding[tokens]  # (batch, position, d_model)
    if bug == "blank_token_zero":
        residual = residual * (tokens != 0)[..., None]
    if bug == "late_positions":
        positions = positions.clamp(max=cut - 1)
    residual = residual + state["transformer.wpe.weight"][positions]
    layers = list(range(SIZES["n_layer"]))
    for layer in layers + layers[-1:] * (bug == "last_block_twice"):
        weights = {
            name.removeprefix(f"transformer.h.{layer}."): value
            for name, value in state.items()
            if name.startswith(f"transformer.h.{layer}.")
        }
        middle = residual + _attention(weights, _norm(weights, "ln_1", residual, bug), bug)
        read = residual if bug == "parallel_mlp" else middle
        residual = middle + _mlp(weights, _norm(weights, "ln_2", read, bug), bug)
    if bug != "no_final_norm":
        last = {name.removeprefix("transformer."): value for name, value in state.items()}
        residual = _norm(last, "ln_f", residual, bug)
    return residual @ embedding.T


def _norm(weights: dict[str, Tensor], name: str, residual: Tensor, bug: str) -> Tensor:
    variance = residual.var(-1, correction=int(bug == "sample_variance"), keepdim=True)
    normalised = (residual - residual.mean(-1, keepdim=True)) / (variance + EPS).sqrt()
    return normalised * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _attention(weights: dict[str, Tensor], residual: Tensor, bug: str) -> Tensor:
    batch, length, width = residual.shape
    heads = SIZES["n_head"]
    bias = weights["attn.c_attn.bias"].clone()
    if bug == "value_bias_missing":
        bias[2 * width :] = 0
    joined = residual @ weights["attn.c_attn.weight"] + bias  # (batch, position, 3 * d_model)
    q, k, v = joined.view(batch, length, 3, heads, -1).permute(2, 0, 3, 1, 4)  # (batch, head, position, d_head)
    scores = q @ k.mT / math.sqrt(width if bug == "scale_by_d_model" else width // heads)
    hidden = torch.ones(length, length, dtype=torch.bool, device=q.device)
    hidden = hidden.triu(2 if bug == "mask_off_by_one" else 1)
    axis = -2 if bug == "softmax_over_queries" else -1
    z = scores.masked_fill(hidden, float("-inf")).softmax(axis) @ v  # (batch, head, position, d_head)
    if bug == "swapped_heads":
        z = z[:, [1, 0, *range(2, heads)]]
    return z.transpose(1, 2).reshape(batch, length, width) @ weights["attn.c_proj.weight"] + weights["attn.c_proj.bias"]


def _mlp(weights: dict[str, Tensor], residual: Tensor, bug: str) -> Tensor:
    hidden = residual @ weights["mlp.c_fc.weight"] + weights["mlp.c_fc.bias"]  # (batch, position, d_mlp)
    bent = F.gelu(hidden, approximate="none" if bug == "exact_gelu" else "tanh")
    return bent @ weights["mlp.c_proj.weight"] + weights["mlp.c_proj.bias"]
