"""Which top-level names a statement binds, and in which order it meets names. Pure syntax: nothing is run.

A binding is *fresh* when the name's earlier value is gone after it, and a *change* when it builds on that value:
`x += 1`, `x[0] = 1`, `X.f = g`, `del x`, and whatever may not happen (under an `if` without `else`, in a loop).
The variable of a loop counts as fresh, as if every loop ran. An import is a change to an import of the same package:
`import torch` after `import torch.utils.data`.
"""

import ast
from collections.abc import Iterable, Iterator
from typing import Literal

Kind = Literal["fresh", "change", "import"]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def bound(node: ast.stmt) -> dict[str, Kind]:
    """The names this statement binds in its own scope; "*" for a star import."""
    match node:
        case ast.Import(names):
            return {_imported(alias): "fresh" if alias.asname else "import" for alias in names}
        case ast.ImportFrom(module, names):
            return {} if module == "__future__" else {alias.asname or alias.name: "fresh" for alias in names}
        case ast.Delete(targets):
            return {name: "change" for target in targets for name in _targets(target)}
        case ast.AugAssign(target):
            return {**_walrus(node), **dict.fromkeys(_targets(target), "change")}
        case ast.AnnAssign(target, value=value):
            return {} if value is None else {**_walrus(node), **_targets(target)}
        case ast.Assign(targets):
            return _then(_walrus(node), *(_targets(target) for target in targets))
        case ast.If(test, body, orelse):
            first, second = ({} if is_type_checking(test) else bound_by(body)), bound_by(orelse)
            return _then(_walrus(test), _one_of(first, second))
        case ast.With(items, body) | ast.AsyncWith(items, body):
            entered = [_targets(item.optional_vars) for item in items if item.optional_vars]
            return _then(*(_walrus(item.context_expr) for item in items), *entered, bound_by(body))
        case ast.For(target, iterated, body, orelse) | ast.AsyncFor(target, iterated, body, orelse):
            return _then(_walrus(iterated), _targets(target), _perhaps(bound_by(body)), _perhaps(bound_by(orelse)))
        case ast.While(test, body, orelse):
            return _then(_walrus(test), _perhaps(bound_by(body)), _perhaps(bound_by(orelse)))
        case ast.Try(body, handlers, orelse, final) | ast.TryStar(body, handlers, orelse, final):
            caught = [_then(bound_by(each.body), _caught(each)) for each in handlers]
            return _then(_one_of(_then(bound_by(body), bound_by(orelse)), *caught), bound_by(final))
        case ast.Match(subject, cases):
            kept = [_then(_captured(case.pattern), bound_by(case.body)) for case in cases]
            return _then(_walrus(subject), *map(_perhaps, kept))
        case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
            return {name: "fresh"}
    if type(node).__name__ == "TypeAlias":  # Python 3.12
        return {node.name.id: "fresh"}  # type: ignore[attr-defined]
    return _walrus(node)


def bound_by(body: Iterable[ast.stmt]) -> dict[str, Kind]:
    return _then(*(bound(node) for node in body))


def is_main_guard(node: ast.stmt) -> bool:
    """`if __name__ == "__main__":`, also with more conditions."""
    return isinstance(node, ast.If) and any(
        isinstance(each, ast.Name) and each.id == "__name__" for each in ast.walk(node.test)
    )


def is_type_checking(test: ast.expr) -> bool:
    return getattr(test, "id", getattr(test, "attr", "")) == "TYPE_CHECKING"


def root(node: ast.expr) -> str:
    """The name that `name.a[0].b` hangs on, or ""."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def reads_before_binding(nodes: Iterable[ast.AST], name: str) -> bool:
    """Whether the value that `name` had before is read, where these nodes both read and bind it."""
    for node in nodes:
        for event, each in _events(node):
            if each == name:
                return event == "load"
    return False


def _events(node: ast.AST | None) -> Iterator[tuple[str, str]]:
    """("load" or "store", name) in about the order of evaluation, without the bodies of functions."""
    match node:
        case None:
            return
        case ast.Name(name, ast.Load()):
            yield "load", name
        case ast.Name(name):
            yield "store", name
        case ast.AugAssign(target, value=value):
            yield "load", root(target)
            yield from _all_events([value, target])
        case ast.Assign(targets, value):
            yield from _all_events([value, *targets])
        case ast.AnnAssign(target, annotation, value):
            yield from _all_events([annotation, value, target] if value else [annotation])
        case ast.NamedExpr(target, value):
            yield from _all_events([value, target])
        case ast.For(target, iterated, body, orelse) | ast.AsyncFor(target, iterated, body, orelse):
            yield from _all_events([iterated, target, *body, *orelse])
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from _all_events([*node.decorator_list, node.args, node.returns])
            yield "store", node.name
        case ast.ClassDef():
            yield from _all_events([*node.decorator_list, *node.bases, *node.keywords, *node.body])
            yield "store", node.name
        case ast.ExceptHandler(caught, name, body):
            yield from _events(caught)
            yield from [("store", name)] if name else []
            yield from _all_events(body)
        case ast.Lambda(args):
            yield from _events(args)
        case ast.Import() | ast.ImportFrom():
            yield from (("store", name) for name in bound(node))
        case ast.MatchAs() | ast.MatchStar() | ast.MatchMapping():
            yield from _all_events(ast.iter_child_nodes(node))
            yield from (("store", name) for name in _own_capture(node))
        case _ if isinstance(node, COMPREHENSIONS):
            yield from (event for event in _all_events(ast.iter_child_nodes(node)) if event[0] == "load")
        case _:
            yield from _all_events(ast.iter_child_nodes(node))


def _all_events(nodes: Iterable[ast.AST | None]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        yield from _events(node)


def _then(*steps: dict[str, Kind]) -> dict[str, Kind]:
    """What one after the other binds: fresh if any of them is."""
    together: dict[str, Kind] = {}
    for step in steps:
        for name, kind in step.items():
            together[name] = "fresh" if "fresh" in (kind, together.get(name)) else kind
    return together


def _one_of(*branches: dict[str, Kind]) -> dict[str, Kind]:
    """What branches bind of which one is taken: fresh only what all of them bind."""
    everywhere = set.intersection(*(set(branch) for branch in branches))
    together = _then(*branches)
    return {name: kind if name in everywhere else "change" for name, kind in together.items()}


def _perhaps(branch: dict[str, Kind]) -> dict[str, Kind]:
    return _one_of(branch, {})


def _targets(node: ast.expr) -> dict[str, Kind]:
    match node:
        case ast.Name(name):
            return {name: "fresh"}
        case ast.Tuple(parts) | ast.List(parts):
            return _then(*map(_targets, parts))
        case ast.Starred(value):
            return _targets(value)
    return {root(node): "change"} if root(node) else {}


def _walrus(node: ast.AST) -> dict[str, Kind]:
    if not any(isinstance(each, ast.NamedExpr) for each in ast.walk(node)):
        return {}
    found: dict[str, Kind] = {}
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, ast.NamedExpr) and isinstance(each.target, ast.Name):
            found[each.target.id] = "fresh"
        waiting += [child for child in ast.iter_child_nodes(each) if not isinstance(child, FUNCTIONS)]
    return found


def _caught(handler: ast.ExceptHandler) -> dict[str, Kind]:
    return {handler.name: "change"} if handler.name else {}


def _captured(pattern: ast.pattern) -> dict[str, Kind]:
    return {name: "fresh" for each in ast.walk(pattern) for name in _own_capture(each)}


def _own_capture(node: ast.AST) -> list[str]:
    name = getattr(node, "rest" if isinstance(node, ast.MatchMapping) else "name", None)
    return [name] if isinstance(name, str) else []


def _imported(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]
