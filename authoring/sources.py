"""What `headwork verify` hands in, as source texts: the reference, the stubs, the mistakes and the alternatives."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from headwork.authoring.exercises import exercises_file
from headwork.chapters import course
from headwork.chapters.course import Chapter
from headwork.checkers.exercise import Exercise
from headwork.grading.diagnose import wrong_source
from headwork.grading.expect import chapter_of, program_of, reference_source
from headwork.grading.outline import outline
from headwork.grading.submission import read_text
from headwork.grading.unusable import Unusable


@dataclass(frozen=True)
class Wrong:
    """A mistake as a submission. `fault` says why no program can be made of it; then `source` is empty."""

    title: str  # "mistake 3"
    sentence: str
    source: str
    fault: str = ""


def stubs(exercise: Exercise) -> dict[str, str]:
    """The stub as learners get it, and the same stub after a formatter and a deletion of all docstrings.

    Raises BuildError and ChapterError.
    """
    given, reformatted = _stubs_of(course.chapter(chapter_of(exercise)))
    return {"the stub": given, "the stub, reformatted": reformatted}


@lru_cache(maxsize=8)
def _stubs_of(chapter: Chapter) -> tuple[str, str]:
    text = exercises_file(chapter)
    return text, bare(text)


def bare(source: str) -> str:
    """The same code without docstrings and comments, in another layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree).replace("    ", "  ") + "\n"


def mistakes(exercise: Exercise) -> list[Wrong]:
    """Every mistake of the exercise, made of its reference."""
    source = reference_source(exercise)
    found = []
    for number, mistake in enumerate(exercise.list_of_mistakes, start=1):
        text, fault = "", ""
        try:
            text = wrong_source(source, mistake)
            program_of(text, exercise)
        except (ValueError, Unusable) as error:
            fault = str(error)
        found.append(Wrong(f"mistake {number}", mistake.sentence, text, fault))
    return found


def alternatives(exercise: Exercise) -> dict[str, str]:
    """By file name, the chapter's alternatives that define all names the exercise asks for."""
    return {name: text for name, text in _alternatives(chapter_of(exercise)) if _defines(name, text, exercise)}


def _alternatives(chapter: str) -> Iterator[tuple[str, str]]:
    folder = files("headwork.checkers") / chapter / "alternatives"
    if folder.is_dir():
        for file in sorted(folder.iterdir(), key=lambda each: each.name):
            if file.name.endswith(".py") and file.name != "__init__.py":
                yield file.name, file.read_text(encoding="utf-8")


def _defines(name: str, text: str, exercise: Exercise) -> bool:
    """Whether it answers the exercise; one that cannot be parsed does where it speaks of it, and is then rejected."""
    defined = _defined(name, text)
    if defined is None:
        return any(asked in text for asked in exercise.names)
    return defined.issuperset(exercise.names)


@lru_cache(maxsize=256)
def _defined(name: str, text: str) -> frozenset[str] | None:
    """The names at the top level of an alternative; None where it cannot be parsed."""
    parsed = outline(read_text(name, text))
    return None if parsed.broken else frozenset(parsed.bindings)
