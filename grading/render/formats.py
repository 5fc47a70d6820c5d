"""The formats of `headwork grade --format`, and the files they make."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from headwork.grading.render.annotations import annotations
from headwork.grading.render.clean import one_line
from headwork.grading.render.data import as_json
from headwork.grading.render.gradescope import gradescope
from headwork.grading.render.junit import junit
from headwork.grading.render.sheets import as_csv, canvas
from headwork.grading.render.terminal import text
from headwork.grading.report import Report


class Format(NamedTuple):
    """`function` takes a report, or all of them where `together` says so, and gives the text of a file."""

    suffix: str
    function: Callable[..., str]
    together: bool = False


FORMATS: dict[str, Format] = {
    "text": Format(".txt", text),
    "json": Format(".json", as_json),
    "gradescope": Format(".json", gradescope),
    "junit": Format(".xml", junit),
    "github": Format(".txt", annotations),
    "csv": Format(".csv", as_csv, together=True),
    "canvas": Format(".csv", canvas, together=True),
}


def files(name: str, reports: Sequence[Report]) -> dict[str, str]:
    """File name -> its text, for a folder: one file for all, `grades.csv`, or one a submission.

    A single submission for Gradescope is `results.json`. File names hold no separator and differ whatever the
    labels; the text is UTF-8 when encoded.
    """
    suffix, function, together = FORMATS[name]
    if together:
        return {f"grades{suffix}": function(reports)}
    if name == "gradescope" and len(reports) == 1:
        return {"results.json": function(reports[0])}
    made: dict[str, str] = {}
    taken: set[str] = set()
    for report in reports:
        stem = file_stem(report.submission)
        unique, count = stem, 1
        while unique.casefold() in taken:  # some disks do not tell cases apart
            count += 1
            unique = f"{stem}-{count}"
        taken.add(unique.casefold())
        made[unique + suffix] = function(report)
    return made


def file_stem(label: str) -> str:
    """A label as the name of a file on any disk: letters, digits, `.`, `_` and `-`, at most 100 of them."""
    name = re.sub(r"[^\w.-]+", "_", one_line(label), flags=re.ASCII).strip("._-")[-100:].lstrip("._-")
    return name or "submission"
