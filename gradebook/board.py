"""Leaderboards: each learner's best claim of a kind that the judge lets stand there.

A claim is kept beside the learner's drafts, under a name of its own, such as `ioi.circuit (board house)`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from headwork.gradebook.store import Gradebook

Figures = dict[str, Any]


@dataclass(frozen=True)
class Standing:
    """One learner's claim on a board, and what was measured of it."""

    learner: str
    figures: Figures
    when: datetime


@dataclass(frozen=True)
class Board:
    """name: under which claims are kept. order: of a claim's figures, a key by which the best comes first."""

    name: str
    order: Callable[[Figures], tuple[float, ...]]

    def enter(self, gradebook: Gradebook, learner: str, figures: Figures) -> bool:
        """Puts a claim on the board unless the learner's last one is as good. Returns whether it was put there."""
        last = self.standing(gradebook, learner)
        if last and self.order(last.figures) <= self.order(figures):
            return False
        gradebook.save_draft(learner, self.name, json.dumps(figures))
        return True

    def standing(self, gradebook: Gradebook, learner: str) -> Standing | None:
        """The learner's claim on the board."""
        draft = gradebook.draft(learner, self.name)
        return Standing(learner, json.loads(draft.text), draft.updated) if draft else None

    def standings(self, gradebook: Gradebook) -> list[Standing]:
        """All learners' claims: the best first, then the earliest."""
        found = (self.standing(gradebook, learner) for learner in gradebook.learners())
        return sorted((each for each in found if each), key=lambda each: (*self.order(each.figures), each.when))


def circuits(model: str) -> Board:
    """The smallest circuits of a model: of one size the best."""
    return Board(f"ioi.circuit (board {model})", lambda figures: (figures["size"], -figures["score"]))


def enter_circuit(gradebook: Gradebook, learner: str, judged: dict[str, Any], circuit: dict[str, Any]) -> bool:
    """Puts a circuit on its model's board if it may stand there. judged: its score's JSON; circuit: its file's."""
    if not judged["on_the_board"]:
        return False
    figures = {"size": judged["circuit"]["size"], "score": judged["score"], "circuit": circuit}
    return circuits(str(judged["model"])).enter(gradebook, learner, figures)


def autoencoders(hook: str) -> Board:
    """The autoencoders of an activation of the house model whose descriptions are shortest beside ours."""
    return Board(f"sae.house_sae (board {hook})", lambda figures: (-figures["s"],))


def enter_autoencoder(gradebook: Gradebook, learner: str, judged: dict[str, Any]) -> bool:
    """Puts an autoencoder on its activation's board if it may stand there. judged: its score's JSON."""
    if not judged["on_the_board"]:
        return False
    figures = {name: judged[name] for name in ("s", "points", "latents", "l0", "added")}
    return autoencoders(str(judged["hook"])).enter(gradebook, learner, figures)
