"""Finds cases that are too regular to show a mistake."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from headwork.checkers.exercise import Exercise
from headwork.checkers.probing import Case


def dull(exercise: Exercise, cases: list[Case]) -> list[str]:
    """A sentence for each way in which the cases of an exercise are alike, or trivial."""
    return [*_batches(exercise, cases), *_options(cases), *_trivial(cases)]


def _batches(exercise: Exercise, cases: list[Case]) -> Iterator[str]:
    sizes = {len(case.inputs[name]) for case in cases for name in exercise.batch[:1] if name in case.inputs}
    if sizes == {1}:
        yield "every case has a batch of one: code that mixes up a batch would pass. Add a larger batch."


def _options(cases: list[Case]) -> Iterator[str]:
    for name in dict.fromkeys(name for case in cases for name in case.inputs):
        values = [case.inputs[name] for case in cases if name in case.inputs]
        if len(values) > 1 and all(_is_option(value) and value == values[0] for value in values):
            yield f"`{name}` is {values[0]!r} in every case: code with that value written into it would pass. Vary it."


def _is_option(value: Any) -> bool:
    return isinstance(value, bool | int | float | str)


def _trivial(cases: list[Case]) -> Iterator[str]:
    for case in cases:
        for name, value in case.inputs.items():
            if isinstance(value, Tensor) and _all(value, 0):
                yield f"case {case.name!r}: `{name}` is all zero. Draw it from `rng`."
            if isinstance(value, dict):
                flat = [key for key, weight in value.items() if isinstance(weight, Tensor) and _uniform(weight)]
                yield from (
                    f"case {case.name!r}: `{name}[{key!r}]` is all 0 or all 1. Draw it with `weights`." for key in flat
                )


def _uniform(weight: Tensor) -> bool:
    return _all(weight, 0) or _all(weight, 1)


def _all(value: Tensor, number: int) -> bool:
    return value.is_floating_point() and value.numel() > 1 and bool((value == number).all())
