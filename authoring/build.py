"""Makes `exercises.py` and the notebook of each chapter, or says which of them are stale."""

from collections.abc import Iterator
from pathlib import Path

from headwork.authoring.exercises import Names, asked_names, exercises_file
from headwork.authoring.notebook import notebook
from headwork.chapters.course import COURSE, chapters
from headwork.chapters.made import EXERCISES, made_files
from headwork.grading.solutions import SOLUTIONS


def build(
    check: bool = False, *, course: Path = COURSE, solutions: Path = SOLUTIONS, names: Names = asked_names
) -> list[Path]:
    """Writes the made files that are missing or stale, and returns them; `chapter.md` is only read.

    With `check` nothing is written, and the orphans are in the list too. Raises ChapterError and BuildError,
    in both cases before anything is written.
    """
    made = dict(_made(course, solutions, names))
    stale = [path for path, text in made.items() if not _holds(path, text)]
    if check:
        return sorted([*stale, *orphans(course)])
    for path in stale:
        path.write_text(made[path], encoding="utf-8", newline="\n")
    return sorted(stale)


def orphans(course: Path = COURSE) -> list[Path]:
    """Files that look made from a chapter, but no chapter makes them any more. To remove them is the author's part."""
    expected = {each.folder / name for each in chapters(course) for name in made_files(each)}
    found = {*course.glob(f"*/{EXERCISES}"), *course.glob("*/*.ipynb")}
    return sorted(found - expected)


def _made(course: Path, solutions: Path, names: Names) -> Iterator[tuple[Path, str]]:
    for chapter in chapters(course):
        exercises, book = made_files(chapter)
        yield chapter.folder / exercises, exercises_file(chapter, solutions=solutions, names=names)
        yield chapter.folder / book, notebook(chapter, solutions=solutions, names=names)


def _holds(path: Path, text: str) -> bool:
    """True when the file holds the text; a checkout may have other line ends."""
    return path.is_file() and path.read_bytes().replace(b"\r\n", b"\n") == text.encode()
