"""The leaderboard of circuits: the smallest one of each learner that the judge lets stand there.

It is kept beside the learner's drafts, under a name of its own, `ioi.circuit (board house)`.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from headwork.gradebook.store import Gradebook


@dataclass(frozen=True)
class Standing:
    """One learner's circuit on the board. circuit: the JSON of its file."""

    learner: str
    size: int
    score: float
    circuit: dict[str, Any]
    when: datetime


def enter(gradebook: Gradebook, learner: str, judged: dict[str, Any], circuit: dict[str, Any]) -> bool:
    """Puts a circuit on the board if it may stand there and is smaller than the learner's last, or better at its size.

    judged: the score's JSON, with `on_the_board`, `score` and the circuit's size. Returns whether it was put there.
    """
    model, size, score = str(judged["model"]), int(judged["circuit"]["size"]), float(judged["score"])
    if not judged["on_the_board"]:
        return False
    last = standing(gradebook, learner, model)
    if last and (last.size, -last.score) <= (size, -score):
        return False
    gradebook.save_draft(learner, _key(model), json.dumps({"size": size, "score": score, "circuit": circuit}))
    return True


def standing(gradebook: Gradebook, learner: str, model: str) -> Standing | None:
    """The learner's circuit on a model's board."""
    draft = gradebook.draft(learner, _key(model))
    if draft is None:
        return None
    kept = json.loads(draft.text)
    return Standing(learner, kept["size"], kept["score"], kept["circuit"], draft.updated)


def board(gradebook: Gradebook, model: str) -> list[Standing]:
    """All learners' circuits of a model: the smallest first, of one size the best, then the earliest."""
    found = (standing(gradebook, learner, model) for learner in gradebook.learners())
    return sorted((each for each in found if each), key=lambda each: (each.size, -each.score, each.when))


def _key(model: str) -> str:
    return f"ioi.circuit (board {model})"
