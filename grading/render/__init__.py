"""Reports in every form they are read in. Pure functions, without torch."""

from headwork.grading.render.bulk import table
from headwork.grading.render.formats import FORMATS, Format, files
from headwork.grading.render.terminal import text

__all__ = ["FORMATS", "Format", "files", "table", "text"]
