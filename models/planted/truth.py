"""What is known of a planted model: its prompts, its metric, and the edges that its answer runs through.

Nodes and edges are those of `headwork.models.edges`.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from headwork.models.edges import Edge, nodes
from headwork.models.gpt2 import GPT2

# noise: in a run on the clean prompt, the receiver gets what the sender wrote on the corrupted one. denoise: the other
# way round. cut: in a run on the clean prompt, the receiver gets nothing from the sender. All else is computed anew.
How = Literal["noise", "denoise", "cut"]
Edges = frozenset[Edge]


class Joint(NamedTuple):
    """Edges that are replaced at once, and where that puts the mean metric: clean prompts have 1, corrupted ones 0."""

    edges: Edges
    how: How
    metric: float  # within 0.1; exact where it says 0 or 1


@dataclass(frozen=True, eq=False)
class Planted:
    """A model whose circuit is known, with prompts to find it by. Everything is in float64 and on the CPU."""

    name: str
    seed: int
    task: str
    model: GPT2
    clean: Tensor  # (batch, position)
    corrupted: Tensor  # (batch, position), aligned with the clean prompts
    answers: Tensor  # (batch, 2), the tokens that follow the clean and the corrupted prompt
    roles: dict[str, str]  # what each node does that the answer needs; every other head and MLP has no effect
    edges: Edges  # the circuit; all other edges replaced at once, in whichever way, change nothing
    noised: Edges  # those that change the metric alone, by noise
    denoised: Edges  # ... by denoising
    cut: Edges | None  # ... by a cut; None where the truth holds for noise and denoising only
    joint: tuple[Joint, ...] = ()
    decoys: tuple[str, ...] = ()  # heads that look like one of the circuit, and have no effect
    no_gradient: Edges = frozenset()  # changes of the metric that its gradient does not show

    def metric(self, logits: Tensor) -> Tensor:
        """The clean answer's logit above the corrupted one's at the end, (batch,), of (batch, position, d_vocab)."""
        last = logits[:, -1].gather(1, self.answers.to(logits.device))  # (batch, 2)
        return last[:, 0] - last[:, 1]

    @property
    def idle(self) -> list[str]:
        """The nodes without effect: heads and MLPs of which no edge is true."""
        return [node for node in nodes(self.model.config) if node not in self.roles and node not in ("embed", "pos")]


def tokens_of(rows: list[list[int]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.long)
