"""Makes a chapter's notebook: its text, the stubs, a cell that checks each exercise, one that draws each figure."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from headwork.authoring.exercises import Code, Names, asked_names, chapter_code
from headwork.authoring.stub import BuildError
from headwork.chapters.course import Chapter
from headwork.chapters.directives import Block, ExerciseText, Figure, Predict, Prose, Reading
from headwork.chapters.made import counted
from headwork.grading.solutions import SOLUTIONS

if TYPE_CHECKING:  # importing it imports torch
    from headwork.checkers.figure import Control, Knob

REPOSITORY = "headwork-course/headwork"  # on GitHub: whoever moves it writes the new place here, and builds again
INSTALL = f"""try:
    import headwork
except ImportError:
    import subprocess
    import sys

    subprocess.check_call([sys.executable, "-m", "pip", "install", "--quiet", "git+https://github.com/{REPOSITORY}"])
    import headwork"""

Cell = nbformat.NotebookNode
Controls: TypeAlias = Callable[[str], Sequence["Control"]]


def declared(id: str) -> "Sequence[Control]":
    """The controls of a figure, by the catalogue; none for a figure of another course. Raises BuildError."""
    from headwork.checkers import catalogue

    try:
        return catalogue.figure(id).controls
    except catalogue.UnknownFigure:
        return ()
    except (KeyError, ModuleNotFoundError):
        chapter, _, name = id.partition(".")
        raise BuildError(f"figure {id} is not declared: add {name!r} to checkers/{chapter}/figures.py") from None


def notebook(
    chapter: Chapter,
    *,
    filled: bool = False,
    solutions: Path = SOLUTIONS,
    names: Names = asked_names,
    controls: Controls = declared,
) -> str:
    """The text of the notebook, with the references in place of the stubs when `filled`. Raises BuildError."""
    code = chapter_code(chapter, filled=filled, solutions=solutions, names=names)
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    book = new_notebook(
        cells=[*_start(chapter, code), *_cells(chapter, code, controls), *_end(chapter)], metadata=metadata
    )
    book.nbformat_minor = 5
    return nbformat.writes(book).rstrip("\n") + "\n"


def _start(chapter: Chapter, code: Code) -> Iterator[Cell]:
    address = f"https://colab.research.google.com/github/{REPOSITORY}/blob/main/chapters/{chapter.name}"
    badge = "https://colab.research.google.com/assets/colab-badge.svg"
    yield _text(f"{chapter.name}-colab", f"[![Open in Colab]({badge})]({address}/{chapter.name}.ipynb)")
    before = f"\n\nBefore this: {', '.join(chapter.prerequisites)}." if chapter.prerequisites else ""
    about = f"{chapter.summary}\n\nAbout {counted(chapter.hours, 'hour')}.{before}"
    yield _text(f"{chapter.name}-title", f"# {chapter.title}\n\n{about}")
    yield _code(f"{chapter.name}-install", INSTALL)
    if code.imports:
        yield _code(f"{chapter.name}-imports", code.imports)


def _cells(chapter: Chapter, code: Code, controls: Controls) -> Iterator[Cell]:
    """A cell's id comes from the named block before it, so that an insertion elsewhere leaves it alone."""
    place, seen = "start", Counter[str]()
    for block in chapter.blocks:
        if isinstance(block, ExerciseText):
            place = block.name
            yield from _exercise(block, code, f"{chapter.name}-{place}")
        elif isinstance(block, Figure):
            place = block.name
            yield _text(f"{chapter.name}-{place}-figure", _figure(block))
            id = f"{chapter.name}.{place}"
            yield _code(f"{chapter.name}-{place}-drawing", _drawing(id, controls(id)))
        else:
            kind = type(block).__name__.lower()
            seen[f"{place}-{kind}"] += 1
            markdown = _markdown(block).removeprefix(f"# {chapter.title}\n").strip("\n")  # the title has its own cell
            if markdown:
                yield _text(f"{chapter.name}-{place}-{kind}-{seen[f'{place}-{kind}']}", markdown)


def _end(chapter: Chapter) -> Iterator[Cell]:
    if len(chapter.exercises) > 1:
        yield _text(f"{chapter.name}-end", "## All of it\n\nEvery exercise of the chapter once more, and the points:")
        yield _code(f"{chapter.name}-check", f'headwork.check("{chapter.name}")')


def _exercise(exercise: ExerciseText, code: Code, id: str) -> Iterator[Cell]:
    about = (
        f"`{exercise.id}` · difficulty {exercise.difficulty} of 5 · importance {exercise.importance} of 5 · "
        f"{counted(exercise.points, 'point')} · about {counted(exercise.minutes, 'minute')}"
    )
    hints = [_details(f"Hint {number}", hint) for number, hint in enumerate(exercise.hints, start=1)]
    yield _text(f"{id}-text", "\n\n".join([f"### {exercise.title}", about, exercise.markdown.strip(), *hints]))
    yield _code(f"{id}-stub", code.exercises[exercise.id])
    yield _code(f"{id}-check", f'headwork.check("{exercise.id}")')


def _markdown(block: Block) -> str:
    if isinstance(block, Predict):
        return f"**Predict first.** {block.question.strip()}\n\n{_details('Answer', block.answer)}"
    if isinstance(block, Reading):
        return f"**Reading.**\n\n{block.markdown.strip()}"
    assert isinstance(block, Prose)
    return block.markdown.strip("\n")


def _figure(figure: Figure) -> str:
    """What the picture shows; what can be seen in it comes with the picture, for who cannot see it."""
    return f"*Figure.* {figure.caption.strip()}"


def _drawing(id: str, controls: "Sequence[Control]") -> str:
    """The call that draws, with each knob at its start and what else it may be."""
    lines = [f"    {each.name}={_literal(each.start)},{_comment(each)}" for each in controls]
    return "\n".join([f'headwork.figure(\n    "{id}",', *lines, ")"]) if lines else f'headwork.figure("{id}")'


def _literal(value: float | str) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else f"{value:g}"


def _comment(control: "Control") -> str:
    from headwork.checkers.figure import Choice, Knob

    if isinstance(control, Choice):
        return f"  # or {', '.join(map(_literal, control.options[1:]))}" if control.options[1:] else ""
    return f"  # {_range(control)}" if isinstance(control, Knob) else ""


def _range(knob: "Knob") -> str:
    condition = f", for {_literal(knob.only_with)}" if knob.only_with else ""
    return f"{knob.low:g} to {knob.high:g}{condition}"


def _details(summary: str, markdown: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{markdown.strip()}\n\n</details>"


def _text(id: str, markdown: str) -> Cell:
    return new_markdown_cell(markdown, id=id)


def _code(id: str, source: str) -> Cell:
    return new_code_cell(source, id=id)
