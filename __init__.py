"""Headwork: learn to take a transformer apart, and be told which mistake you made.

In Python and in notebooks, `headwork.check("gpt2.layer_norm")` checks your work, and
`headwork.figure("gpt2.one_head")` draws with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from headwork.cli.picture import Picture
    from headwork.grading.report import Report

__version__ = "0.1.0"


def check(id: str | None = None, source: str | Path | None = None) -> Report:
    """Checks one exercise or a chapter, prints what is to be said of it, and gives the report.

    Without an id, the chapter of which something is defined. In a notebook the cells run so far are checked, in a
    script its file, else `source`: a path, or code as text.
    Raises LookupError for an unknown id, ValueError when there is nothing to check.
    """
    import sys

    from headwork.cli.in_python import check as check_here

    return check_here(id, source, sys._getframe(1))


def figure(id: str, /, source: str | Path | None = None, **settings: object) -> Picture:
    """Draws a figure of the course from what your own code returns: a notebook shows it, `print` gives it in letters.

    The code is found as by `check`. `settings` are the figure's knobs, each by its name.
    Raises LookupError for an unknown figure, ValueError for a setting that cannot be, or without any code.
    """
    import sys

    from headwork.cli.picture import figure as figure_here

    return figure_here(id, source, settings, sys._getframe(1))
