"""Chapter `ioi`: GPT-2 in steps, so that a patched run starts where the patch is and computes only what it changes.

Three savings, all exact. What lies below the patched layer is not run again. Attention looks backwards only, so the
positions before the patched one keep their keys and values. Logits are made at the positions that the metric reads.
Many patches run at once: a `stream` has an axis for them, (patch, batch, position, d_model).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from headwork.models import GPT2

Metric = Callable[[Tensor], Tensor]  # logits at the end positions, (patch, batch, d_vocab), to (patch, batch)


@dataclass
class Trace:
    """What one run computed, a tensor a layer: the stream before it, and its heads' queries, keys, values and z."""

    pre: list[Tensor] = field(default_factory=list)  # (batch, position, d_model)
    q: list[Tensor] = field(default_factory=list)  # (batch, position, head, d_head), as k, v and z
    k: list[Tensor] = field(default_factory=list)
    v: list[Tensor] = field(default_factory=list)
    z: list[Tensor] = field(default_factory=list)
    attn: list[Tensor] = field(default_factory=list)  # what the heads write, b_O too, (batch, position, d_model)
    mlp: list[Tensor] = field(default_factory=list)  # what the MLP writes, of that shape


class Engine:
    """The steps of a causal GPT-2, for tensors with any leading axes. No gradient goes to the weights."""

    def __init__(self, model: GPT2, end: Tensor):
        """end: (batch,), the position in each prompt whose logits count. Raises ValueError without a causal mask."""
        if not model.config.causal:
            raise ValueError("positions attend to later ones: a patch then changes what is computed before it")
        self.model, self.end = model, end
        self.length = int(end.max()) + 1  # nothing reads later positions
        self.layers = range(model.config.n_layers)
        self.blocks: list[Any] = list(model.blocks)
        attns = [block.attn for block in self.blocks]
        self.into = [torch.cat([_side_by_side(w) for w in (a.W_Q, a.W_K, a.W_V)], 1).detach() for a in attns]
        self.into_bias = [torch.cat([b.flatten() for b in (a.b_Q, a.b_K, a.b_V)]).detach() for a in attns]

    def embed(self, tokens: Tensor) -> Tensor:
        """The stream before the first block, (batch, position, d_model)."""
        stream: Tensor = self.model.embed(tokens) + self.model.pos_embed(tokens)
        return stream.detach()

    def qkv(self, layer: int, stream: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values made from the stream before a block: (..., position, head, d_head)."""
        heads = self.model.config.n_heads
        made = self._norm(self.blocks[layer].ln1, stream) @ self.into[layer] + self.into_bias[layer]
        q, k, v = made.unflatten(-1, (3, heads, -1)).unbind(-3)
        return q, k, v

    def write(self, layer: int, z: Tensor) -> Tensor:
        """What heads with these z add to the stream, with b_O: (..., position, d_model)."""
        attn = self.blocks[layer].attn
        written: Tensor = z.flatten(-2) @ attn.W_O.detach().flatten(0, 1) + attn.b_O.detach()
        return written

    def mlp(self, layer: int, stream: Tensor) -> Tensor:
        """What the MLP adds to the stream after attention, (..., position, d_model); 0 in a model without MLPs."""
        if self.model.config.attn_only:
            return torch.zeros_like(stream)
        block = self.blocks[layer]
        hidden = self._norm(block.ln2, stream) @ block.mlp.W_in.detach() + block.mlp.b_in.detach()
        written: Tensor = block.mlp.activation(hidden) @ block.mlp.W_out.detach() + block.mlp.b_out.detach()
        return written

    def logits(self, stream: Tensor) -> Tensor:
        """stream: any shape with d_model last. Returns the same with d_vocab last."""
        unembed: Any = self.model.unembed
        logits: Tensor = self._norm(self.model.ln_final, stream) @ unembed.W_U.detach() + unembed.b_U.detach()
        return logits

    def at_end(self, stream: Tensor, start: int = 0) -> Tensor:
        """The stream at each prompt's end, (patch, batch, d_model), of one that begins at position `start`."""
        rows = torch.arange(len(self.end), device=stream.device)
        return stream[:, rows, (self.end - start).clamp(min=0)]

    def run(self, tokens: Tensor) -> tuple[Trace, Tensor]:
        """What the network computes up to the last end, and the stream after it, (batch, position, d_model).

        Where gradients are on, they can be taken by all of it; they stop at the weights.
        """
        stream, trace = self.embed(tokens[:, : self.length]), Trace()
        stream.requires_grad_(torch.is_grad_enabled())
        for layer in self.layers:
            trace.pre.append(stream)
            q, k, v = self.qkv(layer, stream)
            z = mix(q, k, v)
            by_heads = self.write(layer, z)
            middle = stream + by_heads
            by_mlp = self.mlp(layer, middle)
            stream = middle + by_mlp
            for name, value in (("q", q), ("k", k), ("v", v), ("z", z), ("attn", by_heads), ("mlp", by_mlp)):
                getattr(trace, name).append(value)
        return trace, stream

    def block(
        self, layer: int, stream: Tensor, base: Trace, start: int = 0, qkv: tuple[Tensor, Tensor, Tensor] | None = None
    ) -> Tensor:
        """One block on a stream of the positions from `start` on; what is before is as in `base`.

        stream: (patch, batch, position, d_model). Returns the same shape; for the last block, at the ends alone, with
        one position: nothing reads the others. qkv: queries, keys and values in place of those made from the stream.
        """
        q, k, v = qkv or self.qkv(layer, stream)
        if start:
            k, v = (_behind(old[:, :start], new) for old, new in ((base.k[layer], k), (base.v[layer], v)))
        if layer < len(self.layers) - 1:
            middle = stream + self.write(layer, mix(q, k, v))
            return middle + self.mlp(layer, middle)
        last = self.end.clamp(min=start)  # (batch,)
        index = (last - start)[:, None, None, None].expand(-1, 1, *q.shape[-2:])  # (batch, 1, head, d_head)
        q = q.gather(2, index.expand(len(q), *index.shape))  # (patch, batch, 1, head, d_head)
        middle = self.at_end(stream, start)[:, :, None] + self.write(layer, mix(q, k, v, last[:, None]))
        return middle + self.mlp(layer, middle)

    def finish(self, layer: int, stream: Tensor, base: Trace, metric: Metric, start: int = 0) -> Tensor:
        """The metric, (patch, batch), after the blocks from `layer` on. After the last, a stream is at the ends."""
        for each in self.layers[layer:]:
            stream = self.block(each, stream, base, start)
        return metric(self.logits(stream[:, :, 0]))

    def unpatched(self, after: Tensor, metric: Metric) -> Tensor:
        """The metric of a run, (1, batch), by the stream after it."""
        return metric(self.logits(self.at_end(after[None])))

    @staticmethod
    def _norm(norm: Any, stream: Tensor) -> Tensor:
        if isinstance(norm, torch.nn.Identity):
            return stream
        return F.layer_norm(stream, stream.shape[-1:], norm.w.detach(), norm.b.detach(), norm.eps)


def mix(q: Tensor, k: Tensor, v: Tensor, at: Tensor | None = None) -> Tensor:
    """Attention of every head: the average of the values that each query looks at, (..., query, head, d_head).

    at: the queries' positions, (query,) or (batch, query); without them the last ones.
    """
    if at is None:
        at = torch.arange(k.shape[-3] - q.shape[-3], k.shape[-3], device=q.device)
    seen = torch.arange(k.shape[-3], device=q.device) <= at[..., None]  # (..., query, key)
    q, k, v = (each.transpose(-3, -2) for each in (q, k, v))  # (..., head, position, d_head)
    return F.scaled_dot_product_attention(q, k, v, seen.unsqueeze(-3)).transpose(-3, -2)


def pattern_of(q: Tensor, k: Tensor) -> Tensor:
    """Where each head looks, (..., head, query, key)."""
    scores = torch.einsum("...qhd,...khd->...hqk", q, k) / q.shape[-1] ** 0.5
    later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)  # (query, key)
    return scores.masked_fill(later, float("-inf")).softmax(-1)


def first_difference(clean: Tensor, corrupted: Tensor, end: Tensor) -> int:
    """The first position at which any two prompts differ, or the first end: before it, the two runs are alike."""
    differs = (clean != corrupted).any(0)  # (position,)
    differs[end] = True
    return int(differs.int().argmax())


def _side_by_side(weight: Tensor) -> Tensor:
    """(head, d_model, d_head) to (d_model, head * d_head), so that one product serves all heads."""
    return weight.transpose(0, 1).flatten(1)


def _behind(old: Tensor, new: Tensor) -> Tensor:
    """Keys or values of earlier positions, (batch, position, ...), in front of those of every patch."""
    return torch.cat([old.expand(len(new), *old.shape), new], 2)  # (patch, batch, position, head, d_head)
