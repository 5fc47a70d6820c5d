"""What an author declares in `checkers/CHAPTER/figures.py`: what a live figure asks of the learner's code, and on what.

A figure has a probe of its name with `_figure` behind it, and a chart of its id in `grading/render/charts.py`. A click
on a chart turns knobs where the chart has a `charts.pick` of their names, as a map of a model's heads does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Knob:
    """A number that the reader may turn, from `low` to `high`; `only_with` a choice of this value, where given."""

    name: str
    label: str
    low: float
    high: float
    step: float
    start: float
    only_with: str = ""

    @property
    def whole(self) -> bool:
        """Whether it is turned from one whole number to the next."""
        return all(float(each).is_integer() for each in (self.low, self.high, self.step, self.start))


@dataclass(frozen=True)
class Choice:
    """One of several words that the reader may choose; the first to start with."""

    name: str
    label: str
    options: tuple[str, ...]

    @property
    def start(self) -> str:
        return self.options[0]


@dataclass(frozen=True)
class Words:
    """A line of text that the reader may write."""

    name: str
    label: str
    start: str
    longest: int = 200


Control = Knob | Choice | Words


@dataclass(frozen=True)
class Figure:
    """A picture drawn from what the learner's own code returns.

    names: what it asks of the learner, which may depend on the settings. optional: what it uses where the learner
    has it. inputs: the probe's inputs, made of the settings, one for each of the `controls`. seconds: the limit.
    """

    names: tuple[str, ...] | Callable[..., tuple[str, ...]]
    inputs: Callable[..., dict[str, Any]]
    controls: tuple[Control, ...] = ()
    optional: tuple[str, ...] = ()
    seconds: float = 10

    def asked(self, settings: dict[str, Any]) -> tuple[str, ...]:
        """The names that it cannot do without."""
        return self.names if isinstance(self.names, tuple) else self.names(**settings)

    def settings(self, given: dict[str, Any]) -> dict[str, Any]:
        """A value for each control: the given one where there is one. Raises ValueError for one that cannot be."""
        unknown = given.keys() - {each.name for each in self.controls}
        if unknown:
            known = ", ".join(each.name for each in self.controls) or "none"
            raise ValueError(f"the figure has no setting {min(unknown)!r}: there are {known}")
        return {each.name: _within(each, given.get(each.name, each.start)) for each in self.controls}


def _within(control: Control, value: Any) -> Any:
    if isinstance(control, Words):
        if not isinstance(value, str) or len(value) > control.longest:
            raise ValueError(f"{control.name} is a text of at most {control.longest} letters")
    elif isinstance(control, Choice):
        if value not in control.options:
            raise ValueError(f"{control.name} is {value!r}: it is one of {', '.join(map(repr, control.options))}")
    elif not isinstance(value, (int, float)) or not control.low <= value <= control.high:
        raise ValueError(f"{control.name} is {value!r}: it lies between {control.low:g} and {control.high:g}")
    return value
