"""Which global names a statement reads: at once, or only when a function in it is called."""

import ast
import symtable
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from headwork.grading.bindings import bound, reads_before_binding, root
from headwork.grading.parsing import parse

LAZY_SCOPES = {"TypeVar bound", "type alias", "type variable"}  # annotation scopes of 3.12 and 3.13


@dataclass(frozen=True)
class Reads:
    immediate: frozenset[str]  # module level, class bodies, decorators, defaults, annotations, comprehensions
    deferred: frozenset[str]  # bodies of functions and lambdas


@lru_cache(maxsize=4096)
def reads_of(source: str, lazy_annotations: bool = False) -> Reads:
    """What one top-level statement reads of the names around it, by the compiler's own symbol table.

    `lazy_annotations` is for files under `from __future__ import annotations`, where annotations read nothing.
    Raises SyntaxError and the like where Python could not compile the statement. Known mistakes and the parts of a
    notebook share most of their statements: each is read once.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = parse(source)
        try:
            tree = ast.fix_missing_locations(_Plain(lazy_annotations).visit(tree))
            table = symtable.symtable(ast.unparse(tree), "submission", "exec")
        except RecursionError:  # the compiler goes deeper than Python's own visitors
            table = symtable.symtable(source, "submission", "exec")
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    own = {name for node in tree.body for name in bound(node)}
    immediate: set[str] = set()
    deferred: set[str] = set()
    if isinstance(tree.body[0], ast.AugAssign):  # for the table only an assignment
        immediate.add(root(tree.body[0].target))
    for name, at_once in _globals_read(table, True, classes):
        if not at_once:
            deferred.add(name)
        elif name not in own or reads_before_binding(tree.body, name):
            immediate.add(name)
    return Reads(frozenset(immediate), frozenset(deferred))


def _globals_read(
    table: symtable.SymbolTable, at_once: bool, classes: list[ast.ClassDef]
) -> Iterator[tuple[str, bool]]:
    kind = str(getattr(table.get_type(), "value", table.get_type()))
    at_once = at_once and kind not in LAZY_SCOPES and (kind != "function" or _is_comprehension(table))
    for symbol in table.get_symbols():
        name = symbol.get_name()
        if kind == "module":
            is_read = symbol.is_referenced()
        elif kind == "class" and symbol.is_referenced() and symbol.is_local():
            bodies = [node.body for node in classes if node.name == table.get_name()]
            is_read = any(reads_before_binding(body, name) for body in bodies)
        else:  # `global n; n += 1` reads n, although the table only calls it assigned
            is_read = symbol.is_global() and (symbol.is_referenced() or symbol.is_assigned())
        if is_read:
            yield name, at_once
    for child in table.get_children():
        yield from _globals_read(child, at_once, classes)


def _is_comprehension(table: symtable.SymbolTable) -> bool:
    return isinstance(table, symtable.Function) and ".0" in table.get_parameters()


class _Plain(ast.NodeTransformer):
    """The statement with the same scopes and names, so that every Python version sees the same in it.

    Comprehensions become generator expressions, since 3.12 inlines the others and then takes their variables for the
    module's. Strings shrink to nothing. Annotations of local variables are never evaluated, so they go.
    """

    def __init__(self, lazy_annotations: bool) -> None:
        self.lazy_annotations = lazy_annotations
        self.in_function = False

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp) -> ast.AST:
        return self.generic_visit(ast.GeneratorExp(node.elt, node.generators))

    visit_SetComp = visit_ListComp

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        pair = ast.Tuple([node.key, node.value], ast.Load())
        return self.generic_visit(ast.GeneratorExp(pair, node.generators))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        formatted = [each for each in ast.walk(node) if isinstance(each, ast.FormattedValue)]
        return self.generic_visit(ast.Tuple([each.value for each in formatted], ast.Load()))

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant(0) if isinstance(node.value, str | bytes) else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if self.in_function or self.lazy_annotations:
            node.annotation = ast.Constant(0)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        if self.lazy_annotations:
            node.annotation = None
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        if self.lazy_annotations:
            node.returns = None
        outer, self.in_function = self.in_function, True
        self.generic_visit(node)
        self.in_function = outer
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        outer, self.in_function = self.in_function, False
        self.generic_visit(node)
        self.in_function = outer
        return node

    def visit_MatchValue(self, node: ast.MatchValue) -> ast.AST:
        return node  # a pattern takes no other expressions than these
