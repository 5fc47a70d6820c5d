"""The files made from a chapter: what they are called, and where an exercise stands in `exercises.py`."""

import re
import textwrap

from headwork.chapters.course import Chapter
from headwork.chapters.directives import ExerciseText

EXERCISES = "exercises.py"


def made_files(chapter: Chapter) -> tuple[str, str]:
    """The names of the files made from a chapter, in its folder."""
    return EXERCISES, f"{chapter.name}.ipynb"


def header(exercise: ExerciseText) -> str:
    """The comment above an exercise in `exercises.py`, without a newline at its end."""
    about = f"{counted(exercise.points, 'point')}, about {counted(exercise.minutes, 'minute')}."
    lines = [f"{exercise.id}: {exercise.title}", f"{about} Check it with: headwork check {exercise.id}"]
    return "\n".join(textwrap.fill(line, 118, initial_indent="# ", subsequent_indent="# ") for line in lines)


def section(source: str, id: str) -> str:
    """What stands under an exercise's header in the source of an `exercises.py`. Raises KeyError when nothing does."""
    chapter = re.escape(id.partition(".")[0])
    parts = re.split(rf"^# ({chapter}\.\w+): (?:.*\n# )+?.* headwork check \1\n", source, flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    return found[id].strip("\n") + "\n"


def counted(number: float, thing: str) -> str:
    """'1 point', '2.5 points'."""
    return f"{number:g} {thing}{'' if number == 1 else 's'}"
