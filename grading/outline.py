"""The top level of a submission: its statements in order, what each binds, and what grading will not run."""

import __future__

import ast
import re
import warnings
from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from headwork.grading.bindings import Kind, bound, is_main_guard, root
from headwork.grading.notebook import marker
from headwork.grading.parsing import parse
from headwork.grading.program import Submission, Unit
from headwork.grading.reads import Reads, reads_of
from headwork.grading.unusable import SyntaxProblem, Unusable

MOST_STATEMENTS = 20_000
# methods that learners call at top level only to look at a value
DISPLAYED = {"all", "allclose", "any", "argmax", "backward", "cpu", "describe", "dim", "head", "item", "items", "keys"}
DISPLAYED |= {"max", "mean", "min", "norm", "numel", "numpy", "plot", "show", "size", "std", "sum", "tail", "tolist"}
DISPLAYED |= {"values", "var"}


@dataclass(frozen=True)
class Statement:
    """A top-level statement; `source` starts at `line` of the unit called `file`, at the first decorator."""

    index: int
    file: str
    line: int
    source: str
    node: ast.stmt
    binds: dict[str, Kind]
    lazy_annotations: bool

    @cached_property
    def reads(self) -> Reads:
        try:
            return reads_of(self.source, self.lazy_annotations)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise SyntaxProblem.of(error, self.file, "\n" * (self.line - 1) + self.source) from None


@dataclass(frozen=True)
class Effect:
    """Something that happens to `name` in statement `index`, a call that is not run: `table.append(3)`."""

    name: str
    index: int
    file: str
    line: int
    text: str

    def describe(self) -> str:
        place = f"line {self.line} of {self.file} (`{self.text}`)"
        return f"{place} does not run when your work is graded; build `{self.name}` in an assignment or a function"


@dataclass
class Outline:
    statements: list[Statement] = field(default_factory=list)
    bindings: dict[str, list[int]] = field(default_factory=dict)  # name -> statements that bind it, ascending
    effects: list[Effect] = field(default_factory=list)  # calls on a name, run only inside an included block
    unbound: dict[str, Effect] = field(default_factory=dict)  # names that only a statement never run would bind
    guarded: dict[str, tuple[str, int]] = field(default_factory=dict)  # names bound under `if __name__`: file, line
    broken: list[tuple[Unit, SyntaxProblem]] = field(default_factory=list)
    future: tuple[str, ...] = ()

    def binding(self, name: str, position: float) -> int | None:
        """The statement whose binding is in force just before `position`; failing that, the next one after it."""
        known = self.bindings.get(name, [])
        before = bisect_left(known, position)
        if before:
            return known[before - 1]
        after = bisect_right(known, position)
        return known[after] if after < len(known) else None

    def earlier(self, name: str, index: int) -> int | None:
        """The binding that the one in statement `index` builds on, or None."""
        known = self.bindings[name]
        before = bisect_left(known, index)
        kind = self.statements[index].binds[name]
        if not before or kind == "fresh":
            return None
        if kind == "import" and self.statements[known[before - 1]].binds[name] != "import":
            return None
        return known[before - 1]


@lru_cache(maxsize=32)
def outline(submission: Submission) -> Outline:
    """Parses a submission once. A unit that Python cannot parse goes to `broken`. Raises Unusable when too long."""
    result = Outline()
    for unit in submission.units:
        try:
            _add(result, unit)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            result.broken.append((unit, SyntaxProblem.of(error, unit.label, unit.source)))
    return result


def _add(result: Outline, unit: Unit) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = parse(unit.source)
        compile(unit.source, unit.label, "exec", dont_inherit=True)  # finds `return` outside a function
    if len(tree.body) + len(result.statements) > MOST_STATEMENTS:
        raise Unusable(f"more than {MOST_STATEMENTS} statements: hand in only your own code", unit.label)
    future = [alias.name for node in tree.body if _is_future(node) for alias in node.names]  # type: ignore[attr-defined]
    if future:
        result.future = tuple(sorted({*result.future, *future} & set(__future__.all_feature_names)))
    lines = unit.source.split("\n")
    found = [(node, bound(node), *segment(node, lines)) for node in tree.body]  # all of a unit, or none of it
    for node, binds, line, source in found:
        index = len(result.statements)
        result.statements.append(
            Statement(index, unit.label, line, source, node, binds, "annotations" in result.future)
        )
        if is_main_guard(node):
            result.guarded.update(dict.fromkeys(binds, (unit.label, node.lineno)))
        elif isinstance(node, ast.Expr) or marker(node):
            for name in binds:
                result.unbound[name] = _effect(name, index, unit.label, node, lines)
        else:
            for name in binds:
                result.bindings.setdefault(name, []).append(index)
        if not is_main_guard(node):
            _add_effects(result, node, index, unit.label, lines)


def _add_effects(result: Outline, node: ast.stmt, index: int, file: str, lines: list[str]) -> None:
    waiting: deque[ast.AST] = deque([node])
    while waiting:
        each = waiting.popleft()
        if isinstance(each, ast.Expr) and (name := _called_on(each.value)):
            result.effects.append(_effect(name, index, file, each, lines))
        elif isinstance(each, ast.stmt) and (found := marker(each)):
            result.unbound[found[0]] = _effect(found[0], index, file, each, lines)
        elif not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr):
            waiting += ast.iter_child_nodes(each)


def _called_on(call: ast.expr) -> str:
    """`table` of `table.rows[0].append(3)`; "" for other expressions and for calls that only look at the value."""
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.func.attr in DISPLAYED:
        return ""
    base: ast.expr = call.func
    while isinstance(base, ast.Attribute | ast.Call | ast.Subscript):
        base = base.func if isinstance(base, ast.Call) else base.value
    return root(base)


def _effect(name: str, index: int, file: str, node: ast.stmt, lines: list[str]) -> Effect:
    text = found[1] if (found := marker(node)) else re.sub(r"\s+", " ", segment(node, lines)[1])
    return Effect(name, index, file, node.lineno, text if len(text) <= 60 else text[:57] + "...")


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def segment(node: ast.stmt, lines: list[str]) -> tuple[int, str]:
    """The first line and the text of a statement, which may share its lines with others."""
    first, start = node.lineno, node.col_offset
    for decorator in getattr(node, "decorator_list", [])[:1]:
        first, start = decorator.lineno, 0
        while first > 1 and not lines[first - 1].lstrip().startswith("@"):
            first -= 1
    assert node.end_lineno is not None and node.end_col_offset is not None  # ast.parse always sets them
    chosen = lines[first - 1 : node.end_lineno]
    chosen[-1] = chosen[-1].encode()[: node.end_col_offset].decode()
    chosen[0] = chosen[0].encode()[start:].decode()
    return first, "\n".join(chosen)
