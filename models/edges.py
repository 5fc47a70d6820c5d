"""A GPT-2 as a graph of edges: what it answers when some of them carry something else. Many sets of edges at once.

Nodes are 'embed', 'pos', 'head 0.1' (layer 0, head 1), 'mlp 0' and 'logits'. A node's output is what it adds to the
residual stream; biases, `b_O` and `b_out`, belong to no node and reach everybody. An edge says where that output is
read: by the queries, the keys or the values of a head, each for itself, by an MLP or by the logits.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headwork.models.config import Config
from headwork.models.gpt2 import GPT2


class Edge(NamedTuple):
    """From the node that writes to one that reads: to the queries, keys or values of a head, or to an MLP or logits."""

    sender: str
    receiver: str
    input: Literal["q", "k", "v", ""] = ""  # of a head; nothing else has more than one

    def __str__(self) -> str:
        return f"{self.sender} -> {self.receiver}{self.input and '.' + self.input}"


def nodes(config: Config) -> list[str]:
    """Every node that writes, in the order of the model."""
    found = ["embed", "pos"]
    for layer in range(config.n_layers):
        found += [f"head {layer}.{head}" for head in range(config.n_heads)]
        found += [] if config.attn_only else [f"mlp {layer}"]
    return found


def every_edge(config: Config) -> Iterator[Edge]:
    """All edges that a model of this configuration has. Heads of one layer do not read each other."""
    before = ["embed", "pos"]
    for layer in range(config.n_layers):
        heads = [f"head {layer}.{head}" for head in range(config.n_heads)]
        for head in heads:
            for sender in before:
                yield from (Edge(sender, head, "q"), Edge(sender, head, "k"), Edge(sender, head, "v"))
        before += heads
        if not config.attn_only:
            yield from (Edge(sender, f"mlp {layer}") for sender in before)
            before.append(f"mlp {layer}")
    yield from (Edge(sender, "logits") for sender in before)


def receivers(config: Config) -> list[tuple[str, str]]:
    """What reads, in the order of the model: (node, input). Of a layer the queries of all heads, keys, values, MLP."""
    found = []
    for layer in range(config.n_layers):
        found += [(f"head {layer}.{head}", part) for part in "qkv" for head in range(config.n_heads)]
        found += [] if config.attn_only else [(f"mlp {layer}", "")]
    return [*found, ("logits", "")]


def table(config: Config, edges: Iterable[Edge]) -> Tensor:
    """These edges as booleans, (receiver, sender), in the orders of `receivers` and `nodes`."""
    rows = {each: row for row, each in enumerate(receivers(config))}
    columns = {node: column for column, node in enumerate(nodes(config))}
    found = torch.zeros(len(rows), len(columns), dtype=torch.bool)
    for sender, receiver, part in edges:
        found[rows[receiver, part], columns[sender]] = True
    return found


@torch.no_grad()
def written(model: GPT2, tokens: Tensor) -> Tensor:
    """What each node adds to the residual stream: (sender, batch, position, d_model)."""
    graph = Graph(model, tokens)
    wrote: list[Tensor] = []
    graph.run(graph.edges[None], wrote)
    return torch.cat(wrote)


class Graph:
    """The model on some prompts, with a choice of edges. Where an edge is not kept, `instead` is read in its place."""

    def __init__(self, model: GPT2, tokens: Tensor, instead: Tensor | None = None):
        """tokens: (batch, position). instead: (sender, batch, position, d_model), zeros when left out."""
        self.model, self.tokens = model, tokens
        self.edges = table(model.config, every_edge(model.config)).to(tokens.device)  # (receiver, sender)
        self.instead = instead

    @torch.no_grad()
    def run(self, kept: Tensor, wrote: list[Tensor] | None = None) -> Tensor:
        """kept: (set, receiver, sender). Returns logits, (set, batch, position, d_vocab).

        wrote: a list to put in what each node wrote, (set, batch, position, d_model) each.
        """
        return self.mixed((self.edges & ~kept).to(self.model.embed.W_E.dtype), wrote)

    def mixed(self, share: Tensor, wrote: list[Tensor] | None = None) -> Tensor:
        """As `run`, with a share of each edge that is replaced, (set, receiver, sender), from 0 to 1."""
        model, config = self.model, self.model.config
        wrote = [] if wrote is None else wrote
        embedded = model.embed(self.tokens), model.pos_embed(self.tokens)
        wrote += [each.expand(len(share), *each.shape) for each in embedded]
        stream, row = wrote[0] + wrote[1], 0
        for layer in range(config.n_layers):
            block: Any = model.blocks[layer]
            heads = self._attention(block, self._read(share[:, row : row + 3 * config.n_heads], stream, wrote))
            row += 3 * config.n_heads
            wrote += heads.unbind(2)
            stream = stream + heads.sum(2) + block.attn.b_O
            if not config.attn_only:
                normed = _norm(block.ln2, self._read(share[:, row : row + 1], stream, wrote)[:, :, 0])
                hidden = block.mlp.activation(normed @ block.mlp.W_in + block.mlp.b_in)
                wrote.append(hidden @ block.mlp.W_out)
                stream, row = stream + wrote[-1] + block.mlp.b_out, row + 1
        unembed: Any = model.unembed
        final = self._read(share[:, row:], stream, wrote)[:, :, 0]
        logits: Tensor = _norm(model.ln_final, final) @ unembed.W_U + unembed.b_U
        return logits

    def _read(self, share: Tensor, stream: Tensor, wrote: list[Tensor]) -> Tensor:
        """What some receivers read of the stream, (set, batch, receiver, position, d_model)."""
        now = torch.stack(wrote)  # (sender, set, batch, position, d_model)
        other = -now if self.instead is None else self.instead[: len(wrote), None] - now
        return stream.unsqueeze(2) + torch.einsum("xrs,sxbpm->xbrpm", share[..., : len(wrote)], other)

    def _attention(self, block: Any, read: Tensor) -> Tensor:
        """What each head writes without b_O, (set, batch, head, position, d_model); read: queries', keys', values'."""
        attn = block.attn
        inputs = _norm(block.ln1, read).chunk(3, 2)
        weights = (attn.W_Q, attn.b_Q), (attn.W_K, attn.b_K), (attn.W_V, attn.b_V)
        q, k, v = (each @ W + b.unsqueeze(1) for each, (W, b) in zip(inputs, weights, strict=True))
        mixed: Tensor = F.scaled_dot_product_attention(q, k, v, is_causal=self.model.config.causal)
        return mixed @ attn.W_O


def _norm(norm: Any, stream: Tensor) -> Tensor:
    if isinstance(norm, nn.Identity):
        return stream
    return F.layer_norm(stream, stream.shape[-1:], norm.w, norm.b, norm.eps)
