"""What a model is measured by, and the part of its card that says so."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headwork.models.gpt2 import GPT2

FOLDER = Path(__file__).parent
CARDS = FOLDER.parent / "cards"
OTHERS = ("__init__", "measure")
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"


@dataclass(frozen=True)
class Measure:
    """One figure. `digits` is how many decimals are told: few enough for any machine to find the same."""

    name: str
    value: float
    bar: float | None = None  # what it has to reach, if anything
    unit: str = ""  # such as nats; "%" for a value between 0 and 1 that is shown as per cent
    passed: bool = True
    sentence: str = ""  # what was measured, for the card
    side: str = ""  # how the value must stand to the bar: at least, at most, above, below
    digits: int = 2

    @property
    def shown(self) -> str:
        """The value in words: `2.60 nats`."""
        return self._in_words(self.value)

    @property
    def needed(self) -> str:
        """The bar in words: `at least 2.00 nats`; nothing where there is none."""
        return "" if self.bar is None else f"{self.side} {self._in_words(self.bar)}".strip()

    def _in_words(self, number: float) -> str:
        if self.unit == "%":
            return f"{100 * number:.{self.digits}f} %"
        return f"{round(number, self.digits) + 0.0:.{self.digits}f} {self.unit}".strip()  # + 0.0: no -0.00


def figure(name: str, value: float, *, unit: str = "", sentence: str = "", digits: int = 2) -> Measure:
    """A figure that is told and has no bar."""
    return Measure(name, float(value), None, unit, True, sentence, "", digits)


def at_least(name: str, value: float, bar: float, *, unit: str = "", sentence: str = "", digits: int = 2) -> Measure:
    """Passed from the bar upwards; NaN never passes."""
    return Measure(name, float(value), bar, unit, bool(value >= bar), sentence, "at least", digits)


def at_most(name: str, value: float, bar: float, *, unit: str = "", sentence: str = "", digits: int = 2) -> Measure:
    """Passed up to the bar; NaN never passes."""
    return Measure(name, float(value), bar, unit, bool(value <= bar), sentence, "at most", digits)


def below(name: str, value: float, bar: float, *, unit: str = "", sentence: str = "", digits: int = 2) -> Measure:
    """Passed below the bar and not on it; NaN never passes."""
    return Measure(name, float(value), bar, unit, bool(value < bar), sentence, "below", digits)


def measured() -> list[str]:
    """The names of the models that have measures, without importing any."""
    return sorted(file.stem.replace("_", "-") for file in FOLDER.glob("*.py") if file.stem not in OTHERS)


def measure_of(name: str) -> Callable[[GPT2 | None], Iterator[Measure]]:
    """What measures the model of this name; a family of models has one measure, which gets None. Raises ValueError."""
    if name not in measured():
        raise ValueError(f"nothing measures {name!r}: there are measures of {', '.join(measured()) or 'none'}")
    found: Callable[[GPT2 | None], Iterator[Measure]]
    found = import_module(f"headwork.models.measure.{name.replace('-', '_')}").measure
    return found


def figures(measures: list[Measure]) -> str:
    """The figures as a Markdown table, for a card."""
    rows = ["| figure | measured | needed | what it is |", "| --- | --- | --- | --- |"]
    for each in measures:
        missed = "" if each.passed else " (not reached)"
        rows.append(f"| {each.name} | {each.shown} | {each.needed}{missed} | {each.sentence} |")
    return "\n".join(re.sub(r"  +", " ", row) for row in rows)


def card_file(name: str) -> Path:
    return CARDS / f"{name}.md"


def with_figures(card: str, measures: list[Measure]) -> str:
    """The card's text with these figures between its marks. Raises ValueError for a card without the marks."""
    before, begin, rest = card.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the card has no {BEGIN} and {END} for the figures to stand between")
    return f"{before}{BEGIN}\n{figures(measures)}\n{END}{after}"


def summary(name: str) -> str:
    """The first sentence of the model's card, below its title; of a family's member, what the family's table says."""
    file = card_file(name)
    if not file.is_file():
        family, _, member = name.partition("-")
        return _of_member(card_file(family), member)
    paragraphs = [part for part in file.read_text(encoding="utf-8").split("\n\n") if not part.startswith(("#", "<!--"))]
    sentence = re.split(r"(?<=[.!?])\s", " ".join(paragraphs[0].split()), maxsplit=1)[0] if paragraphs else ""
    return sentence.replace("`", "")


def _of_member(card: Path, member: str) -> str:
    """The second cell of the first row of the card's tables that is about `member`; nothing where there is none."""
    if not member or not card.is_file():
        return ""
    row = re.search(rf"^\| `{re.escape(member)}` \| ([^|]+?) \|", card.read_text(encoding="utf-8"), re.M)
    return f"{row[1][0].upper()}{row[1][1:]}.".replace("`", "") if row else ""
