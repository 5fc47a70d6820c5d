"""The kinds of checks. A check says which yielded value is graded and how; `headwork.grading` does the judging."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from headwork.checkers.probing import Case

_EXPERIMENT = threading.RLock()


@dataclass(frozen=True)
class Check:
    """One graded property of what a probe yields. `title` is what the learner reads, `weight` its share."""

    name: str
    title: str
    weight: float = 1


@dataclass(frozen=True)
class Equal(Check):
    """The value equals the reference's. Where `ways` names further values, one that agrees is enough in each case."""

    ways: tuple[str, ...] = ()


@dataclass(frozen=True)
class Same(Check):
    """The value equals another value of the same implementation, exactly."""

    as_: str = ""


@dataclass(frozen=True)
class DrawnFrom(Check):
    """The value holds random draws from a known law.

    `law(case)` gives the exact probabilities, (row, outcome); the value is a tensor of outcomes whose length is a
    multiple of the rows, all draws of the first row first.
    """

    law: Callable[[Case], Tensor] = lambda case: case.law


@dataclass(frozen=True)
class Stable(Check):
    """In float32 the value is about as exact as the reference's, on the cases named in `on`."""

    on: tuple[str, ...] = ()


@dataclass(frozen=True)
class Satisfies(Check):
    """`flaw(value, case)` finds nothing wrong with the value: it returns '' or the sentence that says what is."""

    flaw: Callable[[Any, Case], str] = lambda value, case: ""


@dataclass(frozen=True)
class Claim(Satisfies):
    """A claim about a model, judged by experiment. Two claims do the same when the same is wrong with them.

    `apart(one, other)`: whether that need not be tried, since the same cannot be wrong with both.
    """

    apart: Callable[[Any, Any], bool] = lambda one, other: False


def equal(name: str, *ways: str, title: str, weight: float = 1) -> Equal:
    """The value `name` (or, in each case, one of the `ways`) equals the reference's."""
    return Equal(name, title, weight, ways)


def same(name: str, *, as_: str, title: str, weight: float = 1) -> Same:
    """The value `name` equals the value `as_` of the same implementation exactly."""
    return Same(name, title, weight, as_)


def drawn_from(name: str, *, law: Callable[[Case], Tensor], title: str, weight: float = 1) -> DrawnFrom:
    """The draws `name` follow `law(case)`; a right answer fails less than once in a thousand million runs."""
    return DrawnFrom(name, title, weight, law)


def stable(name: str, *, on: Sequence[str], title: str, weight: float = 1) -> Stable:
    """The value `name` keeps its precision in float32 on the cases `on`."""
    return Stable(name, title, weight, tuple(on))


def satisfies(name: str, flaw: Callable[[Any, Case], str], *, title: str, weight: float = 1) -> Satisfies:
    """`flaw(value, case)` returns '' for the value `name`, or the sentence that says what is wrong."""
    return Satisfies(name, title, weight, flaw)


def claim(
    name: str,
    flaw: Callable[[Any, Case], str],
    *,
    title: str,
    weight: float = 1,
    apart: Callable[[Any, Any], bool] = lambda one, other: False,
) -> Claim:
    """`flaw(value, case)` tries the claim `name` by experiment: it returns '' or the sentence that says what fails.

    Experiments share models, and hooks on one model are seen by whoever runs it: one experiment at a time.
    """

    def alone(value: Any, case: Case) -> str:
        with _EXPERIMENT:
            return flaw(value, case)

    return Claim(name, title, weight, alone, apart)


def at_most(name: str, bound: str, *, title: str, weight: float = 1) -> Satisfies:
    """The number `name` is at most the case's input `bound`."""

    def flaw(value: Any, case: Case) -> str:
        limit = getattr(case, bound)
        number = value.item() if isinstance(value, Tensor) and value.numel() == 1 else value
        if not isinstance(number, (int, float)):
            return f"`{name}` is not a number"
        return "" if number <= limit else f"`{name}` is {number:.4g}, the bar is {limit:.4g}"

    return Satisfies(name, title, weight, flaw)
