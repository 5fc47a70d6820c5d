"""What `headwork verify` found, and how it is shown."""

from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from headwork.authoring.margin import Margin
from headwork.authoring.mutate import Survey


@dataclass
class Tally:
    """How many of a kind got their due."""

    good: int = 0
    of: int = 0

    @property
    def text(self) -> str:
        return f"{self.good}/{self.of}" if self.good == self.of else f"[red]{self.good}/{self.of}[/]"

    @property
    def word(self) -> str:
        return "ok" if self.of and self.good == self.of else "[red]no[/]" if self.of else "-"


@dataclass
class Verified:
    """What was found about one exercise. Each problem and each warning is a paragraph that says what to do."""

    id: str
    reference: Tally = field(default_factory=Tally)
    stubs: Tally = field(default_factory=Tally)
    mistakes: Tally = field(default_factory=Tally)
    alternatives: Tally = field(default_factory=Tally)
    margin: Margin | None = None
    mutants: Survey | None = None
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.problems


def show(results: list[Verified], console: Console) -> None:
    """A table with a row an exercise, then the margins, then the warnings, then the problems."""
    console.print(_table(results))
    for result in results:
        if result.margin:
            console.print(f"[bold]{result.id}[/]: {escape(result.margin.text)}", highlight=False, soft_wrap=True)
    for word, colour in (("warning", "yellow"), ("problem", "red")):
        for result in results:
            for paragraph in result.warnings if word == "warning" else result.problems:
                head = f"\n[bold]{result.id}[/], [{colour}]{word}[/]: "
                console.print(head + escape(paragraph), highlight=False, soft_wrap=True)
    bad = sum(not result.good for result in results)
    said = f"{bad} of {len(results)} exercises need mending." if bad else "Everything is as it should be."
    console.print(f"\n[{'red' if bad else 'green'}]{said}[/]", highlight=False)


def _table(results: list[Verified]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    heads = ["exercise", "reference", "stub", "mistakes", "alternatives", "margin"]
    mutated = any(result.mutants for result in results)
    for head in [*heads, *(["mutants"] if mutated else [])]:
        table.add_column(head, overflow="fold")
    for each in results:
        row = [each.id, each.reference.word, each.stubs.word, each.mistakes.text, each.alternatives.text]
        table.add_row(*row, _margin(each.margin), *([_mutants(each.mutants)] if mutated else []))
    return table


def _margin(margin: Margin | None) -> str:
    if margin is None:
        return "-"
    return "/".join("-" if number is None else f"{number:.0e}" for number in (margin.worst, margin.nearest))


def _mutants(mutants: Survey | None) -> str:
    if mutants is None:
        return "-"
    killed = f"{mutants.killed}/{mutants.total}"
    explained = f", {mutants.explained} explained" if mutants.explained else ""
    return f"[red]{killed}[/]{explained}" if mutants.survivors else killed + explained
