"""Whether two programs say the same: an untouched stub is one, however it was reformatted."""

import ast
import warnings
from collections.abc import Sequence

from headwork.grading.bindings import bound
from headwork.grading.parsing import parse
from headwork.grading.program import Program

DOCUMENTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def definitions(program: Program, names: Sequence[str]) -> tuple[str, ...]:
    """The pieces that bind `names`, as normalised syntax: without docstrings, annotations, comments and layout."""
    return tuple(text for piece in program.pieces for text in _normalised(piece.source, set(names)))


def _normalised(source: str, names: set[str]) -> list[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = parse(source).body
        return [ast.dump(_Bare().visit(node)) for node in body if names & set(bound(node))]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [source]


class _Bare(ast.NodeTransformer):
    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.AnnAssign):
            node = ast.Assign([node.target], node.value) if node.value else ast.Pass()
        return self.generic_visit(node)
