"""What a network loses when something takes an activation's place, on texts drawn for it, and how sparse that is."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from headwork.checkers.sae.judge.data import Corpus, Told
from headwork.models.gpt2 import GPT2
from headwork.models.hooks import HookPoint

Replace = Callable[[Tensor, Tensor], tuple[Tensor, Tensor | None]]
# Given activations, (activation, d_model), and their tokens: what takes their place, and latents where there are any.


@dataclass(frozen=True)
class Reading:
    """Texts, and what the network computes of them."""

    tokens: Tensor  # (text, position)
    counts: Tensor  # (text, position): where something takes the activation's place
    stream: Tensor  # (text, position, d_model), before the hook's layer
    x: Tensor  # (text, position, d_model), the activation
    clean: float  # the sum of losses of the tokens that count


@dataclass
class Tally:
    """Sums over tokens for one thing that takes an activation's place."""

    loss: float = 0.0
    error: float = 0.0
    active: Tensor | None = None  # (latent,): for how many inputs each latent was active
    parts: list[float] = field(default_factory=list)  # of each reading, the loss added a token

    @property
    def l0(self) -> float:
        return float(self.active.sum()) if self.active is not None else 0.0


@dataclass(frozen=True)
class Figures:
    """What was measured of one thing that takes an activation's place. `added` in nats a token, with standard error."""

    added: float
    error: float  # of `added`
    fvu: float
    l0: float
    density: Tensor | None  # (latent,)

    @property
    def alive(self) -> float:
        """The share of latents that were ever active."""
        return float((self.density > 0).float().mean()) if self.density is not None else 0.0


class Bench:
    """A model's activation at a hook point, on a corpus."""

    def __init__(self, model: GPT2, hook: str):
        if hook not in model.hook_points:
            raise ValueError(f"there is no hook point {hook}")
        self.model, self.hook = model, hook
        self.layer = int(hook.split(".")[1]) if hook.startswith("blocks.") else 0
        self.device = next(model.parameters()).device

    @torch.no_grad()
    def activations(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The stream before the hook's layer, and the activation with heads side by side: (text, position, ...)."""
        stream = self.model(tokens, stop_at_layer=self.layer)
        stop = self.layer + 1
        _, cache = self.model.run_with_cache(stream, self.hook, start_at_layer=self.layer, stop_at_layer=stop)
        return stream, cache[self.hook].flatten(2)

    def sample(self, corpus: Corpus, count: int) -> tuple[Tensor, Tensor]:
        """Activations that count, (activation, d_model), and their tokens, at least so many."""
        found, which, index, total = [], [], 0, 0
        while total < count:
            tokens, counts = self._read(corpus, index)
            index += 1
            found.append(self.activations(tokens)[1][counts])
            which.append(tokens[counts])
            total += len(which[-1])
        return torch.cat(found), torch.cat(which)

    def _read(self, corpus: Corpus, index: int) -> tuple[Tensor, Tensor]:
        read = corpus(index)
        assert read is not None, "a corpus for judging has no end"
        return read[0].to(self.device), read[1].to(self.device)

    @torch.no_grad()
    def readings(self, corpus: Corpus, tokens: int) -> Iterator[Reading]:
        """Texts with at least so many tokens that count."""
        index = total = 0
        while total < tokens:
            read, counts = self._read(corpus, index)
            stream, x = self.activations(read)
            yield Reading(read, counts, stream, x, self._loss(stream, read, counts, None))
            index, total = index + 1, total + int(counts.sum())

    @torch.no_grad()
    def measure(
        self, replaced: dict[str, Replace], readings: Iterable[Reading], told: Told = lambda count: None
    ) -> tuple[float, int, dict[str, Figures]]:
        """The network's own loss, how many tokens were read, and the figures of each thing, by name."""
        tallies = {name: Tally() for name in replaced}
        clean_sum, total, squares, sums = 0.0, 0, 0.0, torch.zeros(())
        for each in readings:
            chosen = each.x[each.counts]  # (activation, d_model)
            clean_sum, total = clean_sum + each.clean, total + len(chosen)
            squares += float(chosen.double().square().sum())
            sums = sums.to(chosen.device) + chosen.double().sum(0)
            for name, replace in replaced.items():
                self._count(tallies[name], replace, each, chosen)
            told(len(chosen))
        variance = squares - float(sums.square().sum()) / total
        return (
            clean_sum / total,
            total,
            {name: _figures(each, clean_sum, total, variance) for name, each in tallies.items()},
        )

    def _count(self, tally: Tally, replace: Replace, reading: Reading, chosen: Tensor) -> None:
        """Adds what one thing loses in one reading to its sums."""
        made, latents = replace(chosen, reading.tokens[reading.counts])
        whole = reading.x.clone()
        whole[reading.counts] = made.to(whole)
        lost = self._loss(reading.stream, reading.tokens, reading.counts, whole)
        tally.loss += lost
        tally.error += float((chosen - made).double().square().sum())
        tally.parts.append((lost - reading.clean) / len(chosen))
        if latents is not None:
            active = (latents > 0).sum(0)
            tally.active = active if tally.active is None else tally.active + active

    def _loss(self, stream: Tensor, tokens: Tensor, counts: Tensor, whole: Tensor | None) -> float:
        """The sum of losses of the tokens that count, with `whole` in the activation's place."""

        def hook(value: Tensor, point: HookPoint) -> Tensor | None:
            return None if whole is None else whole.reshape(value.shape)

        logits = self.model.run_with_hooks(stream, [(self.hook, hook)], start_at_layer=self.layer)
        wanted = counts[:, 1:]
        return float(F.cross_entropy(logits[:, :-1][wanted], tokens[:, 1:][wanted], reduction="sum"))


def _figures(tally: Tally, clean: float, total: int, variance: float) -> Figures:
    parts = torch.tensor(tally.parts)
    spread = float(parts.std()) / len(parts) ** 0.5 if len(parts) > 1 else float("nan")
    density = tally.active / total if tally.active is not None else None
    return Figures((tally.loss - clean) / total, spread, tally.error / variance, tally.l0 / total, density)


def per_token_mean(x: Tensor, tokens: Tensor, vocabulary: int) -> Replace:
    """What is known of an activation from its token alone: the mean over a sample; of strange tokens that of all."""
    count = torch.bincount(tokens, minlength=vocabulary)[:, None]
    total = torch.zeros(vocabulary, x.shape[1], dtype=x.dtype, device=x.device).index_add_(0, tokens, x)
    means = torch.where(count > 0, total / count.clamp(min=1), x.mean(0))
    return lambda each, which: (means[which], None)


def principal_components(x: Tensor, count: int) -> Replace:
    """The `count` directions in which a sample varies most: as many numbers as an autoencoder has active latents."""
    centre = x.mean(0)
    directions = torch.linalg.eigh((x - centre).double().T @ (x - centre).double())[1][:, x.shape[1] - count :].to(x)
    return lambda each, which: ((each - centre) @ directions @ directions.T + centre, None)
