"""What a learner starts from: the stubs of a chapter's `exercises.py`, read once as long as the file stays the same."""

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from headwork.chapters.course import COURSE
from headwork.chapters.made import EXERCISES, section
from headwork.grading.bindings import bound
from headwork.grading.parsing import parse


def whole(chapter: str, course: Path = COURSE) -> str:
    """The chapter's `exercises.py` as it is handed out; nothing where it has not been built."""
    path = course / chapter / EXERCISES
    try:
        state = path.stat()
    except OSError:
        return ""
    return _read(path, (state.st_mtime_ns, state.st_size))


def starting_text(id: str, course: Path = COURSE) -> str:
    """The exercise's stub under the imports that it uses; nothing where the chapter has not been built."""
    return _starting_text(whole(id.partition(".")[0], course), id)


def names(id: str, course: Path = COURSE) -> frozenset[str]:
    """What the stub defines at its top level: the exercise's own names."""
    return _names(whole(id.partition(".")[0], course), id)


def under_imports(imports: str, text: str) -> str:
    return f"{imports}\n\n\n{text}" if imports else text


@lru_cache(maxsize=64)
def _read(path: Path, state: tuple[int, int]) -> str:
    return path.read_text(encoding="utf-8")


@lru_cache(maxsize=512)
def _starting_text(source: str, id: str) -> str:
    stub = _stub(source, id)
    return under_imports(imports_of(source, stub), stub) if stub else ""


@lru_cache(maxsize=512)
def _names(source: str, id: str) -> frozenset[str]:
    nodes = (node for node in parse(_stub(source, id)).body if not isinstance(node, ast.Import | ast.ImportFrom))
    return frozenset(name for node in nodes for name in bound(node))


def _stub(source: str, id: str) -> str:
    try:
        return section(source, id)
    except KeyError:
        return ""


def imports_of(source: str, text: str) -> str:
    """The top-level imports of `source` whose names occur in `text`. Raises SyntaxError."""
    words = set(re.findall(r"\w+", text))
    kept = []
    for node in parse(source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            node.names = [each for each in node.names if (each.asname or each.name).partition(".")[0] in words]
            kept += [ast.unparse(node)] if node.names else []
    return "\n".join(kept)


def without_imports(text: str, source: str) -> str:
    """The text without those imports at its top that `source` has, too. Unchanged where Python cannot read one."""
    try:
        nodes, there = parse(text).body, set(_imported(parse(source).body))
    except (SyntaxError, ValueError, RecursionError):
        return text
    lines, start = text.split("\n"), 0
    for node in nodes:
        if not isinstance(node, ast.Import | ast.ImportFrom) or not set(_imported([node])) <= there:
            break
        start = node.end_lineno or 0
    return "\n".join(lines[start:]).strip("\n") if start else text


def _imported(nodes: list[ast.stmt]) -> Iterator[tuple[str, str, str | None]]:
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = f"{'.' * node.level}{node.module}" if isinstance(node, ast.ImportFrom) else ""
            yield from ((module, alias.name, alias.asname) for alias in node.names)
