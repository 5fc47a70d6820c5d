"""Finds exercises by id: `gpt2.layer_norm` is the `ask` of `headwork.checkers.gpt2.layer_norm`."""

import difflib
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

from headwork.chapters import course

if TYPE_CHECKING:  # importing these imports torch
    from headwork.checkers.exercise import Exercise
    from headwork.checkers.figure import Figure


class UnknownExercise(Exception):
    """No exercise has this id; the message offers the closest."""


class UnknownFigure(Exception):
    """No figure has this id; the message offers the closest."""


def ids(chapter: str | None = None) -> list[str]:
    """The ids of all exercises, or of one chapter's, in the order of the text. Imports no torch by itself."""
    chapters = [course.chapter(chapter)] if chapter else course.chapters()
    return [exercise.id for each in chapters for exercise in each.exercises]


@lru_cache
def exercise(id: str) -> "Exercise":
    """The exercise with this id. Imports torch. Raises UnknownExercise."""
    from headwork.checkers.exercise import Exercise

    if not _is_there(id):
        close = difflib.get_close_matches(id, ids(), n=1, cutoff=0.5)
        hint = f"did you mean `{close[0]}`?" if close else "`headwork status` lists them all."
        raise UnknownExercise(f"there is no exercise `{id}`; {hint}")
    ask = import_module(f"headwork.checkers.{id}").ask
    assert isinstance(ask, Exercise)
    ask.id = id
    return ask


def _is_there(id: str) -> bool:
    """Whether an exercise has this id; only its own chapter is read, where there is one."""
    try:
        return id in ids(id.partition(".")[0])
    except course.ChapterError:
        return id in ids()


def figure_ids() -> list[str]:
    """The ids of all figures, `gpt2.causal_mask`, in the order of the text."""
    return [f"{each.name}.{block.name}" for each in course.chapters() for block in each.figures]


@lru_cache
def figure(id: str) -> "Figure":
    """The figure with this id: an entry of FIGURES in its chapter's `figures.py`. Raises UnknownFigure."""
    known = figure_ids()
    if id not in known:
        close = difflib.get_close_matches(id, known, n=1, cutoff=0.5)
        raise UnknownFigure(f"there is no figure `{id}`; {f'did you mean `{close[0]}`?' if close else 'see the text.'}")
    chapter, name = id.split(".")
    found: Figure = import_module(f"headwork.checkers.{chapter}.figures").FIGURES[name]
    return found
