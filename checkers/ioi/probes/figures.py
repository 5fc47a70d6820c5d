"""What the live figures of chapter `ioi` ask of the learner's code.

Learners' processes hold this file: it contains no answer.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from headwork.checkers.ioi.probes.networks import network
from headwork.checkers.probing import Answer, Case, Unfit


def patch_map_figure(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    """What each head's patch brings back of the logit difference, (layer, head): 0 as corrupted, 1 as clean."""
    model = network(case)
    rows = torch.arange(len(case.end))

    def metric(logits: Tensor) -> Tensor:
        return logits[..., rows, case.correct] - logits[..., rows, case.wrong]

    ends = [metric(model(tokens)[rows, case.end]).mean() for tokens in (case.corrupted, case.clean)]
    asked = model, case.clean, case.corrupted, case.end, metric
    patched = answer.patch_heads(*asked) if case.part == "z" else answer.patch_head_inputs(*asked, case.part)
    if not isinstance(patched, Tensor) or patched.dim() != 3:
        raise Unfit("your sweep gives no tensor of shape (layer, head, batch)")
    yield "scores", (patched.mean(-1) - ends[0]) / (ends[1] - ends[0])
