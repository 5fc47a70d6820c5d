"""What is asked of answers in chapter `ioi`: effects of edges, and which of them are left after pruning.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from headwork.checkers.ioi.probes.gradients import asked
from headwork.checkers.ioi.probes.networks import metric, network
from headwork.checkers.probing import Answer, Case, Unfit

if TYPE_CHECKING:
    from headwork.models.edges import Edge


def edge_attribution(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    from headwork.models.edges import every_edge

    edges = list(every_edge(network(case).config))
    yield from asked(answer.edge_attribution, case, lambda found: [("values", _in_a_row(found, edges, len(case.end)))])


def _in_a_row(found: Any, edges: "list[Edge]", batch: int) -> Tensor:
    """The values of all edges, (edge, batch)."""
    if not isinstance(found, dict):
        raise Unfit("`edge_attribution` returns no dict: it holds a tensor for each of `every_edge(model.config)`")
    for edge in edges:
        if edge not in found:
            raise Unfit(f"the dict has no {edge}: it holds a tensor for each of `every_edge(model.config)`")
        value = found[edge]
        if not isinstance(value, Tensor) or value.shape != (batch,):
            kind = (
                f"the shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"the type {type(value).__name__}"
            )
            raise Unfit(f"the value of {edge} has {kind}: it is a number for each prompt, ({batch},)")
    if more := set(found) - set(edges):
        raise Unfit(
            f"the dict holds {min(map(str, more))!r}, which is no edge: heads of one layer do not read each other"
        )
    return torch.stack([found[edge] for edge in edges])


def acdc(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield (
        "kept",
        answer.acdc(transformer(case) if "model" in case.inputs else made_up(case), case.edges, case.threshold),
    )


def checked(case: Case, loss: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """`run(kept)` for sets of edges, (..., receiver, sender)."""

    def run(kept: Tensor) -> Tensor:
        shape = tuple(case.edges.shape)
        if not isinstance(kept, Tensor) or kept.dtype != torch.bool or kept.shape[-2:] != shape:
            found = f"{kept.dtype} {tuple(kept.shape)}" if isinstance(kept, Tensor) else type(kept).__name__
            raise Unfit(f"`run` is given {found}: it takes booleans, (..., {shape[0]}, {shape[1]})")
        if (kept & ~case.edges).any():
            raise Unfit("`run` is asked to keep an edge that is not in `edges`: begin with `edges`, and leave out")
        return loss(kept.flatten(0, -3) if kept.dim() > 2 else kept[None]).reshape(kept.shape[:-2])

    return run


def made_up(case: Case) -> Callable[[Tensor], Tensor]:
    """A graph whose nodes each bend the sum of what they read. Where an edge is gone, another value is read."""

    def loss(kept: Tensor) -> Tensor:
        first = len(case.inputs_there)
        values = [each.expand(len(kept), -1) for each in case.inputs_there]  # (set, prompt) each
        for receiver, row in enumerate(case.weights):
            total = torch.zeros_like(values[0])
            for sender in range(first + receiver):
                read = torch.where(kept[:, receiver, sender, None], values[sender], case.elsewhere[sender])
                total = total + row[sender] * read
            values.append(total.tanh() if receiver < len(case.weights) - 1 else total)
        return ((values[-1] - case.target) ** 2).mean(-1) + case.slant * values[-1].mean(-1)

    return checked(case, loss)


def transformer(case: Case) -> Callable[[Tensor], Tensor]:
    """A network's edges, noised. The loss is minus the metric, or the divergence from the whole model's answers."""
    from headwork.models.edges import Graph, written

    model, rows = network(case), torch.arange(len(case.end), device=case.end.device)
    graph, measure = Graph(model, case.clean, written(model, case.corrupted)), metric(case)
    whole = model(case.clean)[rows, case.end].log_softmax(-1)  # (batch, d_vocab)

    def loss(kept: Tensor) -> Tensor:
        logits = graph.run(kept)[:, rows, case.end]  # (set, batch, d_vocab)
        if case.divergence:
            return (whole.exp() * (whole - logits.log_softmax(-1))).sum(-1).mean(-1)
        return -measure(logits).mean(-1)

    return checked(case, loss)
