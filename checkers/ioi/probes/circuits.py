"""What is asked of answers in chapter `ioi`: circuits, and the numbers by which they are tried.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.ioi.probes.networks import marks, network
from headwork.checkers.probing import Answer, Case, Unfit, gradient


def mean_ablate_by_template(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    model = network(case)
    before = marks(model)
    prompts = case.tokens, case.template, case.end, case.abc, case.abc_template
    yield "logits", answer.mean_ablate_by_template(model, *prompts, case.kept)
    yield "the model is as it was", marks(model) == before


def faithfulness(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    def both(circuit: Tensor) -> tuple[Any, Any]:
        found = answer.faithfulness(circuit, case.whole, case.none)
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise Unfit("`faithfulness` returns no pair: it returns the usual ratios and F")
        return found[0], found[1]

    yield from zip(("usual", "F"), both(case.circuit), strict=True)
    yield "gradient", gradient(lambda circuit: both(circuit)[1], case.cotangent, circuit=case.circuit)


def completeness(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "c", answer.completeness(game(case), case.circuit, case.sets)


def minimality(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "shares", answer.minimality(game(case), case.circuit, case.sets)


def game(case: Case) -> Callable[[Tensor], Tensor]:
    """A network of nodes that answer together: `run(kept)` gives its metrics, (..., metric, prompt).

    The nodes are heard by hidden units, so that what one adds depends on which others work.
    """
    nodes = len(case.inward)

    def run(kept: Tensor) -> Tensor:
        if not isinstance(kept, Tensor) or kept.dtype != torch.bool or kept.shape[-1:] != (nodes,):
            found = f"{kept.dtype} {tuple(kept.shape)}" if isinstance(kept, Tensor) else type(kept).__name__
            raise Unfit(f"`run` is given {found}: it takes booleans, (..., {nodes})")
        hidden = (kept.to(case.inward.dtype) @ case.inward).tanh()  # (..., hidden)
        answers = torch.einsum("...h,hmp->...mp", hidden, case.outward) + case.always
        return answers.detach()

    return run
