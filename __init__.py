"""Headwork: learn to take a transformer apart, and be told which mistake you made.

In Python and in notebooks, `headwork.check("gpt2.layer_norm")` checks your work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from headwork.grading.report import Report

__version__ = "0.1.0"


def check(id: str, source: str | Path | None = None) -> Report:
    """Checks one exercise or a chapter, prints what is to be said of it, and gives the report.

    In a notebook the cells run so far are checked, in a script its file, else `source`: a path, or code as text.
    Raises LookupError for an unknown id, ValueError when there is nothing to check.
    """
    import sys

    from headwork.cli.in_python import check as check_here

    return check_here(id, source, sys._getframe(1))
