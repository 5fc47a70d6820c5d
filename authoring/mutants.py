"""Makes mutants of a reference: each is the reference with one generic change, as a careless hand would make it.

Only what the learner writes is changed: what stands between the solution marks, in the definitions asked for.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from headwork.authoring.stub import BEGIN, END
from headwork.grading.program import Program

ORDERINGS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Lt: ast.LtE, ast.LtE: ast.Lt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
AXES = {0: 1, 1: 0, -1: -2, -2: -1}
CHECKED = "__cut_changes_nothing"


@dataclass(frozen=True)
class Mutant:
    """The reference's `source` with one change, of a `kind`, which turned line `old` into `new` ('' when removed)."""

    kind: str
    old: str
    new: str
    source: str
    trial: str = ""  # of a detach: source that raises where the detached value carries a gradient


@dataclass(frozen=True)
class Change:
    """Put `new` in the place of a node (None: remove the statement)."""

    kind: str
    place: ast.AST
    new: ast.AST | None


def base(program: Program) -> ast.Module:
    """The reference's pieces as one module, with the line numbers of the file they come from."""
    body: list[ast.stmt] = []
    for piece in program.pieces:
        tree = ast.parse(piece.source)
        ast.increment_lineno(tree, piece.line - 1)
        body += tree.body
    return ast.Module(body, [])


def mutants(program: Program, file: str) -> Iterator[Mutant]:
    """Every mutant once, in the order of the source. `file` is the whole reference, in which the marks are."""
    tree = base(program)
    original = ast.unparse(tree)
    seen = {original}
    inside = _solution_lines(file)
    asked = [node for node in tree.body if getattr(node, "name", "") in program.names]
    for change in _changes(asked, inside):
        source = _with(tree, change.place, change.new)
        if source not in seen:
            seen.add(source)
            old, new = _differing(original, source)
            trial = _with(tree, change.place, _checked(change.place)) if change.kind == "detach" else ""
            yield Mutant(change.kind, old, new, source, trial)


def _solution_lines(file: str) -> set[int]:
    lines = [line.strip() for line in file.split("\n")]
    begins = [number for number, line in enumerate(lines, start=1) if line == BEGIN]
    ends = [number for number, line in enumerate(lines, start=1) if line == END]
    return {number for first, last in zip(begins, ends, strict=True) for number in range(first, last)}


def _changes(asked: list[ast.stmt], inside: set[int]) -> Iterator[Change]:
    for function, options in _functions(asked):
        for node in _in_order(function):
            if getattr(node, "lineno", 0) in inside:
                for rule in RULES:
                    yield from rule(node)
                yield from _defaults(node, options)


def _functions(body: list[ast.stmt]) -> Iterator[tuple[ast.FunctionDef, dict[str, ast.expr]]]:
    """Functions and methods with the defaults of their options; of a method also those of `__init__`, as `self.x`."""
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield node, _options(node)
        if isinstance(node, ast.ClassDef):
            methods = [each for each in node.body if isinstance(each, ast.FunctionDef)]
            kept = {f"self.{k}": v for each in methods if each.name == "__init__" for k, v in _options(each).items()}
            yield from ((each, kept | _options(each)) for each in methods)


def _options(function: ast.FunctionDef) -> dict[str, ast.expr]:
    named = function.args.posonlyargs + function.args.args
    defaults = function.args.defaults
    pairs = [*zip(named[len(named) - len(defaults) :], defaults, strict=True)]
    pairs += [(a, d) for a, d in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True) if d]
    return {argument.arg: default for argument, default in pairs}


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all below it, in the order of the source; annotations are left out."""
    yield node
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _in_order(child)


def _axes(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Call):
        for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
            number = _integer(argument)
            if number in AXES:
                yield Change("axis", argument, ast.Constant(AXES[number]))


def _off_by_one(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield Change("off by one", node, ast.Constant(node.value + 1))
        yield Change("off by one", node, ast.Constant(node.value - 1))


def _terms(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div | ast.Pow):
        yield Change("term dropped", node, node.left)
        if isinstance(node.op, ast.Add | ast.Mult):
            yield Change("term dropped", node, node.right)


def _flags(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield Change("flag", node, ast.Constant(not node.value))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
        yield Change("flag", node, node.operand)


def _orderings(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        flipped = ORDERINGS[type(node.ops[0])]()
        yield Change("comparison", node, ast.Compare(node.left, [flipped], node.comparators))


def _detached(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.Return) and node.value and not _integer(node.value):
        yield Change("detach", node.value, ast.Call(ast.Attribute(node.value, "detach", ast.Load()), [], []))


def _removed(node: ast.AST) -> Iterator[Change]:
    """Statements that act by what they do: calls, changes in place, and assignments to attributes and items."""
    call = isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
    targets = node.targets if isinstance(node, ast.Assign) else []
    stored = any(isinstance(each, ast.Attribute | ast.Subscript) for each in targets)
    if call or stored or isinstance(node, ast.AugAssign):
        yield Change("removed", node, None)


def _infinities(node: ast.AST) -> Iterator[Change]:
    named = isinstance(node, ast.Attribute) and node.attr == "inf"
    called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
    if named or called:
        yield Change("infinity", node, ast.Constant(0))


RULES: tuple[Callable[[ast.AST], Iterator[Change]], ...] = (
    *(_axes, _off_by_one, _terms, _flags, _orderings, _detached, _removed, _infinities),
)


def _defaults(node: ast.AST, options: dict[str, ast.expr]) -> Iterator[Change]:
    if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
        default = options.get(ast.unparse(node))
        if default is not None:
            yield Change("option ignored", node, default)


def _integer(node: ast.AST) -> int | None:
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    inner = node.operand if isinstance(node, ast.UnaryOp) and negative else node
    if isinstance(inner, ast.Constant) and type(inner.value) is int:
        return -inner.value if negative else inner.value
    return None


def _checked(node: ast.AST) -> ast.AST:
    """The value itself, or an error where a detach would have cut something."""
    test = "value if not value.requires_grad else 1 / 0"
    return ast.parse(f"(lambda value: {test})({ast.unparse(node)})", mode="eval").body


def _with(tree: ast.Module, place: ast.AST, new: ast.AST | None) -> str:
    """The source of `tree` with `new` in one place; the tree stays as it was."""
    swapped = _Swap(place, copy.deepcopy(new)).visit(copy.deepcopy(tree, {id(place): place}))
    return ast.unparse(ast.fix_missing_locations(swapped))


class _Swap(ast.NodeTransformer):
    def __init__(self, place: ast.AST, new: ast.AST | None):
        self.place, self.new = place, new

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self.place:
            return ast.Pass() if self.new is None else self.new
        return self.generic_visit(node)


def _differing(one: str, other: str) -> tuple[str, str]:
    """The first lines in which two sources differ; they correspond, since a removed statement is `pass`."""
    pairs = zip(one.split("\n"), other.split("\n"), strict=False)
    old, new = next((a.strip(), b.strip()) for a, b in pairs if a != b)
    return old, "" if new == "pass" else new
