"""What the live figures of chapter `sae` ask of the learner's code.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.probing import Answer, Case, generator


def toy_geometry_figure(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """The directions, (shown, model, feature, d_hidden), looked at whenever the learner's training asks for inputs."""
    source = generator(case.seed)
    torch.manual_seed(case.seed)
    model = answer.ToyModel(case.models, case.features, case.d_hidden)
    seen: list[Tensor] = []

    def make_batch(step: int) -> Tensor:
        if step in case.shown:
            seen.append(model.W.detach().clone())
        count = case.models * case.count
        x = answer.feature_batch(count, case.features, case.probability, case.relation, source)
        found: Tensor = x.reshape(case.models, case.count, case.features)
        return found

    importance = torch.ones(case.models, case.features)
    answer.train_toy(model, make_batch, importance, case.shown[-1], 0.02)
    yield "directions", torch.stack([*seen, model.W.detach()])
