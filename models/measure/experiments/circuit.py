"""Who does what in a model's answer to IOI: the heads of each role, found by what they do, and what each path carries.

The roles are those of Wang et al. 2022. No head is named beforehand: another seed has its roles in other heads.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from headwork.models.data.english.words import NAMES
from headwork.models.gpt2 import GPT2
from headwork.models.measure.experiments.bench import Answers, Bench, Head, Hooks
from headwork.models.measure.experiments.prompts import Prompts

SAYS = 0.12  # a name mover's share of what all heads together add to the name's logit
LOOKS = 0.15  # the attention that makes a head look at a place
READS = 0.25  # the attention to S2, or from S2 to S1, that gives a head its role


@dataclass
class Circuit:
    """A model's circuit on some prompts."""

    model: GPT2
    prompts: Prompts

    @cached_property
    def bench(self) -> Bench:
        return Bench(self.model, self.prompts)

    @cached_property
    def patterns(self) -> Tensor:
        return self.bench.patterns()

    @cached_property
    def without_s1(self) -> Tensor:
        """Attention when S1 is somebody else."""
        return self.bench.patterns(self.prompts.without_s1())

    def looks(self, query: Tensor, key: Tensor, patterns: Tensor | None = None) -> Tensor:
        """Attention between two places, (layer, head)."""
        return self.bench.attention(self.patterns if patterns is None else patterns, query, key)

    @cached_property
    def says_io(self) -> Tensor:
        """What each head adds to IO's logit at the end, (layer, head)."""
        return self.bench.said(self.prompts.receiver).mean(1)

    @cached_property
    def says_s(self) -> Tensor:
        return self.bench.said(self.prompts.subject).mean(1)

    @cached_property
    def name_movers(self) -> list[Head]:
        """They look at IO and say what they see; first the one that says it most."""
        share = self.says_io / self.says_io.clamp(min=0).sum()
        looks = self.looks(self.prompts.end, self.prompts.io)
        found = [head for head in self.bench.heads if share[head] > SAYS and looks[head] > LOOKS]
        return sorted(found, key=lambda head: -float(self.says_io[head]))

    @cached_property
    def sayers(self) -> list[Head]:
        """They add to the logits of both names that are there, IO's and S's, wherever they look."""
        least = SAYS / 2
        shares = [said / said.clamp(min=0).sum() for said in (self.says_io, self.says_s)]
        return [head for head in self.bench.heads if all(share[head] > least for share in shares)]

    @cached_property
    def readers(self) -> list[Head]:
        """They look, from the end, at S2."""
        looks = self.looks(self.prompts.end, self.prompts.s2)
        return [head for head in self.bench.heads if looks[head] > READS]

    @cached_property
    def inhibitors(self) -> list[Head]:
        """Readers of S2 below the name movers, whose queries they can move."""
        top = max((layer for layer, _ in self.name_movers), default=0)
        return [head for head in self.readers if head[0] < top and head not in self.name_movers]

    @cached_property
    def duplicates(self) -> list[Head]:
        """They look from S2 at S1, or at the token after it, and no longer when S1 is somebody else."""
        after = self.prompts.s1 + 1
        found = []
        for head in self.bench.heads:
            for key in (self.prompts.s1, after):
                here = self.looks(self.prompts.s2, key)[head]
                if here > READS and self.looks(self.prompts.s2, key, self.without_s1)[head] < 0.6 * here:
                    found.append(head)
        return list(dict.fromkeys(found))

    @cached_property
    def flipped(self) -> list[Tensor]:
        """What heads write when the other person gives."""
        return self.bench.outputs(self.prompts.flipped())

    @cached_property
    def gap(self) -> float:
        """How far the logit difference falls when the other person gives."""
        other = self.bench.answers(tokens=self.prompts.flipped())
        return float((self.bench.clean.difference - other.difference).mean())

    def share(self, answers: Answers) -> float:
        """How much of that gap an experiment makes."""
        return float((self.bench.clean.difference - answers.difference).mean()) / self.gap

    def query_path(self, senders: list[Head]) -> Hooks:
        """From these heads at the end to the name movers' queries, as if the other person gave."""
        return self.bench.path(senders, self.name_movers, "q", self.flipped, self.prompts.end)

    @cached_property
    def moved(self) -> Answers:
        """The answers with the inhibitors' path to the name movers' queries alone changed."""
        return self.bench.answers(self.query_path(self.inhibitors))

    def mover_attention(self, place: Tensor, hooks: Hooks | None = None, tokens: Tensor | None = None) -> float:
        """The name movers' mean attention from the end to a place."""
        patterns = self.patterns if not hooks and tokens is None else self.bench.patterns(tokens, hooks or [])
        looks = self.looks(self.prompts.end, place, patterns)
        return float(torch.stack([looks[head] for head in self.name_movers]).mean())

    def key_path(self, senders: list[Head]) -> Answers:
        """The answers when these heads at S2 say to the inhibitors' keys what they say where S1 is somebody else."""
        donor = self.bench.outputs(self.prompts.without_s1())
        return self.bench.answers(self.bench.path(senders, self.inhibitors, "k", donor, self.prompts.s2))

    def ablated(self, heads: list[Head]) -> Answers:
        return self.bench.answers(self.bench.ablated(heads))


def copying(model: GPT2, heads: list[Head], least: int = 5, *, sign: int = 1) -> float:
    """The share of names that are among the `least` likeliest tokens after a head alone has read them.

    The head reads the residual stream of `<|endoftext|> NAME`, and writes into an empty one. sign -1: the least likely.
    """
    assert model.tokenizer is not None
    names = torch.tensor([model.tokenizer.single_token(f" {name}") for name in NAMES])
    alone = torch.stack([torch.zeros_like(names), names], 1)  # (name, 2)
    found = []
    for layer, head in heads:
        block = model.blocks[layer]
        normalized = block.ln1(model(alone, stop_at_layer=layer)[:, 1])  # (name, d_model)
        written = (normalized @ block.attn.W_V[head] + block.attn.b_V[head]) @ block.attn.W_O[head]
        logits = sign * model.unembed(model.ln_final(written))  # (name, token)
        found.append((logits.topk(least).indices == names[:, None]).any(-1).float().mean())
    return float(torch.stack(found).mean()) if found else float("nan")
