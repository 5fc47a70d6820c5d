"""Finds exercises by id: `gpt2.layer_norm` is the `ask` of `headwork.checkers.gpt2.layer_norm`."""

import difflib
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

from headwork.chapters import course

if TYPE_CHECKING:  # importing it imports torch
    from headwork.checkers.exercise import Exercise


class UnknownExercise(Exception):
    """No exercise has this id; the message offers the closest."""


def ids(chapter: str | None = None) -> list[str]:
    """The ids of all exercises, or of one chapter's, in the order of the text. Imports no torch by itself."""
    chapters = [course.chapter(chapter)] if chapter else course.chapters()
    return [exercise.id for each in chapters for exercise in each.exercises]


@lru_cache
def exercise(id: str) -> "Exercise":
    """The exercise with this id. Imports torch. Raises UnknownExercise."""
    from headwork.checkers.exercise import Exercise

    known = ids()
    if id not in known:
        close = difflib.get_close_matches(id, known, n=1, cutoff=0.5)
        hint = f"did you mean `{close[0]}`?" if close else "`headwork status` lists them all."
        raise UnknownExercise(f"there is no exercise `{id}`; {hint}")
    ask = import_module(f"headwork.checkers.{id}").ask
    assert isinstance(ask, Exercise)
    ask.id = id
    return ask
