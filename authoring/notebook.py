"""Makes a chapter's notebook: its text, the stubs, and a cell that checks each exercise."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from headwork.authoring.exercises import Code, Names, asked_names, chapter_code
from headwork.chapters.course import Chapter
from headwork.chapters.directives import Block, ExerciseText, Figure, Predict, Prose, Reading
from headwork.chapters.made import counted
from headwork.grading.solutions import SOLUTIONS

REPOSITORY = "headwork-course/headwork"
INSTALL = f"""try:
    import headwork
except ImportError:
    import subprocess
    import sys

    subprocess.check_call([sys.executable, "-m", "pip", "install", "--quiet", "git+https://github.com/{REPOSITORY}"])
    import headwork"""

Cell = nbformat.NotebookNode


def notebook(chapter: Chapter, *, filled: bool = False, solutions: Path = SOLUTIONS, names: Names = asked_names) -> str:
    """The text of the notebook, with the references in place of the stubs when `filled`. Raises BuildError."""
    code = chapter_code(chapter, filled=filled, solutions=solutions, names=names)
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    book = new_notebook(cells=[*_start(chapter, code), *_cells(chapter, code)], metadata=metadata)
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


def _cells(chapter: Chapter, code: Code) -> Iterator[Cell]:
    """A cell's id comes from the named block before it, so that an insertion elsewhere leaves it alone."""
    place, seen = "start", Counter[str]()
    for block in chapter.blocks:
        if isinstance(block, ExerciseText):
            place = block.name
            yield from _exercise(block, code, f"{chapter.name}-{place}")
        elif isinstance(block, Figure):
            place = block.name
            yield _text(f"{chapter.name}-{place}-figure", _figure(block))
        else:
            kind = type(block).__name__.lower()
            seen[f"{place}-{kind}"] += 1
            markdown = _markdown(block).removeprefix(f"# {chapter.title}\n").strip("\n")  # the title has its own cell
            if markdown:
                yield _text(f"{chapter.name}-{place}-{kind}-{seen[f'{place}-{kind}']}", markdown)


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
    caption = f"*Figure.* {figure.caption.strip()}"
    return f"{caption}\n\n{figure.alt.strip()}" if figure.alt.strip() else caption


def _details(summary: str, markdown: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{markdown.strip()}\n\n</details>"


def _text(id: str, markdown: str) -> Cell:
    return new_markdown_cell(markdown, id=id)


def _code(id: str, source: str) -> Cell:
    return new_code_cell(source, id=id)
