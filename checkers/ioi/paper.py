"""Wang et al. 2022 beside us: every figure of the paper that can be measured again, on any model with words.

The paper's are as reported, of GPT-2 small. Ours are measured on prompts of the chapter's templates and names. Which
heads play a part is not looked up: a head is listed by what it does here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.ioi.judge.bench import Bench, Told
from headwork.checkers.ioi.judge.circuit import Node
from headwork.checkers.ioi.judge.data import Data, draw
from headwork.checkers.ioi.judge.score import Judge, Size
from headwork.models.data.ioi import NAMES, TEMPLATES
from headwork.models.gpt2 import GPT2
from headwork.solutions.ioi.attribution import attribute_heads
from headwork.solutions.ioi.groups import Head
from headwork.solutions.ioi.paths import Receiver, path_patch, path_patch_through
from headwork.solutions.ioi.repair import self_repair
from headwork.solutions.ioi.roles import name_mover_copying

SIZE = Size(each=1, sets=20, own_sets=10, random=10, resamples=100)
LISTED = 0.04  # a head is listed whose effect is at least this share of the logit difference
MOST = 8  # heads of a list
SAID = 5  # a head copies a name that is among the likeliest so many tokens


@dataclass(frozen=True)
class Row:
    """One figure: the paper's, as reported, and ours. `about` says what was measured."""

    name: str
    paper: str
    ours: str
    about: str
    section: str


@dataclass
class Paper:
    """The experiments on one model. reference: nodes of a circuit of it, where one is known."""

    model: GPT2
    reference: frozenset[Node] | None
    seed: int = 0
    each: int = 1
    size: Size = SIZE
    told: Told = lambda count: None

    @cached_property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @cached_property
    def data(self) -> Data:
        return draw(self.model.tokenizer, self.each, self.seed, TEMPLATES, NAMES)

    @cached_property
    def clean(self) -> Tensor:
        return self.data.prompts.tokens.to(self.device)

    @cached_property
    def abc(self) -> Tensor:
        return self.data.twins[0].to(self.device)

    @cached_property
    def end(self) -> Tensor:
        return self.data.prompts.positions["END"].to(self.device)

    @cached_property
    def names(self) -> tuple[Tensor, Tensor]:
        return self.data.prompts.io.to(self.device), self.data.prompts.s.to(self.device)

    def metric(self, logits: Tensor) -> Tensor:
        """(..., batch, d_vocab) to (..., batch)."""
        io, s = (each.expand(*logits.shape[:-1])[..., None] for each in self.names)
        return (logits.gather(-1, io) - logits.gather(-1, s))[..., 0]

    @cached_property
    @torch.no_grad()
    def logits(self) -> Tensor:
        """At the ends, (batch, d_vocab)."""
        layers, rows = self.model.config.n_layers, torch.arange(len(self.clean), device=self.device)
        stream = self.model(self.clean, stop_at_layer=layers)[rows, self.end]
        found: Tensor = self.model.unembed(self.model.ln_final(stream))
        return found

    @cached_property
    def difference(self) -> float:
        return float(self.metric(self.logits).mean())

    @cached_property
    @torch.no_grad()
    def direct(self) -> Tensor:
        """What each head writes towards the logit difference, (layer, head)."""
        return attribute_heads(self.model, self.clean, self.end, *self.names).mean(-1)

    @cached_property
    def by_path(self) -> Tensor:
        """How the logit difference changes when a head's direct path to the logits is corrupted, (layer, head)."""
        patched = path_patch(self.model, self.clean, self.abc, self.end, self.metric, True).mean(-1)
        return patched - self.difference

    @cached_property
    @torch.no_grad()
    def looks_at_io(self) -> Tensor:
        """Which heads look from the end at IO more than at either mention of S, (layer, head)."""
        names = [f"blocks.{layer}.attn.hook_pattern" for layer in range(self.model.config.n_layers)]
        cache = self.model.run_with_cache(self.clean, names)[1]
        rows = torch.arange(len(self.clean), device=self.device)
        places = {name: self.data.prompts.positions[name].to(self.device) for name in ("IO", "S1", "S2")}
        looks = {
            name: torch.stack([cache[layer][rows, :, self.end, at].mean(0) for layer in names])
            for name, at in places.items()
        }
        found: Tensor = (looks["IO"] > looks["S1"]) & (looks["IO"] > looks["S2"])
        return found

    @cached_property
    def movers(self) -> list[Head]:
        """Corrupt their direct path, and the logit difference falls; and they look at IO."""
        return self.listed((-self.by_path).where(self.looks_at_io, 0))

    @cached_property
    def negative(self) -> list[Head]:
        return self.listed(self.by_path)

    def through(self, receivers: list[Head], part: str) -> Tensor:
        """How the logit difference changes when only what receivers hear of a head by q, k or v is corrupted."""
        asked: list[Receiver] = [(*head, part) for head in receivers]
        patched = path_patch_through(self.model, self.clean, self.abc, self.end, self.metric, asked, True)
        return patched.mean(-1) - self.difference

    def listed(self, effect: Tensor) -> list[Head]:
        """The heads of the largest effects, (layer, head), of those that are at least LISTED of the difference."""
        heads = self.model.config.n_heads
        values, order = effect.flatten().sort(descending=True)
        least = LISTED * abs(self.difference)
        found = [int(at) for value, at in zip(values.tolist(), order, strict=True) if value > least]
        return [(at // heads, at % heads) for at in found[:MOST]]

    def shown(self, effect: Tensor, heads: list[Head]) -> str:
        """`9.9 (-1.62), 9.6 (-0.41)`."""
        return ", ".join(f"{layer}.{head} ({float(effect[layer, head]):+.2f})" for layer, head in heads) or "none"

    # ---- the rows

    def rows(self) -> Iterator[Row]:
        """All figures; each is measured when it is asked for."""
        yield from self._behaviour()
        yield from self._classes()
        yield from self._copying()
        yield from self._repair()
        yield from self._circuit()

    def _behaviour(self) -> Iterator[Row]:
        io, _ = self.names
        rows = torch.arange(len(io), device=self.device)
        p = self.logits.softmax(-1)[rows, io].mean()
        above = (self.metric(self.logits) > 0).float().mean()
        about = f"mean over {len(io)} prompts"
        yield Row("logit difference", "3.56", f"{self.difference:.2f}", about, "behaviour")
        yield Row("IO above S", "99.3 %", f"{100 * above:.1f} %", "share of the prompts", "behaviour")
        yield Row("probability of IO", "49 %", f"{100 * p:.0f} %", about, "behaviour")

    def _classes(self) -> Iterator[Row]:
        best = self.listed(self.direct)
        about = "what they write towards the logit difference"
        yield Row("direct effect", "9.9, 9.6, 10.0 (name movers)", self.shown(self.direct, best), about, "heads")
        about = "they look at IO; the change when their path to the logits alone is corrupted"
        yield Row("name movers, path", "9.9, 9.6, 10.0", self.shown(self.by_path, self.movers), about, "heads")
        rest = self.listed((-self.by_path).where(~self.looks_at_io, 0))
        about = "the same, of heads that look elsewhere"
        yield Row("others, path", "no class of the paper's", self.shown(self.by_path, rest), about, "heads")
        about = "the logit difference rises when their path to the logits alone is corrupted"
        yield Row("negative, path", "10.7, 11.10", self.shown(self.by_path, self.negative), about, "heads")
        if not self.movers:
            return
        effect = self.through(self.movers, "q")
        inhibitors = self.listed(-effect)
        about = "the change when what the name movers' queries hear of them is corrupted"
        yield Row("S-inhibition", "7.3, 7.9, 8.6, 8.10", self.shown(effect, inhibitors), about, "heads")
        if not inhibitors or max(layer for layer, _ in inhibitors) == 0:
            return
        told = {part: self.through(inhibitors, part) for part in "vk"}
        for part, name, paper in [
            ("v", "induction, duplicate token", "5.5, 6.9, 5.8, 5.9; 0.1, 3.0, 0.10"),
            ("k", "the same, by the keys", "not a path of the paper's"),
        ]:
            about = f"the change when what the S-inhibition heads' {part} hear of them is corrupted"
            yield Row(name, paper, self.shown(told[part], self.listed(-told[part])), about, "heads")
        readers = [head for head in self.listed(-told["v"]) + self.listed(-told["k"]) if head[0]]
        if readers:
            effect = self.through(list(dict.fromkeys(readers)), "k")
            about = "the change when what these heads' keys hear of them is corrupted"
            yield Row("previous token", "2.2, 4.11", self.shown(effect, self.listed(-effect)), about, "heads")

    @torch.no_grad()
    def _copying(self) -> Iterator[Row]:
        at = self.data.prompts.positions["IO"].to(self.device)
        for name, heads, negative, paper in [
            ("copy score, name movers", self.movers, False, "above 95 %"),
            ("copy score, negative", self.negative, True, "98 %, turned round"),
        ]:
            scores = name_mover_copying(self.model, self.clean, at, SAID, negative)
            shown = ", ".join(f"{layer}.{head} {100 * float(scores[layer, head]):.0f} %" for layer, head in heads)
            about = f"the name is among the {SAID} likeliest that the head would say of it"
            yield Row(name, paper, shown or "none", about, "heads")

    @torch.no_grad()
    def _repair(self) -> Iterator[Row]:
        if not self.movers:
            return
        layer, head = self.movers[0]
        name = f"blocks.{layer}.attn.hook_z"
        z = self.model.run_with_cache(self.abc, [name])[1][name][:, :, head]
        lost, moved = self_repair(self.model, self.clean, self.end, *self.names, (layer, head), z)
        own = float(moved[layer, head].mean())
        others = moved.mean(-1).clone()
        others[layer, head] = 0
        gains = self.listed(others * (1 if own < 0 else -1))
        about = f"{layer}.{head} as on other prompts: it writes {own:+.2f}, the logit difference moves by this"
        yield Row("self-repair", "others take over", f"{float(lost.mean()):+.2f}", about, "repair")
        about = "what other heads then write more, directly"
        paper = "9.0, 9.7, 10.1, 10.2, 10.6, 10.10, 11.2, 11.9"
        yield Row("backup", paper, self.shown(others, gains), about, "repair")

    def _circuit(self) -> Iterator[Row]:
        if self.reference is None:
            return
        bench = Bench(self.model, draw(self.model.tokenizer, self.size.each, self.seed), self.told)
        found = Judge(bench, self.seed, self.size).measure(self.reference, [])
        usual = next(iter(found.signed.values()))
        count = f"{len({node[:2] for node in self.reference})} heads, {found.size} nodes"
        yield Row(
            "circuit", "26 heads", count, "heads at places of the prompt, held-out names and templates", "circuit"
        )
        yield Row(
            "faithfulness, ratio", "87 %", f"{100 * usual:.0f} %", "mean of the circuit over the model's", "circuit"
        )
        about = "prompt by prompt, the worst of two metrics and two ablations"
        yield Row("faithfulness, F", "not measured", f"{found.value('F'):.2f}", about, "circuit")
        about = f"1 minus the mean c(K) of random K; the worst c(K) is {found.worst:.2f}"
        yield Row("completeness, I", "random K pass, greedy K fail", f"{found.value('I'):.2f}", about, "circuit")
        least = min((abs(each.effect) for each in found.members), default=0.0)
        about = f"members with an effect of at least 1 %; the smallest found is {100 * least:.1f} %"
        yield Row("minimality, Mn", "each at least 1 %", f"{100 * found.value('Mn'):.0f} %", about, "circuit")


def reproduce(model: GPT2, reference: frozenset[Node] | None, say: Callable[[Row], None], **settings: Any) -> list[Row]:
    """All rows, each told as soon as it is there."""
    found = []
    for row in Paper(model, reference, **settings).rows():
        say(row)
        found.append(row)
    return found
