"""Chapter `sae`: activations of a network, as a stream of shuffled batches."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.models import GPT2

Read = Callable[[int], tuple[Tensor, Tensor] | None]


class ActivationStore:
    """Batches of a network's activations on a corpus, each activation once, those of a text far apart.

    model: a GPT-2. hook: the name of an activation in a block; one with an axis for heads is given out with heads side
    by side. read: called with 0, 1, 2, ..., gives tokens and which positions count, both (text, position), and None at
    the end. capacity: with so many activations held, nothing more is read. The same seed gives the same batches.
    """

    def __init__(self, model: GPT2, hook: str, read: Read, batch: int, capacity: int, seed: int):
        self.model, self.hook, self.read = model, hook, read
        self.batch, self.capacity = batch, capacity
        self.generator = torch.Generator().manual_seed(seed)
        self.held: Tensor | None = None  # (activation, d_model), shuffled, not yet given out
        self.next = 0  # what is read next
        self.ended = False

    def __iter__(self) -> Iterator[Tensor]:
        return self

    @torch.no_grad()
    def __next__(self) -> Tensor:
        """A batch, (batch, d_model); the last one may be smaller. Raises StopIteration when all have been given."""
        ### BEGIN SOLUTION
        parts = [] if self.held is None else [self.held]
        count = sum(map(len, parts))
        if not self.ended and count < self.batch + self.capacity // 2:
            stop = int(self.hook.split(".")[1]) + 1  # blocks after the hook's need not be run
            while count < self.capacity and not self.ended:
                read = self.read(self.next)
                if read is None:
                    self.ended = True
                    break
                tokens, counts = read
                _, cache = self.model.run_with_cache(tokens, self.hook, stop_at_layer=stop)
                parts.append(cache[self.hook].flatten(2)[counts])  # heads are put side by side
                count += len(parts[-1])
                self.next += 1
            held = torch.cat(parts)
            self.held = held[torch.randperm(len(held), generator=self.generator).to(held.device)]
        if self.held is None or not len(self.held):
            raise StopIteration
        given, self.held = self.held[: self.batch], self.held[self.batch :]
        return given.clone()  # not a view: it would keep all that was held alive
        ### END SOLUTION

    def state(self) -> dict[str, Any]:
        """What another store needs to go on from here: tensors, numbers and booleans, by name."""
        ### BEGIN SOLUTION
        held = self.held.clone() if self.held is not None else None
        return {"held": held, "next": self.next, "ended": self.ended, "generator": self.generator.get_state()}
        ### END SOLUTION

    def load(self, state: dict[str, Any]) -> None:
        """Goes on where the store was whose state this is."""
        ### BEGIN SOLUTION
        self.held = state["held"].clone() if state["held"] is not None else None
        self.next, self.ended = state["next"], state["ended"]
        self.generator.set_state(state["generator"])
        ### END SOLUTION
