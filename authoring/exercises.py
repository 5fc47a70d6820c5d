"""Makes a chapter's `exercises.py`: the stub of each exercise, in the order of the text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from headwork.authoring.parts import Part, cut, without_value, written_imports
from headwork.authoring.stub import BuildError, reference, stub
from headwork.chapters.course import Chapter
from headwork.chapters.directives import Finding
from headwork.chapters.made import header
from headwork.grading.solutions import SOLUTIONS, Unassembled, assembled, module_files

Names: TypeAlias = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class Code:
    """A chapter's imports, and for each exercise's id its definitions with the helpers they are first to use."""

    imports: str
    exercises: dict[str, str]


def asked_names(id: str) -> Sequence[str]:
    """The top-level names that an exercise asks for, by the catalogue of checkers. Raises BuildError."""
    from headwork.checkers.catalogue import exercise  # imports torch, which a test of made files does without

    try:
        return exercise(id).names
    except ModuleNotFoundError as error:
        if error.name and f"headwork.checkers.{id}".startswith(error.name):
            raise BuildError(f"{id} has no checker: write checkers/{id.replace('.', '/')}.py") from None
        raise


def exercises_file(chapter: Chapter, *, solutions: Path = SOLUTIONS, names: Names = asked_names) -> str:
    """The text of `exercises.py`. Raises BuildError."""
    code = chapter_code(chapter, solutions=solutions, names=names)
    sections = [f"{header(exercise)}\n{code.exercises[exercise.id]}" for exercise in chapter.exercises]
    start = "\n\n".join(filter(None, [_docstring(chapter), code.imports]))
    return "\n\n\n".join([start, *sections]) + "\n"


def chapter_code(
    chapter: Chapter, *, filled: bool = False, solutions: Path = SOLUTIONS, names: Names = asked_names
) -> Code:
    """The stubs of a chapter, or its references when `filled`. Raises BuildError."""
    if not chapter.exercises:
        return Code("", {})
    try:
        source = assembled(solutions, chapter.name)
    except FileNotFoundError as error:
        raise BuildError(f"chapter {chapter.name} has no reference: {error}") from None
    except Unassembled as error:
        raise BuildError(str(error)) from None
    place = module_files(solutions, chapter.name)[0].relative_to(solutions).parts[0]
    try:
        return _Cutting(chapter, source, names, filled).code()
    except SyntaxError as error:
        raise BuildError(f"solutions/{place}, line {error.lineno}: {error.msg}: mend it") from None
    except BuildError as error:
        raise BuildError(f"solutions/{place}: {error}") from None


class _Cutting:
    """The work of handing each part of a reference to the exercise that owns it, or is first to need it."""

    def __init__(self, chapter: Chapter, source: str, names: Names, filled: bool):
        self.filled = filled
        self.asked = {exercise.id: tuple(names(exercise.id)) for exercise in chapter.exercises}
        self.findings = {each.id for each in chapter.exercises if isinstance(each, Finding)}
        self.owned = {name for asked in self.asked.values() for name in asked}
        self.solved = cut(reference(source))
        self.parts = self.solved if filled else cut(stub(source))

    def code(self) -> Code:
        given: set[int] = set()
        exercises, uses = {}, frozenset[str]()
        for id, asked in self.asked.items():
            places = sorted(self._own(id, asked) - given)
            places = sorted(self._with_helpers(places) - given)
            given |= set(places)
            uses |= frozenset(name for place in places for name in self.parts[place].uses)
            exercises[id] = "\n\n\n".join(self._written(place) for place in places) or _elsewhere(id, asked)
        return Code(written_imports(self.parts, uses), exercises)

    def _own(self, id: str, asked: Sequence[str]) -> set[int]:
        """The places of the parts that define what the exercise asks for."""
        if not asked and id not in self.findings:
            raise BuildError(f"{id} asks for no names: give its Exercise(...) at least one")
        own = {place for place, part in enumerate(self.parts) if part.defines & set(asked) and not part.imports}
        defined = {name for place in own for name in self.parts[place].defines}
        for name in asked:
            if name not in defined:
                raise BuildError(f"{name} is not defined, and {id} asks for it: write it, or mend the exercise's names")
        if own and not any(self._has_gap(place) for place in own):
            raise BuildError(f"{id} would be given away: put marks around the solution of {' or '.join(asked)}")
        return own

    def _with_helpers(self, own: list[int]) -> set[int]:
        """The places in `own` and of the parts they use that belong to no exercise."""
        found, left = set(own), list(own)
        while left:
            uses = self.parts[left.pop()].uses
            for place, part in enumerate(self.parts):
                if place not in found and part.defines & uses - self.owned and not part.imports:
                    if not self.filled and self._is_cut(place):
                        raise BuildError(f"{min(part.defines)} has a solution but is no exercise of the chapter")
                    found.add(place)
                    left.append(place)
        return found

    def _is_cut(self, place: int) -> bool:
        return self.parts[place].source != self.solved[place].source

    def _has_gap(self, place: int) -> bool:
        return self.filled or self._is_cut(place) or _assigns(self.parts[place])

    def _written(self, place: int) -> str:
        part = self.parts[place]
        is_answer = _assigns(part) and part.defines & self.owned
        return without_value(part) if is_answer and not self.filled else part.source


def _assigns(part: Part) -> bool:
    return type(part.node).__name__ in ("Assign", "AnnAssign")


def _elsewhere(id: str, asked: Sequence[str]) -> str:
    if asked:
        return f"# {', '.join(asked)}: defined above."
    return "# The answer is a file: the text says how to make it."


def _docstring(chapter: Chapter) -> str:
    title = chapter.title.replace("\\", "\\\\").replace('"', "'").rstrip(".")
    check = f"`headwork check {chapter.exercises[0].id}` checks one of them.\n" if chapter.exercises else ""
    return (
        f'"""The exercises of chapter `{chapter.name}`: {title}.\n\n'
        "What to write, and why, stands in the chapter's text. Put your code in place of `raise NotImplementedError`;\n"
        f'names and parameters stay as they are, and helpers of your own are welcome.\n{check}"""'
    )
