"""Experiments on heads: a model on some prompts, with heads' outputs replaced, or a path between heads alone.

Heads are (layer, head). A head is ablated by giving it its mean output, at each position, over twins of the prompt in
which three people are met once (Wang et al. 2022, section 2.1). MLPs and LayerNorm always work on what they are given.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from headwork.models.gpt2 import GPT2
from headwork.models.hooks import Hook, HookPoint, Names
from headwork.models.measure.experiments.prompts import Prompts

Head = tuple[int, int]
Hooks = list[tuple[Names, Hook]]
TWINS = 4


def named(heads: Iterable[Head]) -> str:
    """Heads as the field writes them: `3.1, 4.0`."""
    return ", ".join(f"{layer}.{head}" for layer, head in heads) or "none"


class Answers(NamedTuple):
    """What a model says at the end of each prompt, (prompt,) each, except logits."""

    logits: Tensor  # (prompt, token)
    difference: Tensor  # the logit of IO minus that of S
    against_absent: Tensor  # the logit of IO minus the mean one of names that are not in the prompt
    p_io: Tensor
    p_s: Tensor
    above: Tensor  # IO above S
    top: Tensor  # IO above everything


class Bench:
    """A model on prompts."""

    def __init__(self, model: GPT2, prompts: Prompts):
        self.model, self.prompts = model, prompts.to(model.embed.W_E.device)
        self.rows = torch.arange(len(prompts.tokens))
        self.layers = range(model.config.n_layers)
        self.heads: list[Head] = [(layer, head) for layer in self.layers for head in range(model.config.n_heads)]

    def answers(self, hooks: Sequence[tuple[Names, Hook]] = (), tokens: Tensor | None = None) -> Answers:
        """The answers on the prompts, or on other tokens in their place."""
        prompts = self.prompts
        residual = self.model.run_with_hooks(
            prompts.tokens if tokens is None else tokens, hooks, stop_at_layer=self.model.config.n_layers
        )
        logits = self.model.unembed(self.model.ln_final(residual[self.rows, prompts.end]))  # (prompt, token)
        io, s = logits[self.rows, prompts.receiver], logits[self.rows, prompts.subject]
        p = logits.softmax(-1)
        return Answers(
            logits,
            io - s,
            io - logits.gather(1, prompts.absent).mean(1),
            p[self.rows, prompts.receiver],
            p[self.rows, prompts.subject],
            (io > s).float(),
            (logits.argmax(-1) == prompts.receiver).float(),
        )

    @cached_property
    def clean(self) -> Answers:
        return self.answers()

    def outputs(self, tokens: Tensor) -> list[Tensor]:
        """What each layer's heads write, before W_O: (prompt, position, head, d_head) a layer."""
        names = [f"blocks.{layer}.attn.hook_z" for layer in self.layers]
        cache = self.model.run_with_cache(tokens, names)[1]
        return [cache[name] for name in names]

    @cached_property
    def own(self) -> list[Tensor]:
        return self.outputs(self.prompts.tokens)

    @cached_property
    def means(self) -> list[Tensor]:
        """What an ablated head writes."""
        all_twins = [self.outputs(self.prompts.strangers(shift)) for shift in range(TWINS)]
        return [torch.stack(layer).mean(0) for layer in zip(*all_twins, strict=True)]

    def patterns(self, tokens: Tensor | None = None, hooks: Sequence[tuple[Names, Hook]] = ()) -> Tensor:
        """Attention, (layer, prompt, head, query, key)."""
        names = [f"blocks.{layer}.attn.hook_pattern" for layer in self.layers]
        with self.model.hooks(hooks):
            cache = self.model.run_with_cache(self.prompts.tokens if tokens is None else tokens, names)[1]
        return torch.stack([cache[name] for name in names])

    def attention(self, patterns: Tensor, query: Tensor, key: Tensor) -> Tensor:
        """The mean attention between two places of the prompts, (layer, head)."""
        return patterns[:, self.rows, :, query, key].mean(0)  # (prompt, layer, head) to (layer, head)

    def ablated(self, heads: Iterable[Head]) -> Hooks:
        """Hooks that give these heads their mean outputs."""
        return self.replacing(heads, self.means)

    def replacing(self, heads: Iterable[Head], outputs: list[Tensor], places: Tensor | None = None) -> Hooks:
        """Hooks that give these heads other outputs, everywhere or at one place of each prompt."""
        hooks: Hooks = []
        for layer in self.layers:
            mine = [head for at, head in heads if at == layer]
            if mine:
                hooks.append((f"blocks.{layer}.attn.hook_z", _putting(outputs[layer], mine, self.rows, places)))
        return hooks

    def path(
        self, senders: Sequence[Head], receivers: Sequence[Head], which: str, donor: list[Tensor], places: Tensor | None
    ) -> Hooks:
        """Hooks for the paths from senders to the receivers' queries, keys or values (`which`: q, k or v) alone.

        The senders write what they wrote in `donor`, everywhere or at one place of each prompt; all other heads what
        they write on the prompts; what the receivers then ask for, or offer, is put into a run on the prompts.
        """
        own = [outputs.clone() for outputs in self.own]
        for layer, head in senders:
            if places is None:
                own[layer][:, :, head] = donor[layer][:, :, head]
            else:
                own[layer][self.rows, places, head] = donor[layer][self.rows, places, head]
        frozen: Hooks = [(f"blocks.{layer}.attn.hook_z", _giving(own[layer])) for layer in self.layers]
        names = sorted({f"blocks.{layer}.attn.hook_{which}" for layer, _ in receivers})
        with self.model.hooks(frozen):
            cache = self.model.run_with_cache(self.prompts.tokens, names)[1]
        hooks: Hooks = []
        for name in names:
            mine = [head for layer, head in receivers if name.startswith(f"blocks.{layer}.")]
            hooks.append((name, _putting(cache[name], mine, self.rows, None)))
        return hooks

    def said(self, tokens: Tensor) -> Tensor:
        """What each head adds, directly, to the logit of a token at the end: (layer, prompt, head).

        Against the mean logit of all tokens; with the scale of the final LayerNorm as it is.
        """
        model, prompts = self.model, self.prompts
        cache = model.run_with_cache(prompts.tokens, ["ln_final.hook_scale"])[1]
        scale = cache["ln_final.hook_scale"][self.rows, prompts.end]  # (prompt, 1)
        W_U = model.unembed.W_U  # (d_model, token)
        direction = (W_U.T[tokens] - W_U.mean(1)) * model.ln_final.w  # (prompt, d_model)
        direction = (direction - direction.mean(-1, keepdim=True)) / scale  # LayerNorm centres what it reads
        found = []
        for layer in self.layers:
            z = self.own[layer][self.rows, prompts.end]  # (prompt, head, d_head)
            found.append(torch.einsum("phd,hdm,pm->ph", z, model.blocks[layer].attn.W_O, direction))
        return torch.stack(found)


def _giving(outputs: Tensor) -> Hook:
    return lambda value, point: outputs


def _putting(outputs: Tensor, heads: list[int], rows: Tensor, places: Tensor | None) -> Hook:
    """A hook that gives some heads of a layer, (prompt, position, head, d_head), their part of `outputs`."""

    def put(value: Tensor, point: HookPoint) -> Tensor:
        changed = value.clone()
        for head in heads:
            if places is None:
                changed[:, :, head] = outputs[:, :, head]
            else:
                changed[rows, places, head] = outputs[rows, places, head]
        return changed

    return put
