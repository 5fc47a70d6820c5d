"""Stubs: a reference without what stands between `### BEGIN SOLUTION` and `### END SOLUTION`."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
LIKE_A_MARK = re.compile(r"#+\s*(begin|end)[ _-]?solutions?\b", re.IGNORECASE)


class BuildError(ValueError):
    """Why no files can be made from a chapter and its reference, and how to mend it. One line."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))


def stub(source: str) -> str:
    """The source with one `raise NotImplementedError` line in place of each solution.

    Raises BuildError, and SyntaxError when the source is no Python.
    """
    lines = source.split("\n")
    tree = ast.parse(source)
    for first, last in reversed(_solutions(source)):
        indent = lines[first - 1][: -len(BEGIN)]
        lines[first - 1 : last] = [f'{indent}raise NotImplementedError("write {_owner(tree, first)}")']
    stubbed = "\n".join(lines)
    try:
        ast.parse(stubbed)
    except SyntaxError as error:
        mend = "put the marks around whole statements"
        raise BuildError(f"without its solution, line {error.lineno} is no Python: {mend}") from None
    return stubbed


def reference(source: str) -> str:
    """The source without the lines of the marks. Raises BuildError and SyntaxError."""
    marks = {line for pair in _solutions(source) for line in pair}
    return "\n".join(line for number, line in enumerate(source.split("\n"), start=1) if number not in marks)


def _solutions(source: str) -> list[tuple[int, int]]:
    """The lines of each solution's marks, counted from 1."""
    pairs: list[tuple[int, int]] = []
    opened: tuple[int, int] | None = None
    for line, column, mark in _marks(source):
        if mark == BEGIN and opened:
            raise BuildError(f"line {line}: {BEGIN} although line {opened[0]} has begun one: write {END} between them")
        if mark == BEGIN:
            opened = line, column
        elif not opened:
            raise BuildError(f"line {line}: {END} without a beginning: write {BEGIN} above it")
        elif opened[1] != column:
            raise BuildError(f"line {line}: {END} is indented unlike its beginning in line {opened[0]}: align the two")
        else:
            pairs.append((opened[0], line))
            opened = None
    if opened:
        raise BuildError(f"line {opened[0]}: {BEGIN} without an end: write {END} below it")
    return pairs


def _marks(source: str) -> Iterator[tuple[int, int, str]]:
    """(line, column, mark) of each mark. Only comments count, so a docstring may speak of them."""
    ast.parse(source)  # for its SyntaxError: tokenize has errors of other kinds
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or not LIKE_A_MARK.match(token.string):
            continue
        line, column = token.start
        if token.string not in (BEGIN, END) or token.line.strip() != token.string:
            raise BuildError(f"line {line}: {token.string!r} is no mark: write {BEGIN} or {END}, alone on its line")
        yield line, column, token.string


def _owner(tree: ast.Module, line: int) -> str:
    """What a solution that begins at `line` is a part of: 'top_p', or 'LayerNorm.forward'."""
    owners: list[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef] = []
    node: ast.AST | None = tree
    while node:
        node = next((child for child in ast.iter_child_nodes(node) if _encloses(child, line)), None)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            owners.append(node)
    if not owners or isinstance(owners[-1], ast.ClassDef):
        raise BuildError(f"line {line}: {BEGIN} outside a function: a stub that raises there could not be imported")
    return ".".join(owner.name for owner in owners)


def _encloses(node: ast.AST, line: int) -> bool:
    first, last = getattr(node, "lineno", 0), getattr(node, "end_lineno", None)
    return last is not None and first <= line <= last
