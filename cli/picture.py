"""`headwork.figure("gpt2.one_head")`, in a notebook or a script: a live figure, drawn by the learner's own code."""

import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from headwork.cli.in_python import WIDTH, kept, submission_of

if TYPE_CHECKING:
    from headwork.grading.figure import Drawn

# JupyterLab, Notebook 7 and VS Code bring a renderer for this type and need no network; for Altair's own of version 6
# they have none. Our charts use nothing that is new in that version.
VEGA_LITE = "application/vnd.vegalite.v5+json"
SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"  # a name, never fetched
LINKS = {"export": True, "source": False, "compiled": False, "editor": False}  # the editor is on the web
WIDE = 480  # pixels, where the page would give a chart the width that it has


@dataclass(frozen=True, repr=False)
class Picture:
    """What a figure shows: text, and for notebooks a chart, as data by type."""

    text: str
    rich: dict[str, Any]

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None) -> Any:
        told = {VEGA_LITE: {"embed_options": {"actions": LINKS}}} if VEGA_LITE in self.rich else {}
        return {"text/plain": self.text, **self.rich}, told


def figure(id: str, source: str | Path | None, settings: dict[str, Any], caller: FrameType | None) -> Picture:
    """Runs the code that `submission_of` finds, and draws. What hinders it is what the picture says.

    Raises LookupError for an unknown figure, ValueError for a setting that cannot be, or without any code.
    """
    from headwork.checkers import catalogue
    from headwork.grading.figure import draw
    from headwork.grading.render.clean import clean

    try:
        catalogue.figure(id)
    except catalogue.UnknownFigure as problem:
        raise LookupError(str(problem)) from None
    submission = submission_of(source, caller)
    _, grader = kept(id.partition(".")[0])
    drawn = draw(grader, submission, id, settings)
    if drawn.printed.strip():
        print(clean(drawn.printed).rstrip("\n"), flush=True)
    return picture(drawn)


def picture(drawn: "Drawn") -> Picture:
    """The figure as a notebook shows it, or the sentence that says what it waits for."""
    from headwork.grading.render.charts import NotDrawable, chart, credits
    from headwork.grading.render.clean import clean
    from headwork.grading.render.letters import in_letters

    if drawn.problem:
        return Picture(_wrapped(clean(drawn.problem)), {})
    try:
        shown = chart(drawn)
    except NotDrawable as problem:
        return Picture(_wrapped(clean(str(problem))), {})
    if isinstance(shown, str):
        return Picture("\n\n".join(map(_wrapped, filter(None, [clean(shown), credits(drawn)]))), {})
    spec = {**_fixed(shown.to_dict()), "$schema": SCHEMA}
    alt = _alt(drawn.id)
    if alt:
        spec["description"] = alt
    rich: dict[str, Any] = {VEGA_LITE: spec}
    if "google.colab" in sys.modules:  # where a chart is a page that loads its own scripts
        rich["text/html"] = shown.properties(**({"width": WIDE} if "width" in spec else {})).to_html(fullhtml=False)
    return Picture(in_letters(spec), rich)


def _alt(id: str) -> str:
    """What can be seen in the figure, for who cannot see it."""
    from headwork.chapters.course import chapter

    name, _, figure = id.partition(".")
    return next(each.alt.strip() for each in chapter(name).figures if each.name == figure)


def _fixed(spec: dict[str, Any]) -> dict[str, Any]:
    """The chart with a width of its own: a cell's output has none to give."""
    return {key: WIDE if (key, value) == ("width", "container") else value for key, value in spec.items()}


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.fill(line, WIDTH) for line in text.split("\n"))
