"""A chapter's reference as one text: `solutions/NAME.py`, or the modules of `solutions/NAME/` put together.

In a package each module may import from those beside it, `from headwork.solutions.NAME.layers import LayerNorm`.
Together they are one program, as a learner's file is: these imports go, a module comes after those it imports
from, and what all modules import stands on top.
"""

import ast
import sys
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from importlib.resources import files
from pathlib import Path

from headwork.grading.bindings import bound
from headwork.grading.parsing import parse

SOLUTIONS = Path(str(files("headwork.solutions")))


class Unassembled(ValueError):
    """Why a chapter's modules make no single text, and how to mend it. One line."""


@lru_cache
def solution_source(chapter: str) -> str:
    """The whole reference of a chapter. Raises FileNotFoundError and Unassembled."""
    return assembled(SOLUTIONS, chapter)


def assembled(solutions: Path, chapter: str) -> str:
    """The reference of `chapter` in the folder `solutions`. Raises FileNotFoundError and Unassembled."""
    modules = module_files(solutions, chapter)
    if not modules:
        raise FileNotFoundError(f"write solutions/{chapter}.py, or modules in solutions/{chapter}/")
    if modules[0].parent == solutions:
        return modules[0].read_text(encoding="utf-8")
    prefix = f"headwork.solutions.{chapter}"
    parsed = {path.stem: _Module(path, prefix) for path in modules}
    _refuse_twins(parsed)
    order = TopologicalSorter({name: sorted(module.uses) for name, module in sorted(parsed.items())})
    try:
        names = list(order.static_order())
    except CycleError as error:
        raise Unassembled(f"solutions/{chapter}: {' imports '.join(error.args[1])}: take one of these out") from None
    for name in names:
        if name not in parsed:
            raise Unassembled(f"solutions/{chapter}: there is no module {name}.py to import from")
    bodies = [parsed[name].body for name in names if parsed[name].body]
    imports = _imports([each for name in names for each in parsed[name].imports])
    return "\n\n\n".join(filter(None, [imports, *bodies])) + "\n"


def module_files(solutions: Path, chapter: str) -> list[Path]:
    """The files that a chapter's reference is written in: one, or those of its package; none when it has none."""
    single = solutions / f"{chapter}.py"
    if single.is_file():
        return [single]
    return sorted(path for path in (solutions / chapter).glob("*.py") if path.name != "__init__.py")


class _Module:
    """One module of a package: the modules beside it that it uses, its other imports, and the rest as text."""

    def __init__(self, path: Path, prefix: str):
        source = path.read_text(encoding="utf-8")
        try:
            tree = parse(source)
        except SyntaxError as error:
            where = f"solutions/{path.parent.name}/{path.name}"
            raise Unassembled(f"{where}, line {error.lineno}: {error.msg}: mend it") from None
        self.uses: set[str] = set()
        self.imports: list[ast.Import | ast.ImportFrom] = []
        self.defines: set[str] = set()
        lines = source.split("\n")
        dropped: set[int] = set()
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{prefix}."):
                    self.uses.add(str(node.module).removeprefix(f"{prefix}."))
                else:
                    self.imports.append(node)
            elif isinstance(node, ast.Expr):
                pass  # the module's docstring
            else:
                self.defines |= bound(node).keys()
                continue
            dropped |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        self.body = "\n".join(line for number, line in enumerate(lines, 1) if number not in dropped).strip("\n")


def _refuse_twins(modules: dict[str, _Module]) -> None:
    owner: dict[str, str] = {}
    for name, module in sorted(modules.items()):
        for each in sorted(module.defines):
            if each in owner:
                raise Unassembled(f"{each} is defined in {owner[each]}.py and in {name}.py: rename one")
            owner[each] = name


def _imports(nodes: list[ast.Import | ast.ImportFrom]) -> str:
    """The import statements of all modules, each name once, the standard library's before the others."""
    plain: set[tuple[str, str | None]] = set()
    named: dict[str, set[tuple[str, str | None]]] = {}
    for node in nodes:
        names = {(alias.name, alias.asname) for alias in node.names}
        if isinstance(node, ast.Import):
            plain |= names
        else:
            named.setdefault(node.module or "", set()).update(names)
    statements = [(name, ast.unparse(ast.Import([ast.alias(name, asname)]))) for name, asname in _sorted(plain)]
    statements += [
        (module, ast.unparse(ast.ImportFrom(module, [ast.alias(*each) for each in _sorted(names)], 0)))
        for module, names in sorted(named.items())
    ]
    groups: tuple[list[str], ...] = ([], [], [])
    for module, statement in statements:
        top = module.partition(".")[0]
        groups[0 if top == "__future__" else 1 if top in sys.stdlib_module_names else 2].append(statement)
    return "\n\n".join("\n".join(group) for group in groups if group)


def _sorted(names: set[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    """As isort orders names: constants, classes, the rest."""
    return sorted(names, key=lambda name: (not name[0].isupper(), not name[0][0].isupper(), name[0], name[1] or ""))
