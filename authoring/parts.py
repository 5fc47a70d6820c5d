"""Cuts a reference's module into its top-level parts, and says what each defines and uses."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LINE_LENGTH = 120
USUAL = frozenset({"torch", "F", "nn", "einops", "math"})  # kept though no stub uses them: any answer may


@dataclass(frozen=True)
class Part:
    """A top-level statement with the comments right above it."""

    node: ast.stmt
    source: str
    defines: frozenset[str]
    uses: frozenset[str]

    @property
    def imports(self) -> bool:
        return isinstance(self.node, ast.Import | ast.ImportFrom)


def cut(source: str) -> list[Part]:
    """The parts of a module in order, without its docstring and other top-level expressions."""
    lines = source.split("\n")
    parts = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Expr):
            continue
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
        while first > 1 and lines[first - 2].startswith("#"):
            first -= 1
        parts.append(Part(node, "\n".join(lines[first - 1 : node.end_lineno]), _defines(node), _uses(node)))
    return parts


def _defines(node: ast.stmt) -> frozenset[str]:
    return frozenset(_bound(node))


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.alias):
        yield node.asname or node.name.partition(".")[0]
    elif isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Store):
            yield node.id
    else:
        for child in ast.iter_child_nodes(node):
            yield from _bound(child)


def _uses(node: ast.stmt) -> frozenset[str]:
    """The names that a statement reads, those in quoted annotations too."""
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    for annotation in _annotations(node):
        for each in ast.walk(annotation):
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                names |= _names_in(each.value)
    return frozenset(names)


def _annotations(node: ast.stmt) -> Iterator[ast.expr]:
    for each in ast.walk(node):
        annotation = each.returns if isinstance(each, ast.FunctionDef) else getattr(each, "annotation", None)
        if annotation is not None:
            yield annotation


def _names_in(source: str) -> set[str]:
    try:
        return {each.id for each in ast.walk(ast.parse(source, mode="eval")) if isinstance(each, ast.Name)}
    except SyntaxError:
        return set()  # a text of Literal[...] rather than a type


def without_value(part: Part) -> str:
    """An assignment's stub: the same name, and `...` where the answer stood."""
    if isinstance(part.node, ast.AnnAssign):
        return f"{ast.unparse(part.node.target)}: {ast.unparse(part.node.annotation)} = ..."
    assert isinstance(part.node, ast.Assign)
    return " = ".join(ast.unparse(target) for target in part.node.targets) + " = ..."


def written_imports(parts: Iterable[Part], uses: frozenset[str]) -> str:
    """The import statements for the names in `uses` and the usual ones, grouped as the reference groups them."""
    groups: list[list[str]] = []
    end = -1
    for node in (part.node for part in parts if part.imports):
        if node.lineno != end + 1:
            groups.append([])
        end = node.end_lineno or node.lineno
        groups[-1].append(_import(node, uses | USUAL))
    blocks = ("\n".join(filter(None, group)) for group in groups)
    return "\n\n".join(filter(None, blocks))


def _import(node: ast.stmt, wanted: frozenset[str]) -> str:
    """The statement with the wanted names only; empty when none is left."""
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return ""
    future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
    names = [each for each in node.names if future or next(_bound(each)) in wanted]
    if not names:
        return ""
    if isinstance(node, ast.Import):
        return ast.unparse(ast.Import(names))
    statement = ast.unparse(ast.ImportFrom(node.module, names, node.level))
    if len(statement) <= LINE_LENGTH:
        return statement
    head = statement.partition(" import ")[0]
    return f"{head} import (\n" + "".join(f"    {ast.unparse(each)},\n" for each in names) + ")"
