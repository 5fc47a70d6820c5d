"""`headwork new gpt2.my_exercise`: a tiny exercise that works, in every place where an exercise has a part."""

import ast
import keyword
import re
import tempfile
from pathlib import Path

from headwork.authoring.stub import BEGIN, END, BuildError, stub
from headwork.chapters.course import COURSE, chapter
from headwork.chapters.directives import LONGEST_NAME
from headwork.chapters.fields import ChapterError

ROOT = COURSE.parent
TAKEN = {"probes", "alternatives"}  # modules of every chapter's checkers

REFERENCE = f'''

def NAME(numbers: Tensor) -> Tensor:
    """numbers: (batch, width). Returns twice the numbers, the same shape."""
    {BEGIN}
    return 2 * numbers
    {END}
'''

PROBE = """

def NAME(answer: Answer, case: Case) -> Iterator[tuple[str, Any]]:
    yield "output", answer.NAME(case.numbers)
"""

CHECKER = '''"""`CHAPTER.NAME`: twice the numbers."""

from collections.abc import Iterator

from headwork.checkers.checks import equal
from headwork.checkers.exercise import Exercise, edit
from headwork.checkers.inputs import Rng
from headwork.checkers.probing import Case

ask = Exercise("NAME", batch=["numbers"])


@ask.cases
def _(rng: Rng) -> Iterator[Case]:
    yield Case("ordinary numbers", numbers=rng.normal((3, 4)))


ask.checks(
    equal("output", title="returns twice the numbers"),
)

ask.mistakes(
    edit("2 * numbers", "numbers * numbers", "The numbers are squared: twice a number is the number times 2."),
)
'''

DIRECTIVE = """
```{exercise} NAME
title: Twice the numbers
difficulty: 1
importance: 1
minutes: 5
points: 1
hints:
  - 'Which operation makes every number twice as large?'
  - 'Return `2 * numbers`.'
---
Write `NAME(numbers)`.

`numbers` has shape `(batch, width)`; return twice the numbers, in the same shape.

Judged: the values; that the input is unchanged.
```
"""

SOLUTIONS = '"""The reference answers of chapter `CHAPTER`."""\n'
PROBES = """\
\"\"\"What is asked of answers in chapter `CHAPTER`. Learners' processes hold this file: it contains no answer.\"\"\"
"""


class CannotCreate(ValueError):
    """Why no exercise was created, and what to do. One line; nothing was written."""


def create(id: str, root: Path = ROOT) -> list[Path]:
    """Adds exercise `id` to an existing chapter of the repository at `root`; returns the files written.

    Raises CannotCreate.
    """
    place, name = _split(id)
    _refuse_taken(id, root)
    wanted = _texts(root, place, name)
    _validate(wanted, place)
    _write_all(wanted)
    return list(wanted)


def _split(id: str) -> tuple[str, str]:
    matched = re.fullmatch(r"([a-z][a-z0-9_]*)\.([a-z][a-z0-9_]*)", id)
    if not matched:
        raise CannotCreate(
            f"{id!r} is no id: write CHAPTER.NAME in small letters, digits and _, such as gpt2.my_exercise"
        )
    place, name = matched.groups()
    if len(name) > LONGEST_NAME:
        raise CannotCreate(f"{name!r} is too long: a name has at most {LONGEST_NAME} letters")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in TAKEN:
        raise CannotCreate(f"{name!r} has a meaning already: choose another name")
    return place, name


def _refuse_taken(id: str, root: Path) -> None:
    place, name = id.split(".")
    try:
        text = chapter(place, root / "chapters")
    except ChapterError as error:
        raise CannotCreate(str(error)) from None
    module = root / "checkers" / place / f"{name}.py"
    if any(each.name == name for each in text.exercises) or module.exists():
        raise CannotCreate(f"there is an exercise {id} already: choose another name")
    for path in (*_modules(root / "solutions", place), *_modules(root / "checkers" / place, "probes")):
        if name in _bound(_read(path)):
            raise CannotCreate(f"{name!r} is defined in {path.relative_to(root)} already: choose another name")


def _texts(root: Path, place: str, name: str) -> dict[Path, str]:
    """Each file that is to be written, with its new text."""

    def filled(template: str) -> str:
        return template.replace("CHAPTER", place).replace("NAME", name)

    solution = _module(root / "solutions", place, name)
    probes = _module(root / "checkers" / place, "probes", name)
    checkers, prose = root / "checkers" / place, root / "chapters" / place / "chapter.md"
    answer = importing(_read(solution) or filled(SOLUTIONS), "torch", ["Tensor"])
    asked = _read(probes) or filled(PROBES)
    for module, names in [
        ("collections.abc", ["Iterator"]),
        ("typing", ["Any"]),
        ("headwork.checkers.probing", ["Answer", "Case"]),
    ]:
        asked = importing(asked, module, names)
    packages = [folder / "__init__.py" for folder in (checkers, checkers / "alternatives")]
    return {
        solution: answer.rstrip("\n") + "\n" + filled(REFERENCE),
        probes: asked.rstrip("\n") + "\n" + filled(PROBE),
        checkers / f"{name}.py": filled(CHECKER),
        prose: _read(prose).rstrip("\n") + "\n" + filled(DIRECTIVE),
        **{path: "" for path in packages if not path.exists()},
    }


def _module(folder: Path, package: str, name: str) -> Path:
    """Where a new part goes: into the one module, or into a module of its own where there is a package."""
    return folder / package / f"{name}.py" if (folder / package).is_dir() else folder / f"{package}.py"


def _modules(folder: Path, package: str) -> list[Path]:
    return sorted((folder / package).glob("*.py")) if (folder / package).is_dir() else [folder / f"{package}.py"]


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _bound(source: str) -> set[str]:
    """The names that the top level of a source defines or imports."""
    names = set()
    for node in _parsed(source).body:
        names.add(getattr(node, "name", ""))
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise CannotCreate(
            f"line {error.lineno} of the chapter's Python is no Python ({error.msg}): mend it first"
        ) from None


def importing(source: str, module: str, names: list[str]) -> str:
    """The source, which afterwards imports `names` from `module`: what it imports already stays as it is."""
    missing = [name for name in names if name not in _bound(source)]
    if not missing:
        return source
    lines, tree = source.split("\n"), _parsed(source)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in imports:
        if isinstance(node, ast.ImportFrom) and node.module == module and not node.level:
            node.names = sorted([*node.names, *map(ast.alias, missing)], key=lambda alias: alias.name)
            lines[node.lineno - 1 : node.end_lineno] = [ast.unparse(node)]
            return "\n".join(lines)
    docstring = tree.body[0].end_lineno or 0 if ast.get_docstring(tree) is not None else 0
    after = max((node.end_lineno or 0 for node in imports), default=docstring)
    gap = [] if imports else [""]
    lines[after:after] = [*gap, f"from {module} import {', '.join(missing)}"]
    return "\n".join(lines)


def _validate(wanted: dict[Path, str], place: str) -> None:
    """Reads every text as its reader will, before any is written. Raises CannotCreate."""
    for path, text in wanted.items():
        if path.suffix == ".py":
            _parsed(text)
    try:
        stub(next(iter(wanted.values())))
    except BuildError as error:
        raise CannotCreate(f"solutions/{place}.py: {error}") from None
    with tempfile.TemporaryDirectory() as folder:
        prose = Path(folder) / place / "chapter.md"
        prose.parent.mkdir()
        prose.write_text(next(text for path, text in wanted.items() if path.name == prose.name), encoding="utf-8")
        try:
            chapter(place, Path(folder))
        except ChapterError as error:
            raise CannotCreate(str(error)) from None


def _write_all(wanted: dict[Path, str]) -> None:
    """Writes every file, or leaves all as they were. Raises CannotCreate."""
    before = {path: path.read_bytes() if path.exists() else None for path in wanted}
    written = []
    try:
        for path, text in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            written.append(path)
            path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        for path in written:
            old = before[path]
            if old is not None:
                path.write_bytes(old)
            else:
                path.unlink(missing_ok=True)
        raise CannotCreate(f"{error.filename}: {error.strerror}; nothing was written") from None
