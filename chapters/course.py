"""The course as its authors wrote it: every folder here with a `chapter.md` is a chapter.

Light to import: no torch. A chapter is read again when its file has changed, and only then.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from headwork.chapters.directives import (
    Block,
    ExerciseText,
    Figure,
    Finding,
    Predict,
    Prose,
    Reading,
    parser,
    read_blocks,
)
from headwork.chapters.fields import ChapterError, Place, positive, read_fields, text, texts, whole

__all__ = [
    "COURSE",
    "Chapter",
    "ChapterError",
    "ExerciseText",
    "Figure",
    "Finding",
    "Predict",
    "Prose",
    "Reading",
    "chapter",
    "chapters",
    "exercise_text",
    "packages_of",
]

COURSE = Path(__file__).parent
CHAPTER_NAME = re.compile(r"[a-z][a-z0-9_]{0,15}")


@dataclass(frozen=True)
class Chapter:
    """A chapter's front matter and its blocks. `packages` are the prefixes that its answers may import."""

    name: str
    folder: Path
    title: str
    summary: str
    order: int
    prerequisites: tuple[str, ...]
    hours: float
    packages: tuple[str, ...]
    blocks: tuple[Block, ...]

    @property
    def exercises(self) -> tuple[ExerciseText, ...]:
        """Exercises and findings, in the order of the text."""
        return tuple(block for block in self.blocks if isinstance(block, ExerciseText))

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The live figures, in the order of the text."""
        return tuple(block for block in self.blocks if isinstance(block, Figure))


def chapters(course: Path = COURSE) -> list[Chapter]:
    """Every chapter, in the order of the course. Raises ChapterError."""
    found = {name: chapter(name, course) for name in _names(course)}
    for each in found.values():
        for needed in each.prerequisites:
            if needed not in found or found[needed].order >= each.order:
                earlier = ", ".join(name for name in found if found[name].order < each.order) or "none"
                message = f"prerequisite {needed!r} is no earlier chapter: the earlier ones are: {earlier}"
                raise Place(f"{each.name}/chapter.md", 2, "front matter").fault(message)
    return sorted(found.values(), key=lambda each: (each.order, each.name))


def chapter(name: str, course: Path = COURSE) -> Chapter:
    """One chapter; the others are not read. Raises ChapterError, also when there is none of this name."""
    if name not in _names(course):
        raise ChapterError(f"no chapter {name!r}: there are {', '.join(_names(course)) or 'none'}")
    path = course / name / "chapter.md"
    state = path.stat()
    return _read(path, (state.st_mtime_ns, state.st_size))


def exercise_text(id: str, course: Path = COURSE) -> ExerciseText:
    """What the chapter says of exercise `gpt2.layer_norm`. Raises ChapterError when there is none of this id."""
    within = chapter(id.partition(".")[0], course)
    for exercise in within.exercises:
        if exercise.id == id:
            return exercise
    raise ChapterError(f"no exercise {id!r}: there are {', '.join(each.id for each in within.exercises) or 'none'}")


def packages_of(id: str, course: Path = COURSE) -> tuple[str, ...]:
    """What answers to an exercise may import: its chapter's packages, but for those that it goes without."""
    without = exercise_text(id, course).without
    return tuple(each for each in chapter(id.partition(".")[0], course).packages if each not in without)


def _names(course: Path) -> list[str]:
    return sorted(path.parent.name for path in course.glob("*/chapter.md") if path.is_file())


@lru_cache(maxsize=128)
def _read(path: Path, state: tuple[int, int]) -> Chapter:
    name, file = path.parent.name, f"{path.parent.name}/{path.name}"
    if not CHAPTER_NAME.fullmatch(name):
        raise ChapterError(f"{file}: rename its folder: small letters, digits and _, at most 16")
    try:
        source = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ChapterError(f"{file}: not UTF-8 at byte {error.start}: save it as UTF-8") from None
    tokens = parser().parse(source)
    if not tokens or tokens[0].type != "front_matter":
        raise Place(file, 1).fault("no front matter: start with --- on line 1, fields, and another ---")
    fields = {
        "title": text(),
        "summary": text(),
        "order": whole(0, 10_000),
        "prerequisites": texts(default=()),
        "hours": positive(),
        "packages": texts(default=()),
    }
    values = read_fields(tokens[0].content, fields, Place(file, 2, "front matter"))
    lists = {key: tuple(values[key]) for key in ("prerequisites", "packages")}
    return Chapter(name=name, folder=path.parent, blocks=read_blocks(source, tokens, file, name), **{**values, **lists})
