"""From a submission to the `Program` that one exercise needs: the asked names and, transitively, what they use.

Included are the asked names' last definitions and the top-level statements that bind what these read. A name read at
once gets its last binding before the reader or, in reordered notebooks, the next one after it, which then goes first.
A name read in a function's body gets its last binding of all. What a function reads goes before a statement that uses
the function at once. Otherwise the order is the source's. Bare expressions, magics and `if __name__` never run.
"""

import ast
import builtins
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from math import inf

from headwork.grading.bindings import is_type_checking
from headwork.grading.order import Order
from headwork.grading.outline import Outline, Statement, outline
from headwork.grading.program import Piece, Program, Submission
from headwork.grading.unusable import ForbiddenImport, MissingName, SyntaxProblem, Unusable, closest_name

__all__ = ["ForbiddenImport", "MissingName", "SyntaxProblem", "Unusable", "extract"]

ALWAYS_THERE = frozenset(dir(builtins)) | {"__file__", "__name__", "__doc__", "__annotations__", "__builtins__"}


def extract(submission: Submission, names: Sequence[str], packages: Sequence[str], also: Sequence[str] = ()) -> Program:
    """The part of `submission` that defines `names`, in an order in which it can run.

    `also` are names to be had besides; where that cannot be, the program is made without them.

    `packages` are dotted prefixes of the modules that may be imported, besides the standard library. Names bound
    nowhere are left to fail at run time. Raises MissingName, SyntaxProblem, ForbiddenImport or plain Unusable.
    """
    if also:
        with suppress(Unusable):
            return replace(extract(submission, [*names, *also], packages), names=tuple(names))
    parsed = outline(submission)
    if parsed.broken and not parsed.statements:
        raise parsed.broken[0][1]
    for name in names:
        _require(parsed, name)
    chosen = _Selection(parsed)
    for name in names:
        chosen.demand(name, inf)
    chosen.close()
    for unit, problem in parsed.broken:
        if any(re.search(rf"\b{re.escape(name)}\b", unit.source) for name in chosen.unresolved):
            raise problem
    statements = [parsed.statements[index] for index in chosen.in_order()]
    for statement in statements:
        _refuse_foreign_imports(statement, packages)
    pieces = tuple(Piece(each.file, each.line, each.source) for each in statements)
    return Program(pieces, tuple(names), parsed.future, _skipped(parsed, chosen))


class _Selection:
    """The statements chosen so far, the names they are chosen for, and which must go before which."""

    def __init__(self, parsed: Outline) -> None:
        self.parsed = parsed
        self.chosen: set[int] = set()
        self.names: set[str] = set()  # demanded names, bound or not
        self.unresolved: set[str] = set()
        self.waiting: list[int] = []
        self.order = Order()

    def demand(self, name: str, position: float) -> int | None:
        """Chooses the binding of `name` that is in force at `position`, and returns it."""
        self.names.add(name)
        index = self.parsed.binding(name, position)
        if index is None:
            if name not in ALWAYS_THERE and name not in self.parsed.bindings:
                self.unresolved.add(name)
            return None
        self._choose(index)
        return index

    def close(self) -> None:
        """Chooses what the chosen ones need, until nothing is missing."""
        self._close()
        if self.unresolved:
            stars = self.parsed.bindings.get("*", [])
            for index in stars:
                self._choose(index)
            for index in list(self.chosen):
                if self.parsed.statements[index].reads.immediate & self.unresolved:
                    self.order.require(index, stars)
            self._close()

    def in_order(self) -> list[int]:
        return self.order.sorted(self.chosen)

    def _choose(self, index: int) -> None:
        if index not in self.chosen:
            self.chosen.add(index)
            self.waiting.append(index)

    def _close(self) -> None:
        while self.waiting:
            index = self.waiting.pop()
            statement = self.parsed.statements[index]
            for name in statement.binds:
                earlier = self.parsed.earlier(name, index)
                if earlier is not None:
                    self._choose(earlier)
                    self.order.require(index, [earlier])
            for name in sorted(statement.reads.deferred):
                self.demand(name, inf)
            used = [self.demand(name, index) for name in sorted(statement.reads.immediate)]
            needed = [each for each in used if each is not None]
            self.order.require(index, needed)
            self._demand_what_they_call(needed, index)

    def _demand_what_they_call(self, used: list[int], index: int) -> None:
        """What the functions among `used` read goes before the statement that may call them, where it can."""
        waiting, seen = list(used), set(used)
        while waiting and not self.order.is_full:
            for name in sorted(self.parsed.statements[waiting.pop()].reads.deferred):
                found = self.demand(name, index)
                if found is not None and found not in seen:
                    seen.add(found)
                    waiting.append(found)
                    self.order.prefer(index, found)


def _require(parsed: Outline, name: str) -> None:
    """Raises what tells best why `name` is not there: a cell that does not parse, a guard, a wrong spelling."""
    known = parsed.bindings.get(name)
    if known:
        last = parsed.statements[known[-1]]
        if not isinstance(last.node, ast.Delete) or name not in _deleted(last.node):
            return
        text = f"`{name}` is deleted again in line {last.line} of {last.file}: leave out the `del`"
        raise MissingName(text, name, file=last.file, line=last.line)
    for unit, problem in parsed.broken:
        if re.search(rf"\b{re.escape(name)}\b", unit.source):
            raise problem
    if name in parsed.guarded:
        file, line = parsed.guarded[name]
        place = f"under `if __name__` (line {line} of {file})"
        text = f"`{name}` is only defined {place}, which does not run when your work is graded; move it out of there"
        raise MissingName(text, name, file=file, line=line)
    if name in parsed.unbound:
        effect = parsed.unbound[name]
        raise MissingName(f"`{name}` is not defined: {effect.describe()}", name, file=effect.file, line=effect.line)
    closest = closest_name(name, parsed.bindings)
    if not closest:
        raise MissingName(f"`{name}` is not defined", name)
    found = parsed.statements[parsed.bindings[closest][-1]]
    place = f"line {_line_of(found)}" + ("" if found.file.endswith(".py") else f" of {found.file}")
    text = f"`{name}` is not defined; did you mean `{closest}` ({place})?"
    raise MissingName(text, name, closest, found.file, _line_of(found))


def _deleted(node: ast.Delete) -> set[str]:
    """The names that go themselves, unlike `x` in `del x[0]`."""
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Del)}


def _line_of(statement: Statement) -> int:
    return statement.node.lineno  # of the `def`, not of its decorator


def _refuse_foreign_imports(statement: Statement, packages: Sequence[str]) -> None:
    waiting: list[ast.AST] = [statement.node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and is_type_checking(node.test):
            waiting += node.orelse
            continue
        waiting += reversed(list(ast.iter_child_nodes(node)))
        for module in _imports(node):
            if not _is_allowed(module, packages):
                assert isinstance(node, ast.Import | ast.ImportFrom)
                raise _forbidden(module, statement.file, node.lineno, packages)


def _imports(node: ast.AST) -> list[str]:
    """The modules an import statement may load, dotted; "." stands before a relative one."""
    match node:
        case ast.Import(names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module, names, level):
            if level:
                return ["." * level + (module or "")]
            return [f"{module}.{alias.name}" for alias in names]
    return []


def _is_allowed(module: str, packages: Iterable[str]) -> bool:
    if module.partition(".")[0] in sys.stdlib_module_names:
        return True
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _forbidden(module: str, file: str, line: int, packages: Sequence[str]) -> ForbiddenImport:
    allowed = tuple(sorted(packages))
    if module.startswith("."):
        text = f"`{module}` cannot be imported: your work is graded as one file, so put what you need into it"
        return ForbiddenImport(text, module, allowed, file, line)
    root = module.partition(".")[0]
    shown = root
    if any(package.partition(".")[0] == root for package in allowed):
        shown = ".".join(module.split(".")[:2])
    listed = f"{', '.join(allowed)} and the standard library" if allowed else "only the standard library"
    text = f"`{shown}` cannot be used in this chapter; it allows {listed}"
    return ForbiddenImport(text, shown, allowed, file, line)


def _skipped(parsed: Outline, chosen: _Selection) -> dict[str, str]:
    """For each name in the program that a statement not run would have changed: the sentence that says so."""
    skipped: dict[str, str] = {}
    for effect in parsed.effects:
        known = parsed.bindings.get(effect.name, [])
        if effect.name not in chosen.names or effect.index in chosen.chosen or not known:
            continue
        fresh = [each for each in known if parsed.statements[each].binds[effect.name] == "fresh"]
        is_rebound = bool(fresh) and fresh[-1] > effect.index
        if not is_rebound and not isinstance(
            parsed.statements[known[0]].node, ast.Import | ast.ImportFrom | ast.FunctionDef
        ):
            skipped.setdefault(effect.name, effect.describe())
    for name, effect in parsed.unbound.items():
        if name in chosen.names and parsed.bindings.get(name, [-1])[-1] <= effect.index:
            skipped.setdefault(name, effect.describe())
    return skipped
