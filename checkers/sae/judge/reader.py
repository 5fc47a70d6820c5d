"""What the latents of a shipped autoencoder do on fresh texts: how often they are active, where, and to what effect."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from headwork.checkers.sae.judge.bench import Bench
from headwork.checkers.sae.judge.data import Corpus
from headwork.checkers.sae.judge.file import Autoencoder, parsed
from headwork.models import zoo
from headwork.models.dictionaries import load_autoencoder
from headwork.models.gpt2 import GPT2
from headwork.models.hooks import HookPoint
from headwork.solutions.sae.contexts import latent_logits, top_contexts

DEPTHS = [0.0, 0.25, 0.5, 0.75, 1.0]  # from the strongest of a latent's places to the weakest
COUNT, RADIUS = 3, 8  # places at each depth; tokens before and after one
READINGS = 8  # of 64 texts each
CONTROLS, ABLATED = 8, 32  # random directions; texts in which a latent is ablated


@dataclass(frozen=True)
class Context:
    """A place where a latent is active, with the text around it: what the latent is at each token, and which is it."""

    words: list[str]
    activity: list[float]
    at: int


@dataclass(frozen=True)
class Effect:
    """Kullback-Leibler divergences from the unchanged predictions where a latent is active, in nats."""

    ablated: float
    at_random: list[float]


class Reader:
    """One autoencoder of the house model, on texts drawn by a seed."""

    def __init__(self, hook: str, k: int, seed: int = 0):
        self.model: GPT2 = zoo.load("house").requires_grad_(False)
        self.sae: Autoencoder = parsed(load_autoencoder(hook, k))
        self.bench = Bench(self.model, hook)
        assert self.model.tokenizer is not None
        self.tokenizer = self.model.tokenizer
        corpus = Corpus(self.tokenizer, self.model.config.n_ctx, f"reading {seed}", READINGS)
        self._read([read for index in range(READINGS) if (read := corpus(index)) is not None])

    def _read(self, readings: list[tuple[Tensor, Tensor]]) -> None:
        longest = max(tokens.shape[1] for tokens, _ in readings)

        def wide(x: Tensor) -> Tensor:
            return F.pad(x, (0, longest - x.shape[1]))

        self.tokens = torch.cat([wide(tokens) for tokens, _ in readings])  # (text, position)
        self.counts = torch.cat([wide(counts) for _, counts in readings])  # (text, position), where there is text
        chosen = [self.bench.activations(tokens)[1][counts] for tokens, counts in readings]
        self.latents = torch.cat([self.sae.encode(each) for each in chosen]).to_sparse()  # (place, latent)

    @cached_property
    def density(self) -> Tensor:
        """For which share of tokens each latent is active, (latent,)."""
        active = torch.bincount(self.latents.indices()[1], minlength=self.sae.latents)
        return active / len(self.latents)

    def activity(self, latent: int) -> Tensor:
        """What the latent is at each token, (text, position); 0 where there is no text."""
        found = torch.zeros(self.tokens.shape)
        found[self.counts] = self.latents.index_select(1, torch.tensor([latent])).to_dense()[:, 0]
        return found

    def contexts(self, latent: int) -> list[list[Context]]:
        """Some of the latent's places at each of `DEPTHS`; none for one that is never active."""
        activity = self.activity(latent)
        if not bool((activity > 0).any()):
            return []
        shown = torch.where(self.counts, self.tokens, -1)
        shown[:, 0] = self.tokenizer.bos
        found = top_contexts(activity, shown, DEPTHS, COUNT, RADIUS)
        return [
            [self._context(*each) for each in zip(*rows, strict=True)]
            for rows in zip(found["tokens"].tolist(), found["activity"].tolist(), strict=True)
        ]

    def _context(self, tokens: list[int], activity: list[float]) -> Context:
        there = [place for place, token in enumerate(tokens) if token >= 0]
        words = [self.tokenizer.decode([tokens[place]]) for place in there]
        return Context(words, [activity[place] for place in there], there.index(RADIUS))

    @cached_property
    def effects(self) -> Tensor:
        """By how much one unit of each latent moves each token's logit, (latent, vocab), the norm's scale given."""
        with torch.no_grad():
            residual = self.model(self.tokens[:ABLATED], stop_at_layer=self.model.config.n_layers)
            return latent_logits(self.model, self.sae.W_dec, residual[self.counts[:ABLATED]][None])

    def logits(self, latent: int, count: int = 8) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        """The tokens that the latent speaks for most and against most; those that are parts of letters are left out."""
        row = self.effects[latent]
        named = [(self.words[token], float(row[token])) for token in row.argsort(descending=True).tolist()]
        whole = [each for each in named if "\ufffd" not in each[0]]
        return whole[:count], whole[: -count - 1 : -1]

    @cached_property
    def words(self) -> list[str]:
        return [self.tokenizer.decode([token]) for token in range(self.model.config.d_vocab)]

    def neighbours(self, latent: int, count: int = 6) -> list[tuple[int, float]]:
        """The latents whose directions are most alike, with the cosines."""
        rows = F.normalize(self.sae.W_dec, dim=-1)
        cosines = rows @ rows[latent]
        cosines[latent] = -1
        return [(int(each), float(cosines[each])) for each in cosines.topk(count).indices]

    @torch.no_grad()
    def effect(self, latent: int) -> Effect | None:
        """What it does to take the latent out where it is active, and to take out as much of a random direction."""
        activity = self.activity(latent)
        where = (activity > 0).any(1).nonzero().flatten()[:ABLATED]
        if not len(where):
            return None
        tokens, activity = self.tokens[where], activity[where]
        rows = torch.randn(CONTROLS, self.sae.d_model, generator=torch.Generator().manual_seed(latent))
        rows = rows / rows.norm(dim=-1, keepdim=True) * self.sae.W_dec[latent].norm()
        clean = self._log_probabilities(tokens, lambda x: x)

        def divergence(direction: Tensor) -> float:
            found = self._log_probabilities(tokens, lambda x: x - activity[..., None] * direction)
            each = (clean.exp() * (clean - found)).sum(-1)  # (text, position)
            return float(each[activity > 0].mean())

        return Effect(divergence(self.sae.W_dec[latent]), [divergence(row) for row in rows])

    def _log_probabilities(self, tokens: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
        def hook(value: Tensor, point: HookPoint) -> Tensor:
            return change(value.flatten(2)).reshape(value.shape)

        return self.model.run_with_hooks(tokens, [(self.bench.hook, hook)]).log_softmax(-1)
