"""What is asked of answers in chapter `sae`: a store of activations, and an autoencoder's training.

Learners' processes hold this file: it contains no answer.
"""

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from headwork.checkers.probing import Answer, Case, Unfit, digest

if TYPE_CHECKING:
    from headwork.models import GPT2

MOST = 1000  # batches after which a store is taken to have no end


def network(case: Case) -> "GPT2":
    """The case's model, made anew."""
    from headwork.models.config import Config
    from headwork.models.gpt2 import GPT2

    with torch.device("meta"):
        model = GPT2(Config(**case.model["config"]))
    state = case.model["state"]
    sample = next(iter(state.values()))
    model.to(sample.dtype).to_empty(device=sample.device)
    model.load_state_dict({key: tensor.clone() for key, tensor in state.items()})
    return model.eval()


class Reading:
    """Gives the case's readings, and notes what is asked for and how many activations have been read by then."""

    def __init__(self, case: Case):
        self.readings = list(zip(case.tokens, case.counts, strict=True))
        self.asked: list[int] = []
        self.activations = 0

    def __call__(self, index: int) -> tuple[Tensor, Tensor] | None:
        self.asked.append(int(index))
        if len(self.asked) > len(self.readings) + 50:
            raise Unfit(f"`read` was called {len(self.asked)} times, with {index} at last: after None there is no more")
        if index >= len(self.readings):
            return None
        tokens, counts = self.readings[index]
        self.activations += int(counts.sum())
        return tokens.clone(), counts.clone()


def activation_store(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """The whole corpus; the same seed, another, and a store that goes on where another one stopped."""
    model = network(case)
    batches, reading, ahead, drawn = _served(answer, case, model, case.seed)
    most, least = ahead
    yield "given", batches
    yield "in which order", batches
    yield "batches", batches
    yield "asked", reading.asked
    yield "ahead", most
    yield "held", least
    yield "again", _served(answer, case, model, case.seed)[0]
    other = _served(answer, case, model, case.seed + 1)[0]
    yield "other seed is other", not _alike(batches, other)
    yield "draws from elsewhere", drawn
    yield "gradient", any(batch.requires_grad for batch in batches)
    first = Reading(case)
    store = _store(answer, case, model, first, case.seed)
    for _ in range(case.stop):
        next(store)
    state = store.state()
    kept, asked = digest(state), list(first.asked)
    if case.stop < len(batches):
        next(store)  # what the first store does from here on is not to change the state that it gave
    yield "state changed", kept != digest(state)
    yield "state", [_numbers(state)]
    second = Reading(case)
    resumed = _store(answer, case, model, second, case.seed + 2)
    resumed.load(copy.deepcopy(state))
    yield "resumed", batches[: case.stop] + _all(resumed)
    yield "asked again", [index for index in second.asked if index in asked and index < len(second.readings)]


def _store(answer: Answer, case: Case, model: "GPT2", reading: Reading, seed: int) -> Any:
    return answer.ActivationStore(model, case.hook, reading, case.batch, case.capacity, seed)


Ahead = tuple[int, int | None]  # at most and, before the corpus has ended, at least; None if it ends at once


def _served(answer: Answer, case: Case, model: "GPT2", seed: int) -> tuple[list[Tensor], Reading, Ahead, bool]:
    """All batches, by how many activations reading was ahead of each, and whether others' random numbers were drawn."""
    reading, before = Reading(case), torch.get_rng_state()
    store = _store(answer, case, model, reading, seed)
    batches, most, least, given = [], 0, list[int](), 0
    for batch in store:
        if not isinstance(batch, Tensor) or batch.dim() != 2:
            shape = tuple(batch.shape) if isinstance(batch, Tensor) else type(batch).__name__
            raise Unfit(f"a batch is {shape}: it has to be (batch, d_model)")
        ahead = reading.activations - given  # this batch is among these
        most = max(most, ahead)
        if max(reading.asked, default=0) < len(case.tokens) - 1:
            least.append(ahead)
        batches.append(batch)
        given += len(batch)
        if len(batches) > MOST:
            raise Unfit(f"the store has given {MOST} batches and does not end: raise StopIteration after the last")
    return batches, reading, (most, min(least, default=None)), not torch.equal(before, torch.get_rng_state())


def _all(store: Any) -> list[Tensor]:
    found = []
    for batch in store:
        found.append(batch)
        if len(found) > MOST:
            raise Unfit("a store that was loaded does not end")
    return found


def _alike(ours: list[Tensor], others: list[Tensor]) -> bool:
    return len(ours) == len(others) and all(
        a.shape == b.shape and bool((a == b).all()) for a, b in zip(ours, others, strict=True)
    )


def _numbers(value: Any) -> int:
    """How many bytes of tensors a state holds."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        return sum(map(_numbers, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_numbers, value))
    return 8
