"""A chapter's work as files: to take away as `exercises.py` or as a notebook, and to bring back in."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from headwork.chapters.course import chapter, chapters
from headwork.chapters.made import made_files
from headwork.grading import submission
from headwork.grading.program import Submission
from headwork.grading.submission import Unreadable
from headwork.streamlit_app import stubs
from headwork.streamlit_app.desk import Desk, NotSaved, put_in
from headwork.streamlit_app.split import split

LONGEST_NAME = 80


def as_python(desk: Desk, name: str) -> str:
    """The chapter's `exercises.py` with the learner's texts in the places of the stubs; the learner's own file if any.

    Raises NotSaved.
    """
    mine = desk.file(name)
    if mine is not None:
        return mine
    source = stubs.whole(name, desk.course)
    for id, text in desk.texts(name).items():
        source = put_in(source, id, stubs.without_imports(text, source))
    return source


def as_notebook(desk: Desk, name: str) -> str:
    """The chapter's notebook with the learner's texts in the cells of the stubs. Raises NotSaved."""
    made = chapter(name, desk.course)
    book = json.loads((made.folder / made_files(made)[1]).read_text(encoding="utf-8"))
    cells = {f"{id.replace('.', '-', 1)}-stub": text for id, text in desk.texts(name).items()}
    for cell in book["cells"]:
        if cell["id"] in cells:
            cell["source"] = cells[cell["id"]].strip("\n").splitlines(keepends=True)
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class Taken:
    """What became of a file that was brought in: ids of exercises, and lines about what was not taken."""

    name: str
    new: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    stubs: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    problem: str = ""


def bring_in(desk: Desk, name: str, data: bytes) -> Taken:
    """Reads a .py file or a notebook: each exercise's text in it replaces the present one, which is kept.

    Stubs are not taken. Nothing is changed when the file cannot be read.
    """
    try:
        work = _read(name, data)
    except Unreadable as problem:
        return Taken(name, problem=str(problem))
    found = split(work, [each.id for made in chapters(desk.course) for each in made.exercises], desk.course)
    if not found.texts:
        why = found.broken[0] if found.broken else "it defines nothing that an exercise asks for"
        return Taken(name, problem=f"nothing was taken: {why}")
    new, same, untouched, left = [], [], [], [*found.broken, *found.left]
    for id, text in found.texts.items():
        stub, present = desk.handed_out(id), desk.sheet(id).text
        if _alike(text, stub):  # whatever is imported above
            untouched.append(id)
        elif text.strip() in (present.strip(), stubs.without_imports(present, text).strip()):
            same.append(id)
        else:
            try:
                desk.replace(id, text)
                new.append(id)
            except NotSaved as problem:
                left.append(f"{id}: {problem}")
    return Taken(name, tuple(new), tuple(same), tuple(untouched), tuple(left))


def _read(name: str, data: bytes) -> Submission:
    """Read from a folder of its own, under its own name where that is an ordinary one. Raises Unreadable."""
    suffix = Path(name).suffix.lower()
    if suffix not in submission.CODE:
        raise Unreadable("this is neither a .py file nor a notebook: choose one of these")
    known = name.isprintable() and Path(name).name == name and len(name.encode()) <= LONGEST_NAME and name[0] != "."
    with tempfile.TemporaryDirectory(prefix="headwork-") as folder:
        path = Path(folder) / (name if known and suffix == ".ipynb" else f"uploaded{suffix}")
        path.write_bytes(data)
        return submission.read(path)


def _alike(text: str, other: str) -> bool:
    """The same but for the imports above."""
    return stubs.without_imports(text, text).strip() == stubs.without_imports(other, other).strip()
