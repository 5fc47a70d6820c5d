"""Induction on random tokens: what the second copy costs, who attends where, and the edge that carries it."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from headwork.models.gpt2 import GPT2
from headwork.models.hooks import Hook, HookPoint
from headwork.models.measure.experiments.bench import Head, Hooks

NEIGHBOURS = 8  # in whose midst a word is looked at
LENGTH = 40  # tokens of the segment, which is there twice


class Scores(NamedTuple):
    """Mean attention on repeated random tokens, (layer, head) each."""

    previous: Tensor  # to the token before
    induction: Tensor  # to the token after an earlier copy of this one
    duplicate: Tensor  # to the earlier copy


class Repeats:
    """A model on random tokens, twice: `<|endoftext|> a b c ... a b c ...`."""

    def __init__(self, model: GPT2, rows: int = 32, seed: int = 0):
        self.model = model
        generator = torch.Generator().manual_seed(seed)
        half = torch.randint(1, model.config.d_vocab, (rows, LENGTH), generator=generator)
        tokens = torch.cat([torch.zeros(rows, 1, dtype=torch.long), half, half], 1)
        self.tokens = tokens.to(model.embed.W_E.device)  # (row, position)

    def losses(self, hooks: Hooks | None = None) -> tuple[float, float]:
        """The mean loss on the first copy, and on what can be known of the second: all but its first token."""
        logits = self.model.run_with_hooks(self.tokens, hooks or [])
        losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), self.tokens[:, 1:], reduction="none")
        return float(losses[:, :LENGTH].mean()), float(losses[:, LENGTH + 1 :].mean())

    def scores(self) -> Scores:
        layers = range(self.model.config.n_layers)
        names = [f"blocks.{layer}.attn.hook_pattern" for layer in layers]
        cache = self.model.run_with_cache(self.tokens, names)[1]
        patterns = torch.stack([cache[name] for name in names])  # (layer, row, head, query, key)
        late, every = torch.arange(LENGTH + 1, 2 * LENGTH + 1), torch.arange(2, 2 * LENGTH + 1)
        found = [patterns[..., query, query - back] for query, back in ((every, 1), (late, LENGTH - 1), (late, LENGTH))]
        return Scores(*(each.mean((1, 3)) for each in found))

    def kept(self, loss: float, clean: float) -> float:
        """How much of what the second copy saves against a guess is left, when it costs `loss`: from 0 to 1."""
        guess = math.log(self.model.config.d_vocab)
        return (guess - min(loss, guess)) / (guess - clean)

    def cut(self, senders: list[Head], receivers: list[Head], *, mlps: bool) -> Hooks:
        """Hooks that take senders out of the receivers' keys: their mean output is put there in place of their own.

        Directly, or with `mlps` also by way of the MLPs between them; never by way of another head.
        """
        model = self.model
        layers = range(model.config.n_layers)
        z = [f"blocks.{layer}.attn.hook_z" for layer in layers]
        own = model.run_with_cache(self.tokens, z)[1]
        if not mlps:
            changes: dict[int, Tensor] = {}
            for layer, head in senders:
                output = own[z[layer]][:, :, head] @ model.blocks[layer].attn.W_O[head]  # (row, position, d_model)
                changes[layer] = changes.get(layer, 0) + output.mean((0, 1)) - output
            return [
                (f"blocks.{to}.hook_k_input", _adding(sum(changes[at] for at in changes if at < to), heads))
                for to, heads in _by_layer(receivers).items()
            ]
        outputs = {name: value.clone() for name, value in own.items()}
        for layer, head in senders:
            outputs[z[layer]][:, :, head] = outputs[z[layer]][:, :, head].mean((0, 1))
        frozen: Hooks = [(name, _giving(value)) for name, value in outputs.items()]
        names = [f"blocks.{layer}.attn.hook_k" for layer in _by_layer(receivers)]
        with model.hooks(frozen):
            keys = model.run_with_cache(self.tokens, names)[1]
        return [
            (f"blocks.{layer}.attn.hook_k", _putting(keys[f"blocks.{layer}.attn.hook_k"], heads))
            for layer, heads in _by_layer(receivers).items()
        ]


def match_matrix(model: GPT2, previous: Head, induction: Head, words: Tensor, *, effective: bool) -> Tensor:
    """How much the induction head's query for each word likes its key after each word, (query's word, key's word).

    Raw words are their embeddings, and the key is what the previous-token head writes of a word alone. Effective ones
    are the residual streams that the induction head reads, the mean over neighbours: its queries at a word, and its
    keys one after a word. Either way the mean query is taken off: it likes some keys whatever the word.
    """
    (low, from_), (high, to) = previous, induction
    first, last = model.blocks[low], model.blocks[high]
    if effective:
        queries, keys = _in_context(model, high, words)
    else:
        queries = model.embed.W_E[words]
        keys = (first.ln1(queries) @ first.attn.W_V[from_] + first.attn.b_V[from_]) @ first.attn.W_O[from_]
    q = last.ln1(queries) @ last.attn.W_Q[to] + last.attn.b_Q[to]  # (word, d_head)
    k = last.ln1(keys) @ last.attn.W_K[to] + last.attn.b_K[to]
    return (q - q.mean(0)) @ (k - k.mean(0)).T


def _in_context(model: GPT2, layer: int, words: Tensor) -> tuple[Tensor, Tensor]:
    """The residual stream before a layer, (word, d_model) each: at a word, and one after it. Means over neighbours."""
    generator = torch.Generator().manual_seed(0)
    at, after = [], []
    for _ in range(NEIGHBOURS):
        others = words[torch.randint(len(words), (2, len(words)), generator=generator)]  # (before or after, word)
        rows = torch.stack([torch.zeros_like(words), others[0], words, others[1]], 1)  # (word, 4)
        residual = model(rows, stop_at_layer=layer)
        at.append(residual[:, 2])
        after.append(residual[:, 3])
    return torch.stack(at).mean(0), torch.stack(after).mean(0)


def _by_layer(heads: list[Head]) -> dict[int, list[int]]:
    return {layer: [head for at, head in heads if at == layer] for layer in sorted({layer for layer, _ in heads})}


def _adding(change: Tensor | int, heads: list[int]) -> Hook:
    """A hook for an input with an axis for heads, (row, position, head, d_model)."""

    def add(value: Tensor, point: HookPoint) -> Tensor:
        changed = value.clone()
        for head in heads:
            changed[:, :, head] += change
        return changed

    return add


def _giving(output: Tensor) -> Hook:
    return lambda value, point: output


def _putting(keys: Tensor, heads: list[int]) -> Hook:
    def put(value: Tensor, point: HookPoint) -> Tensor:
        changed = value.clone()
        changed[:, :, heads] = keys[:, :, heads]
        return changed

    return put
